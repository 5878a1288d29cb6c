"""Whether one more cell may run beside those that run already."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from testbed.schedule.guests import GUEST_CPU_SHARE, RESERVED_BYTES, in_guests, room_on
from testbed.schedule.needs import GUEST_BYTES, SET_UP_CPU_SHARE, Needs, is_guest

CPU_OVERCOMMIT: Final = 2.0
"""Cells wait for the engine about half of the time in which they are set up, so two of them share a processor."""

LOW_PRESSURE: Final = 0.3
"""Share of the time in which something waited for a processor, below which `auto` adds a cell."""

HIGH_PRESSURE: Final = 0.8
"""The same, above which `auto` begins no further cell."""

SHRINK: Final = 0.7
"""What is left of the limit of `auto` after a cell whose times are not reliable."""

JOBS_PER_PROCESSOR: Final = 64
"""The most that `auto` tries; a sleeping cell needs about 3 % of a processor."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the machine shows now; None = not known."""

    cpu_pressure_share: float | None = None
    available_bytes: int | None = None
    slots: int | None = None
    """How many cells the machines of a cluster run at the same time, whatever the load of this one."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the machine has; `networks` is how many more the engine can create, None = enough."""

    processors: int = 1
    networks: int | None = None


@dataclass(slots=True)
class Running:
    """A cell that runs."""

    needs: Needs
    alone: bool = False
    sets_up: bool = True
    """Whether its transfer has not begun yet."""

    @property
    def cpu_share(self) -> float:
        """Return the share of one processor that it needs now."""
        return SET_UP_CPU_SHARE if self.sets_up else self.needs.cpu_share


class Jobs:
    """How many cells may run at the same time: a fixed number, or one that follows the machine."""

    def __init__(self, fixed: int | None, processors: int) -> None:
        self._auto = fixed is None
        self._most = JOBS_PER_PROCESSOR * processors
        self.now = processors if fixed is None else fixed

    def grow(self, reading: Reading) -> None:
        """Add one if nothing waits for a processor."""
        pressure = reading.cpu_pressure_share
        if self._auto and pressure is not None and pressure < LOW_PRESSURE:
            self.now = min(self._most, self.now + 1)

    def shrink(self) -> None:
        """Remove some, because a cell's times were not reliable."""
        if self._auto:
            self.now = max(1, int(self.now * SHRINK))

    def overloaded(self, reading: Reading) -> bool:
        """Return whether the machine is so busy that no further cell begins."""
        return self._auto and (reading.cpu_pressure_share or 0.0) > HIGH_PRESSURE


def fits(needs: Needs, running: Iterable[Running], capacity: Capacity, reading: Reading) -> bool:
    """Return whether a cell fits beside those that run; where none runs, every cell fits.

    Cells of guest VMs are set up a few at a time, see `testbed.schedule.guests`; cells of the host run beside them.
    """
    beside = list(running)
    if not beside:
        return True
    if any(each.alone for each in beside):
        return False
    if is_guest(needs):
        guests = in_guests((each.needs, each.sets_up) for each in beside)
        if not room_on(capacity.processors).admits(needs.machine, guests):
            return False
    if _cpu_share(beside) + SET_UP_CPU_SHARE > CPU_OVERCOMMIT * capacity.processors:
        return False
    if capacity.networks is not None and len(beside) >= capacity.networks:
        return False
    return reading.available_bytes is None or reading.available_bytes >= _reserved_bytes(needs, beside)


def _cpu_share(running: Sequence[Running]) -> float:
    """Return what running cells need of the processors: each of the host what it does, each guest with cells one."""
    shares = [each.cpu_share for each in running if not is_guest(each.needs)]
    return sum(shares) + GUEST_CPU_SHARE * len({each.needs.machine for each in running if is_guest(each.needs)})


def _reserved_bytes(needs: Needs, running: Iterable[Running]) -> int:
    """Return the memory that must be available for a cell: its own, and that of the cells that are being set up.

    A guest has its memory from its boot on, and its cells have none of the machine's.
    """
    used: dict[str, list[Running]] = {}
    host_bytes = 0
    for each in running:
        if is_guest(each.needs):
            used.setdefault(each.needs.machine, []).append(each)
        elif each.sets_up:
            host_bytes += each.needs.memory_bytes
    boots = {kernel for kernel, cells in used.items() if all(each.sets_up for each in cells)}
    if is_guest(needs):
        boots |= {needs.machine} - set(used)
    else:
        host_bytes += needs.memory_bytes
    return RESERVED_BYTES + host_bytes + GUEST_BYTES * len(boots)
