"""The events on standard output, one JSON object a line, and link.json, the last word of the important ones.

The clocks come in as functions, so that the form of an event can be tested without time passing.
"""

import json
from collections.abc import Callable
from typing import Any

RECORDED = ("link", "verified", "stopped")
"""Events whose last occurrence link.json holds."""


class EventStream:
    """Write events to `write`, and keep for link.json what a reader of the run folder needs."""

    def __init__(
        self, write: Callable[[str], object], monotonic_ns: Callable[[], int], realtime_ns: Callable[[], int]
    ) -> None:
        self._write = write
        self._monotonic_ns = monotonic_ns
        self._realtime_ns = realtime_ns
        self.recorded: dict[str, Any] = {}

    def emit(self, event: str, /, **facts: object) -> int:
        """Write one event with both clocks and return its CLOCK_MONOTONIC; NaN is refused, because JSON has none."""
        at_ns = self._monotonic_ns()
        self._write(self._record(at_ns, event, facts))
        return at_ns

    def record(self, event: str, /, **facts: object) -> str:
        """Do all of it but write; return the line."""
        return self._record(self._monotonic_ns(), event, facts)

    def _record(self, at_ns: int, event: str, facts: dict[str, object]) -> str:
        stamped = {"event": event, "monotonic_ns": at_ns, "realtime_ns": self._realtime_ns(), **facts}
        if event in RECORDED:
            self.recorded[event] = stamped
        elif event in ("change", "error"):
            self.recorded.setdefault(f"{event}s", []).append(stamped)
        return json.dumps(stamped, allow_nan=False, separators=(",", ":")) + "\n"

    def write(self, line: str) -> None:
        """Write a line that was kept."""
        self._write(line)
