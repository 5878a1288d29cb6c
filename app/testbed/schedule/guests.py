"""Room for guest VMs on a machine, and for cells in them.

Most of a cell's work in a guest is its set-up; an emulated guest works about twenty times slower than the machine and
takes its processors meanwhile. So the cells of guests are set up a few at a time, and then wait beside each other: a
slow reader needs hardly anything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from testbed.schedule.needs import GUEST_BYTES, Needs, is_guest

CELLS_PER_GUEST: Final = 4
"""At a time. A guest has 1 GiB, of which Docker and the kernel take half, and a cell 90 MB."""

RESERVED_BYTES: Final = 256 << 20
"""Memory that stays available for everything else on the machine."""

GUEST_CPU_SHARE: Final = 1.0
"""Of one processor of the machine, for a guest in which a cell is set up or transfers."""


@dataclass(frozen=True, slots=True)
class InGuest:
    """A cell that runs in a guest VM: its kernel, and whether it is being set up, which includes the guest's boot."""

    kernel: str
    sets_up: bool


@dataclass(frozen=True, slots=True)
class GuestRoom:
    """How many cells one guest may run at a time, and how many cells in guests may be set up at a time."""

    cells_per_guest: int = CELLS_PER_GUEST
    set_ups: int = 1

    def admits(self, kernel: str, running: Sequence[InGuest]) -> bool:
        """Return whether one more cell may begin in the guest with this kernel, as far as guests are concerned."""
        inside = sum(each.kernel == kernel for each in running)
        return inside < self.cells_per_guest and sum(each.sets_up for each in running) < self.set_ups


def room_on(processors: int) -> GuestRoom:
    """Return the room of a machine: two processors for each cell that is being set up in a guest, which has as many."""
    return GuestRoom(set_ups=max(1, processors // 2))


def in_guests(running: Iterable[tuple[Needs, bool]]) -> list[InGuest]:
    """Return the running cells that are in guests, from the needs of all and whether each is being set up."""
    return [InGuest(needs.machine, sets_up) for needs, sets_up in running if is_guest(needs)]


def fits_in_memory(available_bytes: int | None, running: int) -> bool:
    """Return whether there is memory for one more guest beside the running ones; the first one is always tried."""
    return not running or available_bytes is None or available_bytes >= GUEST_BYTES + RESERVED_BYTES


def to_stop(idle: Sequence[str], needed: Iterable[str]) -> str | None:
    """Return which idle guest to stop for another: one that no cell needs, else the one that is idle for longest.

    `idle` are kernels, the one that is idle for longest first; `needed` are the kernels of cells that have not ended.
    """
    wanted = set(needed)
    return next((kernel for kernel in idle if kernel not in wanted), idle[0] if idle else None)
