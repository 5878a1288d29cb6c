from pathlib import Path

import pytest

from testbed.run.gauge import load_now, read_machine, this_capacity
from testbed.schedule.admission import Reading


def test_what_the_machine_shows(tmp_path: Path) -> None:
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure" / "cpu").write_text("some avg10=12.50 avg60=1.00 avg300=0.00 total=5\nfull avg10=0.00\n")
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    1024 kB\n")
    assert read_machine(tmp_path) == Reading(0.125, 1 << 20)


def test_a_kernel_that_reports_neither(tmp_path: Path) -> None:
    assert read_machine(tmp_path) == Reading(None, None)


def test_this_machine() -> None:
    assert this_capacity().processors >= 1
    assert (read_machine().available_bytes or 0) > 0


def test_the_load_is_that_of_the_last_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (1.5, 2.5, 3.5))
    assert load_now() == 1.5

    def unknown() -> tuple[float, float, float]:
        raise OSError

    monkeypatch.setattr("os.getloadavg", unknown)
    assert load_now() == 0
