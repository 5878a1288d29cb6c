"""What a cell needs of the machine that runs it, estimated from its fields."""

from dataclasses import dataclass
from typing import Final

from testbed.scenario.ends import ROLES
from testbed.scenario.model import HOST, SLOW_BYTES_PER_S, Cell, parse_impairment

SET_UP_CPU_SHARE: Final = 1.0
"""Of one processor, until the transfer begins: the engine creates, the sidecars start. Measured: 2 to 3 CPU seconds."""

SET_UP_S: Final = 2.5
"""Time that a cell takes beside its transfer on a machine that has a processor for it."""

IDLE_CPU_SHARE: Final = 0.03
"""Of one processor: two sidecars that capture and sample while both programs sleep."""

CPU_S_PER_BYTE: Final = 1 / SLOW_BYTES_PER_S
"""Of one processor, for a byte from one program through capture and link to the other."""

CELL_BYTES: Final = 120 << 20
"""Memory of four containers, most of it two Python sidecars; measured: 90 MB."""

GUEST_BYTES: Final = 3 << 29
"""Memory of a guest VM: its own 1 GiB, and the code that an emulator has translated."""


@dataclass(frozen=True, slots=True)
class Needs:
    """The needs of one cell: shares of one processor, bytes of memory, and the time of its transfer.

    `machine` is the kernel that it runs with: the host, or a guest VM.
    """

    machine: str
    transfer_s: float
    cpu_share: float
    """During the transfer; before it every cell needs `SET_UP_CPU_SHARE`."""

    memory_bytes: int = CELL_BYTES


def needs_of(cell: Cell) -> Needs:
    """Return the needs of a cell: a slow reader or a slow link sleeps; a transfer without limits needs a processor."""
    work_s = cell.total_bytes * CPU_S_PER_BYTE
    transfer_s = max(work_s, waiting_s(cell))
    share = min(1.0, work_s / transfer_s) if transfer_s > 0 else 0.0
    return Needs(cell.kernel, transfer_s, max(IDLE_CPU_SHARE, share))


def waiting_s(cell: Cell) -> float:
    """Return how long a transfer takes in which nothing but the reader and the link takes time."""
    return max(cell.read_delay_total_s, _on_the_link_s(cell))


def round_trip_s(cell: Cell) -> float:
    """Return the round trip of the link: the delays of both directions."""
    delays = (parse_impairment(cell.impairment(role)).delay for role in ROLES)
    return sum(delay.delay_ns for delay in delays if delay is not None) / 1e9


def _on_the_link_s(cell: Cell) -> float:
    """Return how long the bytes take at the rate of the client's link, with a round trip to begin and one to end."""
    rate = parse_impairment(cell.impairment("client")).rate
    on_the_wire_s = cell.total_bytes * 8 / rate.rate_bps if rate is not None and rate.rate_bps else 0.0
    return on_the_wire_s + 2 * round_trip_s(cell)


def is_guest(needs: Needs) -> bool:
    """Return whether the cell runs in a guest VM."""
    return needs.machine != HOST
