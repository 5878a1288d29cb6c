from dataclasses import replace

import pytest

from testbed.analysis.join.observation import Observation
from testbed.analysis.join.window_exhausted import rwnd_limited_in_recovery_s, window_exhausted_s
from tests.support.samples import same_as, with_columns
from tests.support.transfers import captures_of, fast_reader, slow_network, slow_reader


def paced(**columns: int) -> Observation:
    """Return a sender with 6 segments in flight into a window of 6, while its congestion window has room for 20."""
    full = {
        "snd_wnd": 8688,
        "snd_cwnd": 20,
        "unacked": 6,
        "notsent_bytes": 5000,
        "send_queue_bytes": 13_688,
        "ca_state": 0,
    }
    return with_columns(slow_network().observe(), **(full | columns))


def test_a_window_without_room_for_a_segment() -> None:
    observation = paced()
    assert observation.sending_s is not None
    assert window_exhausted_s(observation) == pytest.approx(observation.sending_s, abs=0.05)


@pytest.mark.parametrize(
    "columns",
    [
        {"snd_cwnd": 6},  # the congestion window is used up, too
        {"snd_wnd": 8688 + 1448},  # a segment has room
        {"notsent_bytes": 0, "send_queue_bytes": 8688},  # nothing is left to send
        {"ca_state": 3},  # something is missing: what is in flight shows nothing
        {"snd_wnd": -1},  # this kernel does not report it
    ],
)
def test_what_is_no_waiting_for_window(columns: dict[str, int]) -> None:
    assert window_exhausted_s(paced(**columns)) == 0


def test_what_it_needs() -> None:
    assert window_exhausted_s(fast_reader().observe()) == 0
    assert window_exhausted_s(captures_of(slow_reader().segments)) == 0
    observation = paced()
    assert window_exhausted_s(replace(observation, sender=replace(observation.sender, samples=None))) == 0


@pytest.mark.parametrize(("state", "counts"), [(4, True), (3, True), (1, False), (0, False), (-1, False)])
def test_window_that_waits_for_a_missing_segment(state: int, *, counts: bool) -> None:
    observation = with_columns(paced(ca_state=state), rwnd_limited=same_as("busy_time"))
    assert rwnd_limited_in_recovery_s(observation) == pytest.approx(0.58 if counts else 0.0, abs=0.03)
    assert rwnd_limited_in_recovery_s(captures_of(slow_reader().segments)) == 0
