import numpy as np

from testbed.analysis.findings.evidence import calls, file, frames, lines, samples
from tests.support.transfers import slow_reader

OBSERVED = slow_reader().observe()


def test_frames_are_named_by_number() -> None:
    connection = OBSERVED.sender.connection
    assert connection is not None
    chosen = np.isin(connection.frames.number, [4, 5, 6, 9])
    (found,) = frames(OBSERVED.sender, chosen, "these")
    assert (found.file, found.kind, found.numbers.tolist()) == ("client/capture.pcap", "frames", [4, 5, 6, 9])


def test_nothing_chosen_is_no_evidence() -> None:
    connection, writes = OBSERVED.sender.connection, OBSERVED.sender.calls("write")
    assert connection is not None
    assert writes is not None
    assert frames(OBSERVED.sender, np.zeros(len(connection.frames), bool), "none") == []
    assert calls(OBSERVED.sender, writes, np.zeros(len(writes), bool), "none") == []
    assert calls(OBSERVED.sender, None, np.ones(1, bool), "none") == []
    assert samples(OBSERVED.sender, None, np.ones(1, bool), "none") == []


def test_lines_of_files() -> None:
    writes = OBSERVED.sender.calls("write")
    assert writes is not None
    (found,) = calls(OBSERVED.sender, writes, np.arange(len(writes)) < 2, "the first two")
    assert (found.file, found.kind, found.numbers.tolist()) == ("client/events.csv", "events", [3, 4])
    (found,) = lines(OBSERVED.receiver, np.array([7, 9]), "two samples")
    assert (found.file, found.kind, found.numbers.tolist()) == ("server/sockets.csv", "samples", [7, 9])
    assert file("x/y", "whole")[0].kind == "file"
