"""Folders of running guest VMs, each with a note of the processes that own it, so that leftovers can be removed."""

import json
import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from testbed.ownership import is_running, start_ticks
from testbed.vm.errors import GuestError

_NOTE: Final = "owner.json"
_NOTE_GRACE_S: Final = 60
"""A folder without a note may belong to a process that is about to write one."""


def runs_dir() -> Path:
    """Return the folder of this user's running guests, private to the user; raises GuestError."""
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"testbed-vm-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = folder.lstat()
    if facts.st_uid != os.getuid() or folder.is_symlink() or facts.st_mode & 0o077:
        raise GuestError(f"use {folder}", "it is not private to this user", hint=f"Remove {folder} and try again.")
    return folder


def make_run_dir(parent: Path) -> Path:
    """Make a folder for one guest, owned by this process."""
    folder = Path(tempfile.mkdtemp(prefix="guest-", dir=parent))
    note_processes(folder, owner=os.getpid())
    return folder


def note_processes(folder: Path, **processes: int) -> None:
    """Record the ids and start times of processes that belong to a folder, by their part: `owner`, `machine`."""
    facts = {name: [pid, start_ticks(pid)] for name, pid in processes.items()}
    with suppress(OSError, ValueError):
        facts = json.loads((folder / _NOTE).read_text()) | facts
    part = folder / f"{_NOTE}.part"
    part.write_text(json.dumps(facts))
    part.replace(folder / _NOTE)


def _read_note(folder: Path) -> dict[str, list[int]]:
    try:
        facts = json.loads((folder / _NOTE).read_text())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _runs(process: list[int] | None) -> bool:
    return process is not None and is_running(*process)


def sweep(parent: Path) -> int:
    """Kill the machines and remove the folders whose owner has ended; return how many folders there were."""
    swept = 0
    for folder in parent.glob("guest-*"):
        facts = _read_note(folder)
        if not facts and _is_young(folder):
            continue
        if _runs(facts.get("owner")):
            continue
        machine = facts.get("machine")
        if machine is not None and _runs(machine):
            with suppress(OSError):
                os.kill(machine[0], signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
        swept += 1
    return swept


def _is_young(folder: Path) -> bool:
    try:
        return folder.stat().st_mtime > time.time() - _NOTE_GRACE_S
    except OSError:
        return True
