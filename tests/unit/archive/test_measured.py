from pathlib import Path

import pytest

from testbed.archive.measured import measured_cells
from testbed.run.index_lines import NAME
from testbed.scenario.expand import expand
from testbed.schedule.estimate import Measured
from tests.support.runs import write_run

CELLS = tuple(expand({"nodes": [1, 2, 3]}))
IDS = [cell.id for cell in CELLS]


def test_the_newest_measurement_of_each_cell(tmp_path: Path) -> None:
    write_run(tmp_path, "20260101-1", CELLS, duration_s=1.0)
    write_run(tmp_path, "20260102-1", CELLS[:2], duration_s=2.0)
    found = measured_cells(tmp_path, [*IDS, "other"], "host1")
    assert found == {IDS[0]: Measured(2.0, 100), IDS[1]: Measured(2.0, 100), IDS[2]: Measured(1.0, 100)}
    assert set(measured_cells(tmp_path, IDS[:1], "host1")) == {IDS[0]}


@pytest.mark.parametrize("status", ["error", "unsupported"])
def test_what_was_not_completed_or_elsewhere_measures_nothing(tmp_path: Path, status: str) -> None:
    write_run(tmp_path, "r1", CELLS, statuses=[status])  # type: ignore[list-item]
    assert set(measured_cells(tmp_path, IDS, "host1")) == set(IDS[1:])
    assert measured_cells(tmp_path, IDS, "host2") == {}


def test_without_raw_files_the_size_is_not_that_of_a_whole_cell(tmp_path: Path) -> None:
    run = write_run(tmp_path, "r1", CELLS[:1], duration_s=3.0)
    for role in ("client", "server"):
        (run / IDS[0] / role).rename(tmp_path / role)
    assert measured_cells(tmp_path, IDS, "host1") == {IDS[0]: Measured(3.0, None)}


def test_a_run_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", CELLS[:1])
    broken = write_run(tmp_path, "r2", CELLS)
    (broken / NAME).unlink()
    (broken / NAME).mkdir()
    assert set(measured_cells(tmp_path, IDS, "host1")) == {IDS[0]}
    assert measured_cells(tmp_path / "none", IDS, "host1") == {}
