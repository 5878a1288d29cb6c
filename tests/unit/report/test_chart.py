from testbed.analysis.events import Calls, parse_log
from testbed.report.chart import ASCII, HEIGHT, WIDTH, draw

SECOND = 10**9


def calls(*ends: tuple[int, int]) -> Calls:
    """Return instantaneous calls at these times, of these sizes; the first begins at time 0."""
    starts = [0, *(at_ns for at_ns, _ in ends[1:])]
    made = parse_log(f"x,{start},{at_ns},{size},0" for start, (at_ns, size) in zip(starts, ends, strict=True)).of("x")
    assert made is not None
    return made


def test_a_sender_far_ahead_of_its_receiver() -> None:
    lines = draw(calls((1000, 1000)), calls(*((second * SECOND, 100) for second in range(1, 11))), ASCII)
    assert len(lines) == HEIGHT + 3
    assert lines[0].startswith("1 000 B |....")
    assert lines[0].endswith("#")
    assert lines[HEIGHT - 1].startswith("    0 B |....")
    assert lines[HEIGHT - 1].count("#") > WIDTH / 2
    assert lines[HEIGHT + 1].endswith("10 s")
    assert len(lines[HEIGHT + 1]) == len(lines[HEIGHT])


def test_nothing_to_draw() -> None:
    assert draw(calls((0, 10)), calls((0, 10)), ASCII) == []
    assert draw(calls((5, 0)), calls((5, 0)), ASCII) == []
