import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.errors import InputError
from testbed.ownership import this_process
from testbed.run.lock import NAME, is_locked, locked

HOLD = """
import sys
from pathlib import Path
from testbed.run.lock import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def holder(run: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


def test_a_lock_is_there_while_it_is_held(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        assert is_locked(tmp_path)
        assert (tmp_path / NAME).read_text() == str(this_process())
    assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_in_use_names_the_process(tmp_path: Path) -> None:
    process = holder(tmp_path)
    with process:
        assert is_locked(tmp_path)
        with (
            pytest.raises(InputError, match=f"the run {tmp_path.name} is in use by process {process.pid}"),
            locked(tmp_path),
        ):
            pass
        process.kill()
    assert not is_locked(tmp_path)
    assert (tmp_path / NAME).exists(), "a process that is killed removes nothing"
    with locked(tmp_path):
        assert (tmp_path / NAME).read_text().split("/")[2] == str(os.getpid())


def test_the_holder_in_this_process_counts_too(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(InputError, match=f"process {os.getpid()}"), locked(tmp_path):
        pass


def test_a_lock_file_without_a_process_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("garbage")
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        assert is_locked(tmp_path)
