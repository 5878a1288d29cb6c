import os
import socket
from pathlib import Path

import pytest

from netem.observe.processes import foreign_processes
from netem.sidecar.reset import MAX_ENTRIES, clear, foreign_processes_left


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    for name in ("endpoint", "link"):
        (tmp_path / name).mkdir()
    (tmp_path / "link" / "table.dist").touch()
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_only_the_files_of_the_link_stay(volume: Path) -> None:
    for name in ("capture.pcap", "link.json", "capture.0.part", "endpoint/events.csv", "endpoint/.hidden"):
        (volume / name).touch()
    (volume / "endpoint" / "a" / "b").mkdir(parents=True)
    (volume / "endpoint" / "a" / "b" / "c").touch()
    assert clear(volume) == []
    assert names(volume) == ["endpoint", "link", "link/table.dist"]


def test_a_link_of_an_endpoint_is_removed_and_not_followed(
    volume: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "kept").touch()
    (volume / "endpoint" / "to-folder").symlink_to(outside)
    (volume / "endpoint" / "to-file").symlink_to(outside / "kept")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(volume / "endpoint" / "socket"))
        os.mkfifo(volume / "endpoint" / "pipe")
        assert clear(volume) == []
    assert names(volume) == ["endpoint", "link", "link/table.dist"]
    assert names(outside) == ["kept"]


def test_a_volume_without_a_cell_is_clear(tmp_path: Path) -> None:
    assert clear(tmp_path) == []


def test_too_many_files_are_left(volume: Path) -> None:
    for number in range(MAX_ENTRIES + 1):
        (volume / "endpoint" / str(number)).touch()
    assert clear(volume) == [f"the endpoint has left {MAX_ENTRIES + 1} files"]


def process(proc: Path, pid: str, group: str, state: str = "S") -> None:
    (proc / pid).mkdir(parents=True)
    (proc / pid / "cgroup").write_text(group)
    (proc / pid / "stat").write_text(f"{pid} (a b) {state} " + "0 " * 40)


def test_processes_of_another_container_are_found(tmp_path: Path) -> None:
    process(tmp_path, "self", "own")
    process(tmp_path, "1", "own")
    process(tmp_path, "20", "other")
    process(tmp_path, "3", "other")
    process(tmp_path, "4", "other", state="Z")
    assert foreign_processes(tmp_path) == [3, 20]


def test_a_process_that_does_not_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netem.sidecar.reset.foreign_processes", lambda: [os.getpid()])
    assert foreign_processes_left(0.01) == [f"processes of an endpoint still run: {os.getpid()}"]


def test_a_process_that_is_about_to_end_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    pid = os.fork()
    if not pid:
        os._exit(0)
    monkeypatch.setattr(
        "netem.sidecar.reset.foreign_processes",
        lambda: [pid] if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None else [],
    )
    assert foreign_processes_left(30) == []
    os.waitpid(pid, 0)
