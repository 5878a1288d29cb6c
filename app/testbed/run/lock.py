"""The lock of a run folder: one process at a time executes, resumes or extends a run.

The kernel releases it when the process ends, however it ends; the name of the process in it is for people.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from testbed.errors import InputError, file_attempt
from testbed.ownership import is_dead, parse_owner, this_process

NAME: Final = ".lock"


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the lock of a run folder; raises InputError if a process holds it, and HostError."""
    fd = _acquire(run / NAME)
    try:
        yield
    finally:
        (run / NAME).unlink(missing_ok=True)  # before it is released: whoever waits sees that it is another file
        os.close(fd)


def _acquire(path: Path) -> int:
    while True:
        with file_attempt(f"lock {path.parent}"):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                raise _in_use(path) from None
            if _is_same(fd, path):
                os.ftruncate(fd, 0)
                os.write(fd, str(this_process()).encode())
                return fd
            os.close(fd)  # its holder has just removed it


def _is_same(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _in_use(path: Path) -> InputError:
    owner = parse_owner(_text(path))
    who = f"process {owner.pid}" if owner is not None else "another process"
    return InputError([f"the run {path.parent.name} is in use by {who}"], hint="wait for its end, or interrupt it")


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def is_locked(run: Path) -> bool:
    """Return whether a process executes the run; a process on another host counts as running."""
    owner = parse_owner(_text(run / NAME))
    return owner is not None and not is_dead(owner, this_process())
