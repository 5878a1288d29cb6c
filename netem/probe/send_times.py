"""When the datagrams of one session were sent: the program's time, replaced by the kernel's once that is known.

The kernel's time of a datagram exists only after it was sent, so the next datagram carries it. Between the two times
the program may have waited for a processor, and that would look like a delay of the link.
"""

from typing import NamedTuple

from netem.probe.message import Probe

MAX_TIMES = 100_000
"""Bound on the memory that unsolicited datagrams can make this process use."""


class Sent(NamedTuple):
    """The datagram sent last: its sequence number and the kernel's time, 0 while unknown."""

    sequence: int = 0
    sent_ns: int = 0


class SendTimes:
    """The send time of each datagram received, by sequence number; the first of a duplicate counts."""

    def __init__(self) -> None:
        self._stamped_ns: dict[int, int] = {}
        self._kernel_ns: dict[int, int] = {}

    def __getitem__(self, sequence: int) -> int:
        """Return the best time known."""
        return self._kernel_ns.get(sequence, self._stamped_ns[sequence])

    def add(self, datagram: Probe, stamped_ns: int) -> None:
        """Record the program's time of a datagram, and the kernel's time of the datagram before it."""
        if len(self._stamped_ns) < MAX_TIMES:
            self._stamped_ns.setdefault(datagram.sequence, stamped_ns)
        if datagram.previous_ns and len(self._kernel_ns) < MAX_TIMES:
            self._kernel_ns.setdefault(datagram.previous, datagram.previous_ns)
