import numpy as np

from testbed.analysis.packets.flags import Mark
from testbed.report.ladder import flag_letters, frame_document, ladder, mark_names
from tests.support.transfers import slow_reader

CONNECTION = slow_reader().observe().sender.connection


def lines(*numbers: int, limit: int | None = None) -> list[str]:
    assert CONNECTION is not None
    chosen = np.isin(CONNECTION.frames.number, numbers) if numbers else None
    return list(ladder(CONNECTION, chosen, limit))


def test_letters_and_names() -> None:
    assert flag_letters(0x12) == "SA"
    assert flag_letters(0x19) == "FPA"
    assert mark_names(Mark.KEEP_ALIVE | Mark.WINDOW_PROBE) == ["window probe"]
    assert mark_names(Mark.KEEP_ALIVE | Mark.ZERO_WINDOW) == ["zero window", "keep alive"]
    assert mark_names(Mark.DUPLICATE_SACK) == ["D-SACK"]
    assert mark_names(0) == []


def test_arrows_point_from_the_sender() -> None:
    head, syn, answer, *_ = lines()
    assert "10.0.0.1:40000" in head
    assert head.endswith("10.0.0.2:8888")
    assert "|-- S  0  win 64240 -" in syn
    assert syn.endswith("->|")
    assert "|<-" in answer
    assert answer.endswith("SA  0  ack 1  win 64240 --|")
    assert len({line.rindex("|") for line in (syn, answer)}) == 1


def test_marks_follow_the_rung() -> None:
    assert any(line.endswith("|  zero window") for line in lines())
    assert any("(8192)" in line for line in lines())


def test_gaps_and_limits_are_shown() -> None:
    assert lines(1, 2, 6)[3].strip() == "..."
    assert lines(limit=3)[-1].endswith("more frames")
    assert len(lines(limit=3)) == 5
    assert lines(1, 2, limit=1)[-1].endswith("... 1 more frame")


def test_a_frame_as_json() -> None:
    assert CONNECTION is not None
    syn, data = frame_document(CONNECTION, 0), frame_document(CONNECTION, 3)
    assert (syn["flags"], syn["ack_bytes"], syn["in_flight_bytes"]) == ("S", None, None)
    assert (data["from"], data["seq_bytes"], data["payload_bytes"]) == ("client", 1, 14976)
    marks = [mark for at in range(len(CONNECTION.frames)) for mark in frame_document(CONNECTION, at)["marks"]]
    assert {"zero window", "window update", "window probe"} <= set(marks)
