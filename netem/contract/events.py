"""The events on standard output, one JSON object a line, and which of them link.json records.

The clocks come in as functions, so that the form of an event can be tested without time passing.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class EventKind:
    """One kind of event: when it is written, its keys besides both clocks, and what link.json records of it."""

    name: str
    when: str
    keys: str = ""
    recorded: Literal["", "last", "all"] = ""


EVENT_KINDS = (
    EventKind(
        "link",
        "the impairment is in force and has been read back",
        "`engine` (`kernel`, `user`, `none`), `reason`, `requested`, `readback`; `scheduling`: policy of the user "
        "engine's process (`deadline ...`, `fifo ...`, `ordinary: REASON`), null without it; `route`: metrics of the "
        "route to the peers by family, as set and read back; `sysctls` by key",
        "last",
    ),
    EventKind(
        "verified",
        "the probes are done",
        "`probes`: a list of {`peer`, `family`, `direction` (`egress`, `ingress`), `sent`, `received`, `requested`, "
        "`delay_ns` {`min`, `p50`, `p99`, `max`}, `ok`, `sentence`, `loss_interval`}; `clock_offset_ns` by peer: "
        "bounds of how far its clock is ahead; `rtt_ms` {`min`, `median`, `max`, `samples`} by family",
        "last",
    ),
    EventKind("ready", "the link is verified, capture and sampling have started; the file `/run/netem/ready` exists"),
    EventKind("listening", "a socket listens on `NETEM_PORT`", "`families`"),
    EventKind(
        "progress", "something changed, at most 5 times a second", "`bytes_written`, `bytes_read`, `connections`"
    ),
    EventKind(
        "idle",
        "the last connection on `NETEM_PORT` has closed, however short it was; also once after each SIGUSR1, as soon "
        "as there is none",
    ),
    EventKind("change", "another impairment is in force (`netem change`, a profile)", "`impairment`", "all"),
    EventKind("error", "the sidecar cannot continue; it exits with code 1", "`attempt`, `message`, `hint`", "all"),
    EventKind(
        "stopped",
        "after SIGTERM, when everything is flushed",
        "`counters`, `capture`; `tcp`: what the kernel counted since `ready`; `host`: how busy the machine was while "
        "there were connections",
        "last",
    ),
)
RECORDED_LAST = tuple(kind.name for kind in EVENT_KINDS if kind.recorded == "last")
"""Events whose last occurrence link.json holds, under their name."""
RECORDED_ALL = tuple(kind.name for kind in EVENT_KINDS if kind.recorded == "all")
"""Events of which link.json holds every occurrence, under the plural of their name."""


class EventStream:
    """Write events to `write`, and record for link.json what a reader of the run folder needs."""

    def __init__(
        self, write: Callable[[str], object], monotonic_ns: Callable[[], int], realtime_ns: Callable[[], int]
    ) -> None:
        self._write = write
        self._monotonic_ns = monotonic_ns
        self._realtime_ns = realtime_ns
        self.recorded: dict[str, Any] = {}

    def emit(self, event: str, /, **facts: object) -> int:
        """Write one event with both clocks and return its CLOCK_MONOTONIC. Raises ValueError for a NaN."""
        at_ns = self._monotonic_ns()
        self._write(self._record(at_ns, event, facts))
        return at_ns

    def record(self, event: str, /, **facts: object) -> str:
        """Stamp and record one event without writing it; return its line for `write`."""
        return self._record(self._monotonic_ns(), event, facts)

    def write(self, line: str) -> None:
        """Write a line that `record` returned."""
        self._write(line)

    def _record(self, at_ns: int, event: str, facts: dict[str, object]) -> str:
        stamped = {"event": event, "monotonic_ns": at_ns, "realtime_ns": self._realtime_ns(), **facts}
        if event in RECORDED_LAST:
            self.recorded[event] = stamped
        elif event in RECORDED_ALL:
            self.recorded.setdefault(f"{event}s", []).append(stamped)
        return json.dumps(stamped, allow_nan=False, separators=(",", ":")) + "\n"
