"""The state of a sidecar, from its events: one JSON object per line. No I/O."""

import json
from dataclasses import dataclass, field
from typing import Any

from netem.contract.events import RECORDED_LAST


@dataclass(slots=True)
class SidecarState:
    """The state after the last event; a line that is not an event changes nothing."""

    ready: bool = False
    listening: frozenset[str] = frozenset()
    bytes_written: int = 0
    bytes_read: int = 0
    connections: int = 0
    idles: int = 0
    error: dict[str, Any] | None = None
    recorded: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: int = 0

    def feed(self, line: str) -> None:
        """Process one line of the sidecar's standard output."""
        try:
            event = json.loads(line)
        except ValueError:
            return
        if not isinstance(event, dict) or not isinstance(event.get("event"), str):
            return
        self.events += 1
        self._apply(event["event"], event)

    def _apply(self, name: str, event: dict[str, Any]) -> None:
        if name in RECORDED_LAST:
            self.recorded[name] = event
        elif name == "ready":
            self.ready = True
        elif name == "listening":
            self.listening |= frozenset(event.get("families", ()))
        elif name == "progress":
            self.bytes_written = int(event.get("bytes_written", 0))
            self.bytes_read = int(event.get("bytes_read", 0))
            self.connections = int(event.get("connections", 0))
        elif name == "idle":
            self.connections = 0
            self.idles += 1
        elif name == "error":
            self.error = event

    @property
    def failure(self) -> tuple[str, str]:
        """Return the error that the sidecar reported, and its hint; empty when there is none."""
        if self.error is None:
            return "", ""
        attempt, message = self.error.get("attempt", ""), self.error.get("message", "")
        return f"{attempt}: {message}" if attempt else str(message), str(self.error.get("hint", ""))
