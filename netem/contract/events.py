"""The events on standard output, one JSON object a line, and link.json, the last word of the important ones.

The clocks come in as functions, so that the form of an event can be tested without time passing.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

KEPT = ("link", "verified", "stopped")
"""Events whose last occurrence link.json holds."""


class EventLog:
    """Write events to `write`, and keep for link.json what a reader of the run folder needs."""

    def __init__(
        self, write: Callable[[str], object], monotonic_ns: Callable[[], int], realtime_ns: Callable[[], int]
    ) -> None:
        self._write = write
        self._monotonic_ns = monotonic_ns
        self._realtime_ns = realtime_ns
        self.kept: dict[str, Any] = {}

    def emit(self, event: str, /, **facts: object) -> int:
        """Write one event with both clocks and return its CLOCK_MONOTONIC; NaN is refused, because JSON has none."""
        at_ns = self._monotonic_ns()
        self._write(self._keep(at_ns, event, facts))
        return at_ns

    def keep(self, event: str, /, **facts: object) -> str:
        """Do all of it but write; return the line."""
        return self._keep(self._monotonic_ns(), event, facts)

    def _keep(self, at_ns: int, event: str, facts: dict[str, object]) -> str:
        stamped = {"event": event, "monotonic_ns": at_ns, "realtime_ns": self._realtime_ns(), **facts}
        if event in KEPT:
            self.kept[event] = stamped
        elif event in ("change", "error"):
            self.kept.setdefault(f"{event}s", []).append(stamped)
        return json.dumps(stamped, allow_nan=False, separators=(",", ":")) + "\n"

    def tell(self, line: str) -> None:
        """Write a line that was kept."""
        self._write(line)


def write_stdout(line: str) -> None:
    """Write a line to standard output, whole and at once; a reader that has gone is no reason to fail."""
    data = line.encode()
    try:
        while data:
            data = data[os.write(1, data) :]
    except BrokenPipeError:
        return


def write_link_json(path: Path, kept: dict[str, Any]) -> None:
    """Write link.json so that it is either the old one or the new one, never half."""
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(kept, indent=1, allow_nan=False) + "\n")
    partial.replace(path)
