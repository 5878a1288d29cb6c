"""Keep-alives: real ones (SO_KEEPALIVE), which look like window probes but are sent into an open window."""

from typing import Final

import numpy as np

from testbed.analysis.findings.evidence import frames
from testbed.analysis.findings.measured import not_applicable, unobservable
from testbed.analysis.findings.rule import Answer, Rule
from testbed.analysis.findings.untyped import Untyped, untyped
from testbed.analysis.join.observation import Observation
from testbed.analysis.packets.flags import Mark
from testbed.units import format_seconds, pluralize

NAME: Final = "keep-alives"

SHORTEST_NS: Final = 900_000_000
"""No socket sends keep-alives more often than once a second (TCP_KEEPIDLE, TCP_KEEPINTVL); what comes sooner and looks
like one came late or twice."""


def measure(observation: Observation) -> Answer:
    """Speak when either side sent keep-alives into an open window."""
    end = observation.wire()
    if end is None or end.connection is None:
        return unobservable("there is no capture")
    marked = end.connection.frames
    # A frame with data that is taken for a keep-alive is one byte that was sent again.
    real = marked.having(Mark.KEEP_ALIVE) & ~marked.having(Mark.WINDOW_PROBE) & (marked.payload_bytes == 0)
    idle_ns = np.diff(marked.time_ns, prepend=marked.time_ns[:1])
    real &= idle_ns >= SHORTEST_NS
    count = int(real.sum())
    if not count:
        return not_applicable("no keep-alive was sent into an open window")
    idle_s = float(np.median(idle_ns[real])) / 1e9
    by_sender = int((real & observation.from_sender(marked)).sum())
    return untyped(
        sentence=(
            f"{pluralize(count, 'keep-alive')} ({by_sender} of the sender's) went into an open window, after "
            f"{format_seconds(idle_s)} without traffic: SO_KEEPALIVE is set, this is no window probe."
        ),
        numbers={"keep_alives": count, "by_sender": by_sender, "idle_median_s": round(idle_s, 6)},
        evidence=frames(end, real, "keep-alives", "tcp.analysis.keep_alive"),
        strength=0.2,
    )


RULE: Final = Rule(
    NAME,
    "Were there real keep-alives, as distinct from window probes?",
    "keep-alive frames while the peer's window is open",
    (Untyped,),
    measure,
)
