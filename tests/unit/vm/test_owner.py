import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed.vm import owner
from testbed.vm.errors import GuestError


def test_a_process_is_known_by_when_it_was_started() -> None:
    assert owner.start_ticks(os.getpid()) == owner.start_ticks(os.getpid()) != owner.start_ticks(1)
    with subprocess.Popen([sys.executable, "-c", "pass"]) as gone:
        gone.wait()
    assert owner.start_ticks(gone.pid) is None


def test_a_name_with_parentheses_is_no_trap(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    fields = " ".join(["S", *(str(number) for number in range(4, 23))])
    (tmp_path / "7" / "stat").write_text(f"7 (a) b (c)) {fields}\n")
    assert owner.start_ticks(7, tmp_path) == 22
    (tmp_path / "7" / "stat").write_text(f"7 (a) {fields.replace('S', 'Z')}\n")
    assert owner.start_ticks(7, tmp_path) is None, "a zombie has ended"


def test_the_living_are_left_alone(tmp_path: Path) -> None:
    folder = owner.make_run_dir(tmp_path)
    assert folder.stat().st_mode & 0o077 == 0
    assert owner.sweep(tmp_path) == 0
    assert folder.exists()


def test_the_machine_of_a_dead_owner_is_ended(tmp_path: Path) -> None:
    folder = owner.make_run_dir(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "pass"]) as dead:
        owner.note(folder, owner=dead.pid)
        dead.wait()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as machine:
        owner.note(folder, machine=machine.pid)
        assert owner.sweep(tmp_path) == 1
        assert machine.wait(10) == -9
    assert not folder.exists()


def test_a_process_that_has_got_the_machines_id_is_spared(tmp_path: Path) -> None:
    folder = owner.make_run_dir(tmp_path)
    (folder / "owner.json").write_text(f'{{"owner": [1, 0], "machine": [{os.getpid()}, 1]}}')
    assert owner.sweep(tmp_path) == 1
    assert not folder.exists()


def test_a_folder_without_a_note_gets_a_minute(tmp_path: Path) -> None:
    folder = tmp_path / "guest-x"
    folder.mkdir()
    assert owner.sweep(tmp_path) == 0
    past_s = time.time() - 120
    os.utime(folder, (past_s, past_s))
    assert owner.sweep(tmp_path) == 1


def test_a_folder_that_others_can_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = owner.runs_dir()
    assert folder.parent == tmp_path
    folder.chmod(0o755)
    with pytest.raises(GuestError, match="not private"):
        owner.runs_dir()
