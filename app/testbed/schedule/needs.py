"""What a cell needs of the machine that runs it, estimated from its fields."""

from dataclasses import dataclass
from typing import Final

from netem.spec import parse
from testbed.scenario.ends import ROLES
from testbed.scenario.model import HOST, SLOW_BYTES_PER_S, Cell

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
    transfer_s = max(work_s, cell.read_delay_total_s, _on_the_link_s(cell))
    share = min(1.0, work_s / transfer_s) if transfer_s > 0 else 0.0
    return Needs(cell.kernel, transfer_s, max(IDLE_CPU_SHARE, share))


def _on_the_link_s(cell: Cell) -> float:
    """Return how long the bytes take at the rate of the client's link, with a round trip to begin and one to end."""
    delay_ns, rate_bytes_per_s = 0, 0.0
    for role in ROLES:
        impairment = parse(cell.impairment(role))
        delay_ns += impairment.delay.delay_ns if impairment.delay is not None else 0
        if role == "client" and impairment.rate is not None:
            rate_bytes_per_s = impairment.rate.rate_bps / 8
    on_the_wire_s = cell.total_bytes / rate_bytes_per_s if rate_bytes_per_s else 0.0
    return on_the_wire_s + 2 * delay_ns / 1e9


def is_guest(needs: Needs) -> bool:
    """Return whether the cell runs in a guest VM."""
    return needs.machine != HOST
