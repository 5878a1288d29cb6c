"""Estimate the transfer of a cell from what is requested: its time, and the processor time that it takes."""

from math import ceil, log2
from typing import Final

from netem.spec import Impairment
from testbed.scenario.ends import ROLES
from testbed.scenario.model import Cell
from testbed.schedule.needs import CPU_S_PER_BYTE, round_trip_s, waiting_s
from testbed.schedule.span import Span, largest

BYTE_CPU_S: Final = Span(CPU_S_PER_BYTE / 40, CPU_S_PER_BYTE / 20, CPU_S_PER_BYTE / 2)
"""Processor time for a byte from one program through capture and link to the other, and its analysis."""

CALL_CPU_S: Final = Span(2e-6, 3e-5, 2e-4)
"""Processor time of a call of `write()` or `read()` with its line in the log, and of its segment."""

FIRST_WINDOW_BYTES: Final = 14_000
"""What a sender may have in flight in the first round trip: ten segments (RFC 6928)."""

FULL_READS: Final = Span(1.0, 1.0, 1.3)
"""Of a slow reader: reads, divided by those that would do if each were full."""

LOSSES: Final = Span(1.0, 1.2, 4.0)
"""Of a link that loses, holds back or changes: the time of a transfer, divided by that over a link that does not."""


def writes(cell: Cell) -> int:
    """Return how many writes the sender makes."""
    return ceil(cell.total_bytes / cell.chunk_bytes)


def calls(cell: Cell) -> Span:
    """Return how many calls both programs make: a reader that does not wait may find what each write has brought."""
    full_reads = ceil(cell.total_bytes / cell.read_bytes)
    reads = full_reads if cell.read_delay_us else max(full_reads, writes(cell))
    return Span(0.5 * full_reads, reads, 2 * reads) + Span.exactly(writes(cell))


def transfer_cpu_s(cell: Cell) -> Span:
    """Return the processor time of a transfer, without that of setting up the cell."""
    return BYTE_CPU_S * cell.total_bytes + CALL_CPU_S.times(calls(cell))


def transfer_s(cell: Cell, work_s: Span | None = None) -> Span:
    """Return how long a transfer takes on a machine with a processor for it: not more than its deadline.

    `work_s` is `transfer_cpu_s` if the caller knows it.
    """
    rounds = log2(1 + cell.total_bytes / FIRST_WINDOW_BYTES) * round_trip_s(cell)
    waits = FULL_READS * waiting_s(cell) + Span(0.0, 1.0, 2.0) * rounds
    if any(_varies(each) for role in ROLES for each in cell.impairments(role)):
        waits = (waits + Span(0.0, 0.2, 1.0)).times(LOSSES)
    return largest(waits, work_s or transfer_cpu_s(cell)).at_most(cell.deadline_s)


def _varies(impairment: Impairment) -> bool:
    """Return whether a link does more than to delay packets and to bound their rate."""
    return impairment != Impairment(delay=impairment.delay, rate=impairment.rate)
