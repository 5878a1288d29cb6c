from pathlib import Path

from benchmarks.cell_cpu import (
    CAPTURE,
    DAEMON,
    ENDPOINTS,
    HELPERS,
    ORCHESTRATOR,
    RUNTIME,
    SIDECARS,
    living_us,
    parts_us,
)
from benchmarks.task_stats import Ended


def ended(name: str, pid: int, parent: int, cpu_us: int) -> Ended:
    return Ended(name, pid, parent, pid, cpu_us)


def test_each_process_of_a_cell_has_its_part() -> None:
    processes = [
        ended("python", 9, 1, 1),
        ended("exe", 20, 2, 2),
        ended("runc:[2:INIT]", 21, 3, 4),
        ended("containerd-shim", 30, 1, 8),
        ended("docker-init", 31, 30, 16),
        ended("python3", 32, 31, 32),
        ended("python3", 33, 32, 64),
        ended("tcpdump", 34, 32, 128),
        ended("client", 35, 30, 256),
        ended("bash", 40, 1, 512),
    ]
    assert parts_us(processes, orchestrator=9) == {
        ORCHESTRATOR: 1,
        HELPERS: 2,
        RUNTIME: 4 + 8,
        SIDECARS: 16 + 32 + 64,
        CAPTURE: 128,
        ENDPOINTS: 256,
    }


def test_the_daemons_do_not_end(tmp_path: Path) -> None:
    for pid, name in ((1, "dockerd"), (2, "containerd"), (3, "ba) sh")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} ({name}) S 1" + " 0" * 9 + f" {pid} 2" + " 0" * 20)
    assert living_us(tmp_path) == {DAEMON: 30_000, RUNTIME: 40_000}
