from dataclasses import replace

import pytest

from testbed.analysis.findings.path import PathCause, path_of
from testbed.analysis.join.observation import Observation
from tests.support.captures import pcap
from tests.support.samples import with_columns
from tests.support.transfers import MS, Transfer, captured, slow_network, slow_reader


def distant(transfer: Transfer, there_ms: int, back_ms: int, rtt_us: int, **changes: object) -> Observation:
    """Return the transfer with that time on the way between its two captures, and these round trips in the samples."""
    observation = transfer.observe(
        **{"rtt_ms": 20.0, "impairment": {"client": "delay 10ms", "server": "delay 10ms"}} | changes
    )
    shifted = [
        replace(segment, time_ns=segment.time_ns + (-back_ms if segment.from_server else there_ms) * MS)
        for segment in transfer.segments
    ]
    shifted.sort(key=lambda segment: segment.time_ns)
    capture = captured(pcap(shifted), "server/capture.pcap", complete=True)
    return with_columns(replace(observation, receiver=replace(observation.receiver, capture=capture)), rtt=rtt_us)


def test_a_queue_before_the_rate() -> None:
    found = path_of(distant(slow_network(), 190, 10, 200_000))
    assert found.causes == (PathCause.QUEUE,)
    assert found.queued_rtt_ms == pytest.approx(200, abs=1)
    assert found.idle_rtt_ms == 20


def test_a_short_queue_counts_where_a_rate_is_requested() -> None:
    requested = {"client": "rate 100mbit", "server": ""}
    for impairment, causes in (
        (requested, (PathCause.QUEUE,)),
        ({"client": "delay 1ms", "server": ""}, (PathCause.ROUND_TRIP,)),
    ):
        observation = distant(slow_network(), 7, 0, 7000, rtt_ms=1.0, impairment=impairment)
        assert path_of(observation).causes == causes


def test_delayed_acknowledgements_are_no_queue() -> None:
    """The sender's round trips have the receiver's delay in them; the time on the way has not."""
    assert PathCause.QUEUE not in path_of(distant(slow_reader(), 10, 10, 60_000)).causes


def test_round_trips_show_it_where_only_one_end_captured() -> None:
    observation = distant(slow_network(), 10, 10, 200_000)
    assert PathCause.QUEUE in path_of(replace(observation, receiver=replace(observation.receiver, capture=None))).causes


def test_the_congestion_window() -> None:
    found = path_of(distant(slow_network(), 10, 10, 21_000))
    assert found.causes == (PathCause.ROUND_TRIP,)
    assert found.rtt_ms == 21


def test_what_is_over_in_a_round_trip_was_on_its_way() -> None:
    assert path_of(distant(slow_network(total_bytes=6000), 10, 10, 150_000, rtt_ms=150.0)).causes == (PathCause.DELAY,)


@pytest.mark.parametrize(
    ("counters", "lost"),
    [
        ({"total_retrans": 6, "dsack_dups": 1}, True),
        ({"total_retrans": 0, "total_rto": 1}, True),
        ({"total_retrans": 6, "dsack_dups": 6}, False),
    ],
)
def test_losses(counters: dict[str, int], *, lost: bool) -> None:
    observation = with_columns(distant(slow_network(), 10, 10, 21_000), **counters)
    assert (PathCause.LOSSES in path_of(observation).causes) is lost


def test_a_plain_link_has_no_queue_and_no_distance() -> None:
    observation = distant(slow_network(), 0, 0, 40_000, rtt_ms=0.2, impairment={"client": "", "server": ""})
    assert path_of(observation).causes == (PathCause.MACHINE,)


def test_a_profile_changes_what_is_idle() -> None:
    observation = distant(slow_network(), 190, 10, 200_000, requested={"profile": [{"at": "1s"}]})
    assert PathCause.QUEUE not in path_of(observation).causes


def test_without_samples_nothing_is_known() -> None:
    observation = slow_network().observe(rtt_ms=None)
    found = path_of(replace(observation, sender=replace(observation.sender, samples=None)))
    assert (found.causes, found.rtt_ms) == ((), None)


@pytest.mark.parametrize(
    ("congestion", "in_flight", "cause"),
    [("bbr", 13, PathCause.PACED), ("bbr", 38, PathCause.ROUND_TRIP), ("reno", 13, PathCause.ROUND_TRIP)],
)
def test_pacing_leaves_room_in_the_congestion_window(congestion: str, in_flight: int, cause: str) -> None:
    observation = with_columns(
        distant(slow_network(), 10, 10, 21_000),
        congestion=congestion,
        snd_cwnd=40,
        unacked=in_flight,
        notsent_bytes=5000,
    )
    assert path_of(observation).causes == (cause,)


@pytest.mark.parametrize(("lost", "s"), [(True, 0.9), (False, 0.0)])
def test_a_window_update_that_was_lost(s: float, *, lost: bool) -> None:
    """The receiver's window opens, the sender hears of it with the answer to a probe."""
    transfer = slow_reader(read_delay_ms=2000)
    observation = transfer.observe()
    period = observation.zero_window_periods[1]
    opens = next(n for n, each in enumerate(transfer.segments) if each.time_ns == period.end_ns and each.from_server)
    late = replace(transfer.segments[opens], time_ns=transfer.segments[opens].time_ns + 900 * MS)
    heard = [*transfer.segments[:opens], late]
    heard += [replace(each, time_ns=each.time_ns + 900 * MS) for each in transfer.segments[opens + 1 :]]
    if lost:
        observation = replace(
            observation, sender=replace(observation.sender, capture=captured(pcap(heard), complete=True))
        )
    found = path_of(observation)
    assert found.window_update_lost_s == pytest.approx(s, abs=0.01)
    assert (PathCause.LOST_WINDOW_UPDATE in found.causes) is lost
