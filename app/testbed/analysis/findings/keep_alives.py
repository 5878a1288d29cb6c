"""Keep-alives: real ones (SO_KEEPALIVE), which look like window probes but are sent into an open window."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from testbed.analysis.findings.evidence import frames
from testbed.analysis.findings.measured import Fact, Measured, not_applicable, unobservable
from testbed.analysis.findings.rule import NO_CAPTURE, Answer, Rule
from testbed.analysis.join.observation import Observation
from testbed.analysis.packets.flags import Mark

SHORTEST_NS: Final = 900_000_000
"""No socket sends keep-alives more often than once a second (TCP_KEEPIDLE, TCP_KEEPINTVL); what comes sooner and looks
like one was late or duplicated."""


@dataclass(frozen=True, slots=True)
class KeepAlives(Fact):
    """Keep-alives of both sides, those of the sender, and the median idle time before them."""

    keep_alives: int
    by_sender: int
    idle_median_s: float


def measure(observation: Observation) -> Answer:
    """Count the keep-alives that either side sent into an open window."""
    end = observation.wire()
    if end is None or end.connection is None:
        return unobservable(NO_CAPTURE)
    marked = end.connection.frames
    # A frame with data that looks like a keep-alive is one byte that was retransmitted.
    real = marked.having(Mark.KEEP_ALIVE) & ~marked.having(Mark.WINDOW_PROBE) & (marked.payload_bytes == 0)
    idle_ns = np.diff(marked.time_ns, prepend=marked.time_ns[:1])
    real &= idle_ns >= SHORTEST_NS
    if not real.any():
        return not_applicable("no keep-alive was sent into an open window")
    return Measured(
        KeepAlives(
            keep_alives=int(real.sum()),
            by_sender=int((real & observation.from_sender(marked)).sum()),
            idle_median_s=round(float(np.median(idle_ns[real])) / 1e9, 6),
        ),
        evidence=frames(end, real, "keep-alives", "tcp.analysis.keep_alive"),
        strength=0.2,
    )


RULE: Final = Rule(
    "keep-alives",
    "Were there real keep-alives, as distinct from window probes?",
    "keep-alive frames while the peer's window is open",
    (KeepAlives,),
    measure,
)
