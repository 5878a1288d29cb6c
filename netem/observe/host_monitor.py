"""Monitor the host around the sockets: the kernel's TCP counters, the endpoint's memory, pressure on the machine."""

import time
from pathlib import Path
from typing import Any

from netem.observe import host, kernel_counters
from netem.observe.resources import ResourceSampler
from netem.system.reactor import Reactor


class HostMonitor:
    """Cover the kernel counters from `ready` on, and the machine from the first connection to the end of the last."""

    def __init__(self, reactor: Reactor, folder: Path) -> None:
        self._reactor = reactor
        self._folder = folder
        self._counters: dict[str, int] = {}
        self._resources: ResourceSampler | None = None
        self._first: host.Reading | None = None
        self._last: host.Reading | None = None

    def start(self, *, sampling: bool) -> None:
        """Begin; with `sampling`, also write resources.csv. Raises SidecarError."""
        self._counters = kernel_counters.read()
        if sampling:
            self._resources = ResourceSampler(self._reactor, self._folder)
            self._resources.start()

    def note_traffic(self, begins: bool) -> None:  # noqa: FBT001 - a callback
        """Record that a connection has begun, or that none is left."""
        if begins:
            self._first = self._first or host.read(time.monotonic_ns())
            self._last = None
            if self._resources is not None:
                self._resources.sample()
        elif self._first is not None:
            self._last = host.read(time.monotonic_ns())

    def stop(self) -> dict[str, Any]:
        """Flush; return the TCP counters, and the load of the machine if there was a connection."""
        if self._resources is not None:
            self._resources.stop()
        if self._first is not None and self._last is None:
            self._last = host.read(time.monotonic_ns())
        return {
            "tcp": kernel_counters.difference(self._counters, kernel_counters.read()),
            "host": host.between(self._first, self._last) if self._first and self._last else None,
        }
