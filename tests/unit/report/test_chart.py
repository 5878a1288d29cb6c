from testbed.analysis.events import Curve
from testbed.report.chart import ASCII, HEIGHT, WIDTH, draw


def curve(*points: tuple[int, int]) -> Curve:
    made = Curve()
    for point in points:
        made.add(*point)
    return made


def test_a_sender_far_ahead_of_its_receiver() -> None:
    seconds = 10**9
    written = curve((1000, 1000))
    read = curve(*((second * seconds, 100 * second) for second in range(1, 11)))
    lines = draw(written, read, 0, ASCII)
    assert len(lines) == HEIGHT + 3
    assert lines[0].startswith("1 000 B |....")
    assert lines[0].endswith("#")
    assert lines[HEIGHT - 1].startswith("    0 B |....")
    assert lines[HEIGHT - 1].count("#") > WIDTH / 2
    assert lines[HEIGHT + 1].endswith("10 s")
    assert len(lines[HEIGHT + 1]) == len(lines[HEIGHT])


def test_nothing_to_draw() -> None:
    assert draw(Curve(), Curve(), 0, ASCII) == []
    assert draw(curve((5, 10)), curve((5, 10)), 5, ASCII) == []
    assert draw(curve((5, 0)), curve((5, 0)), 0, ASCII) == []
