import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed.vm import run_dirs
from testbed.vm.errors import GuestError


def test_a_folder_of_a_running_owner_stays(tmp_path: Path) -> None:
    folder = run_dirs.make_run_dir(tmp_path)
    assert folder.stat().st_mode & 0o077 == 0
    assert run_dirs.sweep(tmp_path) == 0
    assert folder.exists()


def test_the_machine_of_a_dead_owner_is_killed(tmp_path: Path) -> None:
    folder = run_dirs.make_run_dir(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "pass"]) as dead:
        run_dirs.note_processes(folder, owner=dead.pid)
        dead.wait()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as machine:
        run_dirs.note_processes(folder, machine=machine.pid)
        assert run_dirs.sweep(tmp_path) == 1
        assert machine.wait(10) == -9
    assert not folder.exists()


def test_a_later_process_with_the_id_of_the_machine_is_not_killed(tmp_path: Path) -> None:
    folder = run_dirs.make_run_dir(tmp_path)
    (folder / "owner.json").write_text(f'{{"owner": [1, 0], "machine": [{os.getpid()}, 1]}}')
    assert run_dirs.sweep(tmp_path) == 1
    assert not folder.exists()


def test_a_folder_without_a_note_gets_a_minute(tmp_path: Path) -> None:
    folder = tmp_path / "guest-x"
    folder.mkdir()
    assert run_dirs.sweep(tmp_path) == 0
    past_s = time.time() - 120
    os.utime(folder, (past_s, past_s))
    assert run_dirs.sweep(tmp_path) == 1


def test_a_folder_that_others_can_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = run_dirs.runs_dir()
    assert folder.parent == tmp_path
    folder.chmod(0o755)
    with pytest.raises(GuestError, match="not private"):
        run_dirs.runs_dir()
