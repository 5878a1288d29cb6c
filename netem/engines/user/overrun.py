"""What happens when the worker exceeds RLIMIT_RTTIME: it becomes an ordinary process, and keeps forwarding."""

import ctypes
import os
from pathlib import Path

from netem.system.scheduling import guard_in_python


def guard_overruns(library: Path) -> None:
    """Handle SIGXCPU: in C, because the data path in C returns to Python for requests only; in Python without it."""
    if not library.exists():
        guard_in_python()
        return
    if ctypes.CDLL(str(library), use_errno=True).overrun_guard():
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
