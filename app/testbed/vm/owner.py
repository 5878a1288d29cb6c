"""Folders of running guests, each with a note of who owns it, so that what the dead left behind can be swept.

A process is known by its id and the time it was started, because ids are given out again.
"""

import json
import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from testbed.vm.errors import GuestError

_NOTE: Final = "owner.json"


def start_ticks(pid: int, proc: Path = Path("/proc")) -> int | None:
    """Return when a process was started, in clock ticks since boot (proc(5), stat field 22); None if there is none."""
    try:
        stat = (proc / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


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
    note(folder, owner=os.getpid())
    return folder


def note(folder: Path, **processes: int) -> None:
    """Write down processes that belong to a folder, by what they are."""
    facts = {name: [pid, start_ticks(pid)] for name, pid in processes.items()}
    with suppress(OSError, ValueError):
        facts = json.loads((folder / _NOTE).read_text()) | facts
    part = folder / f"{_NOTE}.part"
    part.write_text(json.dumps(facts))
    part.replace(folder / _NOTE)


def _read(folder: Path) -> dict[str, list[int]]:
    try:
        facts = json.loads((folder / _NOTE).read_text())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _lives(process: list[int] | None) -> bool:
    return process is not None and start_ticks(process[0]) == process[1] is not None


def sweep(parent: Path) -> int:
    """End the machines and remove the folders whose owner is dead; return how many there were."""
    swept = 0
    for folder in parent.glob("guest-*"):
        facts = _read(folder)
        if not facts and _is_young(folder):
            continue
        if _lives(facts.get("owner")):
            continue
        machine = facts.get("machine")
        if machine is not None and _lives(machine):
            with suppress(OSError):
                os.kill(machine[0], signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
        swept += 1
    return swept


def _is_young(folder: Path) -> bool:
    """Return whether a folder may still be waiting for its note."""
    try:
        return folder.stat().st_mtime > time.time() - 60
    except OSError:
        return True
