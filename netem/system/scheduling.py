"""Run this process under a real-time policy, with a bounded share of the processor; see sched(7).

SCHED_DEADLINE comes first: the kernel admits a task only while all of them fit, and stops one that has used up its
share. It needs CAP_SYS_NICE alone, also where control groups have no share for SCHED_FIFO. SCHED_FLAG_RECLAIM lends a
busy task the time that others have reserved and do not use. SCHED_FIFO is the second choice: RLIMIT_RTTIME bounds it.
"""

import ctypes
import errno
import os
import resource
import signal
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from netem.contract.scheduling import NO_CAPABILITY, ORDINARY, is_realtime
from netem.contract.settings import RealtimeChoice
from netem.system import capabilities


class Share(NamedTuple):
    """A runtime in each period, and the runtime for which there must have been room."""

    runtime_ns: int
    period_ns: int
    room_ns: int

    @property
    def text(self) -> str:
        """What is reported of it."""
        return f"{self.runtime_ns / 1e6:g} ms of {self.period_ns / 1e6:g} ms"


SHARES = (
    Share(200_000, 2_000_000, room_ns=1_800_000),
    Share(1_000_000, 20_000_000, room_ns=8_000_000),
    Share(500_000, 20_000_000, room_ns=500_000),
)
"""A busy task borrows what others leave idle: with 10 % nearly a whole processor beside busy programs, with 5 % two
thirds of one of two, with 2.5 % a third. So a few tasks take 10 %, and two processors still have room for 34. Where
many share a processor, a burst of frames must fit into one runtime: the small shares have long periods.
"""
FIFO_PRIORITY = 10
RTTIME_LIMIT_US = 200_000
"""Time on a processor without a pause, after which a task under SCHED_FIFO becomes an ordinary one."""
HINT = (
    "give the sidecar the capability SYS_NICE and all processors (docs/sidecar.md, Punctuality), "
    "or set NETEM_REALTIME=auto (testbed run: --realtime auto)"
)

UID_MAP = Path("/proc/self/uid_map")
_ALL_UIDS = ["0", "0", "4294967295"]
"""The map of the first user namespace, see user_namespaces(7): the kernel asks there for the capability."""

_SCHED_DEADLINE = 6
_RESET_ON_FORK, _RECLAIM = 0x01, 0x02  # linux/sched.h SCHED_FLAG_...
_SCHED_ATTR = struct.Struct("=IIQiIQQQ")  # linux/sched/types.h struct sched_attr, version 0
_EXPLANATIONS = {
    (_SCHED_DEADLINE, errno.EPERM): "the container may not use all processors",
    (_SCHED_DEADLINE, errno.EBUSY): "other tasks have reserved the processors",
    (os.SCHED_FIFO, errno.EPERM): "the container's control group has no real-time share (cpu_rt_runtime)",
}


@dataclass(frozen=True, slots=True)
class Scheduling:
    """A policy that was obtained, as the text that link.json reports."""

    obtained: str

    @property
    def realtime(self) -> bool:
        """Return whether it was a real-time policy."""
        return is_realtime(self.obtained)

    def __str__(self) -> str:
        """Return the present state: a task under SCHED_FIFO may have become ordinary."""
        if self.realtime and os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_OTHER:
            return f"{ORDINARY}{RTTIME_LIMIT_US // 1000} ms without a pause under {self.obtained}"
        return self.obtained


def obtain(choice: RealtimeChoice, guard: Callable[[], None]) -> Scheduling:
    """Try the real-time policies in turn; "ordinary: REASON" if none is granted. The capability is dropped either way.

    `guard` is called before SCHED_FIFO is tried: it must make SIGXCPU call `become_ordinary` or the like of it.
    """
    found = _ordinary("switched off") if choice == "off" else _first_granted(guard)
    capabilities.drop(capabilities.SYS_NICE)
    return found


def become_ordinary() -> None:
    """Return to the policy of other processes; this needs no capability."""
    # Clearing the flag would need one.
    os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))


def guard_in_python() -> None:
    """Let SIGXCPU make this process ordinary, between two instructions of Python."""
    signal.signal(signal.SIGXCPU, lambda _number, _frame: become_ordinary())


def _first_granted(guard: Callable[[], None]) -> Scheduling:
    if UID_MAP.read_text().split() != _ALL_UIDS:
        return _ordinary("CAP_SYS_NICE has no effect in a user namespace (rootless)")
    if not capabilities.holds(capabilities.SYS_NICE):
        return _ordinary(NO_CAPABILITY)
    refusals = []
    attempts: tuple[tuple[str, int, Callable[[], str]], ...] = (
        ("deadline", _SCHED_DEADLINE, _use_deadline),
        ("fifo", os.SCHED_FIFO, lambda: _use_fifo(guard)),
    )
    for name, policy, attempt in attempts:
        try:
            return Scheduling(attempt())
        except OSError as error:
            number = error.errno or 0
            refusals.append(f"{name}: {_EXPLANATIONS.get((policy, number)) or os.strerror(number)}")
    return _ordinary("; ".join(refusals))


def _ordinary(reason: str) -> Scheduling:
    return Scheduling(f"{ORDINARY}{reason}")


def largest_share(reserve: Callable[[int, int], None]) -> Share:
    """Reserve the largest share that leaves room for others, and return it.

    `reserve` takes runtime and period, and raises OSError; EBUSY means that the tasks would not fit. The last attempt's
    error is raised.
    """
    *larger, last = SHARES
    for share in larger:
        try:
            reserve(share.room_ns, share.period_ns)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
        else:
            reserve(share.runtime_ns, share.period_ns)
            return share
    reserve(last.runtime_ns, last.period_ns)
    return last


def _use_deadline() -> str:
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "sched_setattr"):
        raise OSError(errno.ENOSYS, "sched_setattr")

    def reserve(runtime_ns: int, period_ns: int) -> None:
        flags = _RESET_ON_FORK | _RECLAIM
        attributes = _SCHED_ATTR.pack(_SCHED_ATTR.size, _SCHED_DEADLINE, flags, 0, 0, runtime_ns, period_ns, period_ns)
        if library.sched_setattr(0, attributes, 0):
            raise OSError(ctypes.get_errno(), "sched_setattr")

    return f"deadline {largest_share(reserve).text}"


def _use_fifo(guard: Callable[[], None]) -> str:
    guard()
    _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    resource.setrlimit(resource.RLIMIT_RTTIME, (RTTIME_LIMIT_US, hard))
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(FIFO_PRIORITY))
    return f"fifo {FIFO_PRIORITY}"
