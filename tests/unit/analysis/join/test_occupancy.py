from dataclasses import replace

import pytest

from testbed.analysis.join.occupancy import unread_share
from tests.support.captures import pcap
from tests.support.cycles import cycles
from tests.support.transfers import captured, fast_reader, slow_reader


@pytest.mark.parametrize(("path_ms", "reader_ms"), [(100, 300), (300, 100), (200, 200), (390, 10)])
def test_the_reader_has_the_part_of_its_time(path_ms: int, reader_ms: int) -> None:
    assert unread_share(cycles(path_ms, reader_ms)) == pytest.approx(reader_ms / (path_ms + reader_ms), abs=0.06)


def test_a_closed_window_is_the_readers_although_little_lies_unread() -> None:
    share = unread_share(slow_reader().observe())
    assert share is not None
    assert share > 0.95


def test_samples_stand_in_for_the_log_of_reads() -> None:
    observation = slow_reader().observe()
    assert unread_share(replace(observation, receiver=replace(observation.receiver, log=None))) == pytest.approx(
        unread_share(observation), abs=0.1
    )


def test_what_is_not_known() -> None:
    observation = slow_reader().observe()
    assert unread_share(replace(observation, receiver=replace(observation.receiver, capture=None))) is None
    assert (
        unread_share(replace(observation, receiver=replace(observation.receiver, capture=observation.sender.capture)))
        is None
    )
    assert unread_share(replace(observation, sender=replace(observation.sender, samples=None))) is None
    assert unread_share(replace(observation, receiver=replace(observation.receiver, log=None, samples=None))) is None
    cut = captured(pcap(slow_reader().segments[3:]), "server/capture.pcap")  # no handshake: no window scale
    assert unread_share(replace(observation, receiver=replace(observation.receiver, capture=cut))) is None
    assert unread_share(fast_reader().observe()) is None  # the window never limited it
