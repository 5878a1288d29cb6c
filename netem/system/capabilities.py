"""Hold and drop a capability of this process, see capabilities(7). Numbers are from linux/capability.h.

A capability belongs to a thread. A program that is started keeps what its thread may use at that moment, because the
container forbids new privileges.
"""

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

SYS_NICE = 23
_VERSION_3 = 0x20080522
_WORDS = 2
_THIS_THREAD = 0


class _Header(ctypes.Structure):
    """`struct __user_cap_header_struct`."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    """`struct __user_cap_data_struct`: 32 capabilities of each set."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def holds(capability: int) -> bool:
    """Return whether this thread may use the capability."""
    return bool(_read()[capability // 32].permitted >> capability % 32 & 1)


def drop(capability: int) -> None:
    """Give the capability up for good, in this thread and in what it starts."""
    sets = _read()
    data = sets[capability // 32]
    mask = ~(1 << capability % 32)
    data.effective &= mask
    data.permitted &= mask
    data.inheritable &= mask
    _call("capset", sets)


def run_without(capability: int, action: Callable[[], _T]) -> _T:
    """Run `action`, which starts a program, in a thread that has given the capability up; return its result."""
    if not holds(capability):
        return action()
    outcome: list[_T | OSError] = []

    def run() -> None:
        try:
            drop(capability)
            outcome.append(action())
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]


def _read() -> ctypes.Array[_Data]:
    sets = (_Data * _WORDS)()
    _call("capget", sets)
    return sets


def _call(name: str, sets: ctypes.Array[_Data]) -> None:
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(ctypes.byref(_Header(_VERSION_3, _THIS_THREAD)), sets):
        raise OSError(ctypes.get_errno(), name)
