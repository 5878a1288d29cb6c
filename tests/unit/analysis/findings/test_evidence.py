import numpy as np

from testbed.analysis.findings.evidence import (
    MAX_RANGES,
    calls,
    chosen_frames,
    display_filter,
    file,
    frames,
    lines,
    samples,
)
from tests.support.transfers import slow_reader

SEEN = slow_reader().observe()


def test_frames_are_named_by_number() -> None:
    connection = SEEN.sender.connection
    assert connection is not None
    chosen = np.isin(connection.frames.number, [4, 5, 6, 9])
    (found,) = frames(SEEN.sender, chosen, "these")
    assert (found.file, found.kind, found.first, found.last, found.count) == ("client/capture.pcap", "frames", 4, 9, 4)
    assert found.filter == "frame.number in {4..6, 9}"


def test_many_ranges_become_a_rule() -> None:
    connection = SEEN.sender.connection
    assert connection is not None
    scattered = np.arange(1, 2 * MAX_RANGES + 4, 2)
    found = display_filter(scattered, connection, "tcp.len > 0")
    assert found == "tcp.stream == 0 && frame.number >= 1 && frame.number <= 51 && tcp.len > 0"
    assert display_filter(scattered, connection).endswith("frame.number <= 51")


def test_nothing_chosen_is_no_evidence() -> None:
    connection, writes = SEEN.sender.connection, SEEN.sender.calls("write")
    assert connection is not None
    assert writes is not None
    assert frames(SEEN.sender, np.zeros(len(connection.frames), bool), "none") == []
    assert calls(SEEN.sender, writes, np.zeros(len(writes), bool), "none") == []
    assert calls(SEEN.sender, None, np.ones(1, bool), "none") == []
    assert samples(SEEN.sender, None, np.ones(1, bool), "none") == []


def test_lines_of_files() -> None:
    writes = SEEN.sender.calls("write")
    assert writes is not None
    (found,) = calls(SEEN.sender, writes, np.arange(len(writes)) < 2, "the first two")
    assert (found.file, found.kind, found.first, found.last) == ("client/events.csv", "events", 3, 4)
    (found,) = lines(SEEN.receiver, np.array([7, 9]), "two samples")
    assert (found.file, found.kind, found.count) == ("server/sockets.csv", "samples", 2)
    assert file("x/y", "whole")[0].kind == "file"


def test_evidence_names_frames_that_can_be_chosen_again() -> None:
    connection = SEEN.sender.connection
    assert connection is not None
    number = connection.frames.number
    for wanted in ([4, 5, 6, 9], [7]):
        (found,) = frames(SEEN.sender, np.isin(number, wanted), "these")
        assert number[chosen_frames(found, number)].tolist() == wanted
    (found,) = frames(SEEN.sender, np.isin(number, [4, 9]), "these")
    span = found.model_copy(update={"filter": "tcp.stream == 0"})
    assert number[chosen_frames(span, number)].tolist() == [4, 5, 6, 7, 8, 9]
