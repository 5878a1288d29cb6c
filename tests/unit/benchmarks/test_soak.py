from typing import Any

import pytest

from benchmarks.cell_run import CellRun
from benchmarks.soak import BOUNDS_S, figures, left, main

COUNTERS: dict[str, dict[str, Any]] = {
    "flood": {"measured": {"packets_out": 5, "lateness_ns": {"packets": 5, "p50": 10**4, "p99": 10**5, "max": 10**6}}},
    "bulk": {"measured": {"packets_out": 7, "lateness_ns": None}},
}
SOON = {what: [0.1, 0.2] for what in BOUNDS_S}


def cell(status: str, *issues: str) -> CellRun:
    return CellRun(status, "", issues, None, real_time=True)


def test_a_soak_without_a_late_response_is_met() -> None:
    found = {figure.name: figure for figure in figures(SOON, COUNTERS, [cell("passed")])}
    assert all(figure.met for figure in found.values())
    assert found["shell: longest"].value == 0.2
    assert found["flood: engine late, p99"].value == 0.1
    assert "bulk: engine late, p99" not in found


@pytest.mark.parametrize("what", BOUNDS_S)
@pytest.mark.parametrize("durations_s", [[0.1, 60.0], []])
def test_a_late_response_and_none_at_all_are_missed(what: str, durations_s: list[float]) -> None:
    found = list(figures(SOON | {what: durations_s}, COUNTERS, [cell("passed")]))
    assert [figure.name.partition(":")[0] for figure in found if not figure.met] == [what]


def test_cells_are_counted_by_what_became_of_them() -> None:
    late, busy = "the link was late: p99 3.0 ms", "80 % of the time something waited for a CPU"
    cells = [cell("passed"), cell("error"), cell("passed", late), cell("passed", busy), cell("passed", busy)]
    found = {figure.name: figure.value for figure in figures(SOON, COUNTERS, cells)}
    assert found["cells"] == 5
    assert found["cells that did not pass"] == 1
    assert found["cells with a late link"] == 1
    assert found["cells with another timing issue"] == 2


@pytest.mark.parametrize(("cells", "missed"), [([], "cells"), ([cell("failed")], "cells that did not pass")])
def test_no_cell_and_one_that_did_not_pass_are_missed(cells: list[CellRun], missed: str) -> None:
    assert [figure.name for figure in figures(SOON, COUNTERS, cells) if not figure.met] == [missed]


@pytest.mark.parametrize("minutes", ["0", "0.9", "-1", "nan", "inf", "soon"])
def test_less_than_a_minute_is_refused(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--minutes", minutes])
    assert ended.value.code == 2
    assert f"{minutes!r} is not a number of minutes; at least 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1739.99, "29 minutes left"),
        (59.99, "1 minute left"),
        (29.0, "less than a minute left"),
        (0.01, "less than a minute left"),
        (0.0, "the time is up"),
        (-0.1, "the time is up"),
    ],
)
def test_the_time_that_is_left(seconds: float, text: str) -> None:
    assert left(seconds) == text
