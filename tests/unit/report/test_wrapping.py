from testbed.report.wrapping import MIN_WIDTH, WIDTH, wrapped


def test_lines_are_short_and_indented() -> None:
    lines = wrapped("word " * 60, 4, "  - ")
    assert all(len(line) <= WIDTH for line in lines)
    assert lines[0].startswith("  - word")
    assert all(line.startswith("    word") for line in lines[1:])


def test_a_number_stays_with_its_unit() -> None:
    for text in ("849 820 B", "1.45 s", "98 %", "7.82 kB/s", "40 ms"):
        for length in range(WIDTH - 12, WIDTH + 1):
            assert any(text in line for line in wrapped("x" * length + f" {text} end"))


def test_nothing() -> None:
    assert wrapped("") == []


def test_a_narrow_terminal() -> None:
    lines = wrapped("word " * 60, 4, "  - ", 60)
    assert 50 < max(len(line) for line in lines) <= 60
    assert max(len(line) for line in wrapped("word " * 60, 4, width=3)) <= MIN_WIDTH
