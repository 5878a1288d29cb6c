import pytest

from testbed.cli.board import Board, shortened


def board(cells: int = 2, count: int = 10) -> Board:
    made = Board()
    for number in range(1, cells + 1):
        made.begin(f"c{number}", number, count, 100.0)
    return made


def test_nothing_runs() -> None:
    assert Board().lines(0.0, 24, 80) == []


def test_one_line_for_the_whole_and_one_for_each_cell() -> None:
    made = board()
    made.phase("c1", "transfer", 102.0)
    made.progress("c1", 4096, 1024)
    assert made.lines(105.0, 24, 80) == [
        "0/10 cells, 2 running, 0:05 elapsed",
        "  c1  transferring 3.0 s  written 4.1 kB  read 1.02 kB",
        "  c2  waiting 5.0 s",
    ]


def test_time_left_follows_from_the_cells_that_ended() -> None:
    made = board(3)
    made.end("c1", 130.0, passed=True)
    made.end("c2", 150.0, passed=False)
    assert made.lines(160.0, 24, 80)[0] == "2/10 cells, 1 running, 1 not passed, 1:00 elapsed, about 4:00 left"
    assert made.lines(100.0 + 7200, 24, 80)[0].endswith("2:00:00 elapsed, about 8:00:00 left")


def test_cells_of_an_earlier_process_are_done_but_do_not_change_the_speed() -> None:
    made = Board()
    made.begin("c8", 8, 10, 0.0)
    made.begin("c9", 9, 10, 0.0)
    made.end("c8", 5.0, passed=True)
    assert made.lines(10.0, 24, 80)[0] == "8/10 cells, 1 running, 0:10 elapsed, about 0:20 left"


def test_the_picture_fits_the_terminal() -> None:
    lines = board(30, 30).lines(101.0, 6, 80)
    assert len(lines) == 6
    assert lines[-1] == "  ... and 26 more"
    assert lines[-2].startswith("  c4 ")


def test_an_attempt_that_is_unknown_changes_nothing() -> None:
    made = board(1)
    made.phase("other", "link", 1.0)
    made.progress("other", 1, 1)
    assert len(made.lines(101.0, 24, 80)) == 2


def test_of_two_attempts_at_a_cell_the_last_one_counts() -> None:
    made = board()
    made.end("c1", 105.0, passed=False)
    made.end("c1.a2", 106.0, passed=True, cell="c1")
    assert made.lines(110.0, 24, 80)[0] == "1/10 cells, 1 running, 1 repeated, 0:10 elapsed, about 1:30 left"


def test_what_is_to_be_repeated_is_counted_and_takes_time() -> None:
    made = board(3, 3)
    for name in ("c1", "c2", "c3"):
        made.end(name, 110.0, passed=True, to_repeat=name != "c3")
    made.begin("c1.a2", 3, 3, 110.0, again=True)
    assert made.lines(110.0, 24, 80)[0] == "3/3 cells, 1 running, 2 to repeat, 0:10 elapsed, about 0:20 left"
    made.end("c1.a2", 115.0, passed=True, cell="c1")
    made.begin("c2.a2", 3, 3, 115.0, again=True)
    assert made.lines(115.0, 24, 80)[0].startswith("3/3 cells, 1 running, 1 repeated, 1 to repeat, 0:15 elapsed")


def test_a_resumed_run_that_only_repeats_has_all_its_cells() -> None:
    made = Board()
    made.begin("c1.a2", 5, 5, 0.0, again=True)
    assert made.lines(1.0, 24, 80)[0] == "5/5 cells, 1 running, 0:01 elapsed"
    made.end("c1.a2", 2.0, passed=True, cell="c1")
    made.begin("c2.a2", 5, 5, 2.0, again=True)
    assert made.lines(3.0, 24, 80)[0].startswith("5/5 cells, 1 running, 1 repeated")


def test_cells_that_are_reused_count_once() -> None:
    made = Board()
    for name in ("c1", "c2"):
        made.end(name, 0.0, passed=True)
    made.begin("c3", 3, 4, 0.0)
    assert made.lines(1.0, 24, 80)[0] == "2/4 cells, 1 running, 0:01 elapsed"


@pytest.mark.parametrize("width", [20, 40, 60, 77])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    made = Board()
    for number in range(1, 4):
        made.begin(f"py-py-ipv4-netem_client_delay_20ms_rate_4mbit-{number}", number, 100_000, 0.0)
    made.end("c0", 1.0, passed=False, to_repeat=True)
    lines = made.lines(5000.0, 24, width)
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("1/100000 cells")
    assert len(set(lines)) == 4, "the end of a long name stays"


def test_one_sentence_names_the_cell_that_runs_for_longest() -> None:
    assert Board().sentence(1.0) == ""
    made = board()
    made.phase("c1", "transfer", 102.0)
    assert made.sentence(130.0).endswith(
        "0/10 cells, 2 running, 0:30 elapsed; c1: transferring 28.0 s  written 0 B  read 0 B"
    )
    for name in ("c1", "c2"):
        made.end(name, 140.0, passed=True)
    assert made.sentence(140.0) == "2/10 cells, 0 running, 0:40 elapsed, about 2:40 left"


@pytest.mark.parametrize(
    ("name", "columns", "text"),
    [("abc", 3, "abc"), ("py-py-ipv4-delay_1s-558f3d", 20, "py-py-ipv..1s-558f3d"), ("abcdefgh", 6, "a..fgh")],
)
def test_a_long_name_keeps_its_end(name: str, columns: int, text: str) -> None:
    assert shortened(name, columns) == text


def test_a_run_that_ends_repeats_nothing_and_has_no_time_left() -> None:
    made = board(3)
    made.end("c1", 110.0, passed=True, to_repeat=True)
    made.is_ending = True
    assert made.lines(120.0, 24, 80)[0] == "1/10 cells, 2 running, 0:20 elapsed"
