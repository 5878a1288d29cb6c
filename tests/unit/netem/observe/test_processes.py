"""The endpoint's memory and CPU time, from files as in /proc."""

import os
import shutil
from pathlib import Path

import pytest

from netem.observe.processes import Processes, Usage, header, parse_stat, parse_statm

PAGE = os.sysconf("SC_PAGE_SIZE")
TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK")


def process(
    proc: Path, number: str, group: str, *, statm: str = "9 5 2 0 0 0 0", state: str = "S", cpu: int = 3
) -> None:
    folder = proc / number
    folder.mkdir(exist_ok=True)
    (folder / "cgroup").write_text(group)
    (folder / "statm").write_text(statm)
    (folder / "stat").write_text(f"{number} (a (b) c) {state} 1 1 1 0 -1 4194560 1 2 3 4 {cpu} 1 7 7 20 0")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    process(tmp_path, "self", "0::/")
    process(tmp_path, "1", "0::/")
    return tmp_path


def test_memory_is_anonymous_memory() -> None:
    assert parse_statm(b"100 50 20 1 0 30 0\n", 4096) == (30 * 4096, 50 * 4096)


def test_the_program_name_may_be_anything() -> None:
    assert parse_stat(b"7 (x) S (y) R 1 1 1 0 -1 4 1 2 3 4 12 30 9 9 20") == (True, 42)
    assert parse_stat(b"7 (x) Z 1 1 1 0 -1 4 1 2 3 4 12 30 9 9 20") == (False, 42)


def test_only_the_other_containers_processes_count(proc: Path) -> None:
    processes = Processes(proc)
    assert processes.read() is None
    process(proc, "20", "0::/../endpoint")
    process(proc, "21", "0::/../endpoint", statm="9 4 1 0 0 0 0", cpu=6)
    assert processes.read() == Usage(2, 6 * PAGE, 9 * PAGE, 11 * TICK_NS)


def test_cpu_time_of_an_ended_process_stays_and_its_id_may_be_reused(proc: Path) -> None:
    processes = Processes(proc)
    process(proc, "20", "0::/../endpoint")
    process(proc, "21", "0::/../endpoint")
    processes.read()
    shutil.rmtree(proc / "21")
    first = processes.read()
    process(proc, "21", "0::/")
    assert first == processes.read() == Usage(1, 3 * PAGE, 5 * PAGE, 8 * TICK_NS)


def test_a_zombie_does_not_count(proc: Path) -> None:
    process(proc, "20", "0::/../endpoint", state="Z")
    assert Processes(proc).read() is None


def test_a_process_that_ends_while_it_is_read_is_left_out(proc: Path) -> None:
    process(proc, "20", "0::/../endpoint")
    process(proc, "21", "0::/../endpoint")
    (proc / "21" / "statm").unlink()
    found = Processes(proc).read()
    assert found is not None
    assert found.processes == 1


def test_a_row_has_a_value_per_column() -> None:
    row = Usage(1, 2, 3, 4).row(5, 6)
    assert dict(zip(header().strip().split(","), row.strip().split(","), strict=True)) == {
        "monotonic_ns": "5",
        "realtime_ns": "6",
        "processes": "1",
        "memory_bytes": "2",
        "resident_bytes": "3",
        "cpu_ns": "4",
    }
