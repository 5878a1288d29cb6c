from dataclasses import replace

import pytest

from testbed.analysis.findings.limits import find_limits, sending_s
from testbed.analysis.findings.path import Path, PathCause
from testbed.analysis.join.observation import SHORT_S
from tests.support.cycles import cycles, window_limited
from tests.support.samples import same_as, with_columns
from tests.support.transfers import captures_of, fast_reader, slow_network, slow_reader, slow_sender


@pytest.mark.parametrize(
    ("transfer", "limit"), [(slow_reader, "receiver"), (slow_network, "network"), (slow_sender, "application")]
)
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_each_limit_is_found(transfer, limit: str, family: str) -> None:
    limits = find_limits(transfer(family=family).observe())
    assert limits is not None
    assert limits.limit == limit
    assert limits.share > 0.9
    assert sum(limits.shares.values()) == pytest.approx(1)


@pytest.mark.parametrize(("rtt_us", "limit"), [(1000, "window"), (200_000, "network")])
def test_without_the_receivers_capture_the_round_trip_decides(rtt_us: int, limit: str) -> None:
    observation = slow_network().observe(rtt_ms=1.0)
    observation = replace(observation, receiver=replace(observation.receiver, capture=None))
    limits = find_limits(with_columns(observation, rwnd_limited=same_as("busy_time"), rtt=rtt_us))
    assert limits is not None
    assert limits.limit == limit
    assert limits.share > 0.9


def test_the_window_is_shared_out_between_reader_and_path() -> None:
    """Near the middle neither is left out, and which comes first is all that may change."""
    for path_ms, reader_ms, first in ((150, 250, "receiver"), (250, 150, "window"), (40, 360, "receiver")):
        observation = cycles(path_ms, reader_ms, count=12)
        limits = find_limits(observation)
        assert limits is not None
        assert limits.limit == first
        assert limits.shares["receiver"] == pytest.approx(reader_ms / (path_ms + reader_ms), abs=0.08)
        second = {"receiver": "window", "window": "receiver"}[first]
        assert (second in limits.also) is (min(path_ms, reader_ms) > 100)


def test_a_delay_of_the_last_acknowledgement_limits_nothing() -> None:
    transfer = slow_network(total_bytes=4000)
    last = max(n for n, segment in enumerate(transfer.segments) if segment.from_server and not segment.flags & 1)
    for n in range(last, len(transfer.segments)):
        transfer.segments[n] = replace(transfer.segments[n], time_ns=transfer.segments[n].time_ns + 40_000_000)
    observation = transfer.observe()
    assert observation.sending_s is not None
    assert observation.sending_s > SHORT_S
    assert sending_s(observation) == pytest.approx(observation.sending_s - 0.04)
    assert find_limits(observation) is None


def test_a_send_buffer_that_is_too_small() -> None:
    limits = find_limits(with_columns(slow_network().observe(), sndbuf_limited=same_as("busy_time")))
    assert limits is not None
    assert limits.limit == "send buffer"


def test_what_is_not_known() -> None:
    assert find_limits(fast_reader().observe()) is None
    assert find_limits(captures_of(slow_reader().segments)) is None
    observation = slow_reader().observe()
    assert find_limits(replace(observation, receiver=replace(observation.receiver, samples=None))) is not None


def test_window_that_the_kernel_did_not_count_because_it_paced_the_sender() -> None:
    observation = with_columns(
        slow_network().observe(),
        snd_wnd=8688,
        snd_cwnd=20,
        unacked=6,
        notsent_bytes=5000,
        send_queue_bytes=13_688,
        ca_state=0,
        rwnd_limited=lambda samples: samples.column("busy_time") * 4 // 10,
    )
    limits = find_limits(observation)
    assert limits is not None
    assert limits.receive_window == pytest.approx(0.4, abs=0.02)
    assert limits.limit == "window"
    assert limits.share > 0.85
    assert sum(limits.shares.values()) == pytest.approx(1)


def test_a_window_that_was_open_again_is_not_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for window and not for the reader waits for the path, as long as no update of the window came."""
    for lost_s, network in ((0.0, 0.0), (1.0, 0.21), (60.0, 0.72)):
        path = Path(causes=(PathCause.LOST_WINDOW_UPDATE,), window_update_lost_s=lost_s)
        monkeypatch.setattr("testbed.analysis.findings.limits.path_of", lambda _, path=path: path)
        limits = find_limits(window_limited(290, 110))
        assert limits is not None
        assert limits.shares["network"] == pytest.approx(network, abs=0.05)
        assert limits.shares["receiver"] == pytest.approx(110 / 400, abs=0.08)
        assert sum(limits.shares.values()) == pytest.approx(1)


def test_a_link_that_is_interrupted_is_no_window_that_is_too_small() -> None:
    """All of the window is in flight, and nothing comes back: the kernel counts it as limited by the window."""
    observation = slow_network().observe(link_losses={"client": 9}, impairment={"client": "loss 100%", "server": ""})
    limits = find_limits(with_columns(observation, ca_state=4, total_rto=5, rwnd_limited=same_as("busy_time")))
    assert limits is not None
    assert limits.limit == "network"
    assert limits.path.causes == ("losses",)
    assert limits.receive_window > 0.9
    assert sum(limits.shares.values()) == pytest.approx(1)
