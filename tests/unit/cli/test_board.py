from testbed.cli.board import Board


def board(cells: int = 2, count: int = 10) -> Board:
    made = Board()
    for number in range(1, cells + 1):
        made.begin(f"c{number}", number, count, 100.0)
    return made


def test_nothing_runs() -> None:
    assert Board().lines(0.0, 24) == []


def test_one_line_for_the_whole_and_one_for_each_cell() -> None:
    made = board()
    made.phase("c1", "transfer", 102.0)
    made.progress("c1", 4096, 1024)
    assert made.lines(105.0, 24) == [
        "0/10 cells, 2 running, 0:05 elapsed",
        "  c1  transferring 3.0 s  written 4 096 B  read 1 024 B",
        "  c2  waiting 5.0 s",
    ]


def test_time_left_follows_from_the_cells_that_ended() -> None:
    made = board(3)
    made.end("c1", passed=True)
    made.end("c2", passed=False)
    assert made.lines(160.0, 24)[0] == "2/10 cells, 1 running, 1 not passed, 1:00 elapsed, about 4:00 left"
    assert made.lines(100.0 + 7200, 24)[0].endswith("2:00:00 elapsed, about 8:00:00 left")


def test_cells_of_an_earlier_process_are_done_but_do_not_change_the_speed() -> None:
    made = Board()
    made.begin("c8", 8, 10, 0.0)
    made.begin("c9", 9, 10, 0.0)
    made.end("c8", passed=True)
    assert made.lines(10.0, 24)[0] == "8/10 cells, 1 running, 0:10 elapsed, about 0:20 left"


def test_the_picture_fits_the_terminal() -> None:
    lines = board(30, 30).lines(101.0, 6)
    assert len(lines) == 6
    assert lines[-1] == "  ... and 26 more"
    assert lines[-2].startswith("  c4 ")


def test_an_attempt_that_is_unknown_changes_nothing() -> None:
    made = board(1)
    made.phase("other", "link", 1.0)
    made.progress("other", 1, 1)
    assert len(made.lines(101.0, 24)) == 2


def test_of_two_attempts_at_a_cell_the_last_one_counts() -> None:
    made = board()
    made.end("c1", passed=False)
    made.end("c1.a2", passed=True, cell="c1")
    assert made.lines(110.0, 24)[0] == "1/10 cells, 1 running, 0:10 elapsed, about 1:30 left"
