"""What is around the sockets: the kernel's counters, the endpoint's memory, the pressure on the machine."""

import time
from pathlib import Path
from typing import Any

from netem.observe import host, kernel_counters
from netem.observe.resources import ResourceWatch
from netem.system.reactor import Reactor


class Surroundings:
    """Read the counters from `ready` on; the machine from the first connection to the end of the last."""

    def __init__(self, reactor: Reactor, folder: Path) -> None:
        self._reactor = reactor
        self._folder = folder
        self._counters: dict[str, int] = {}
        self._resources: ResourceWatch | None = None
        self._first: host.Reading | None = None
        self._last: host.Reading | None = None

    def start(self, *, sampling: bool) -> None:
        """Begin; the endpoint's resources are watched when there are to be samples. Raises SidecarError."""
        self._counters = kernel_counters.read()
        if sampling:
            self._resources = ResourceWatch(self._reactor, self._folder)
            self._resources.start()

    def note_traffic(self, begins: bool) -> None:  # noqa: FBT001 - a callback
        """Take note that there is a new connection, or none left."""
        if begins:
            self._first = self._first or host.read(time.monotonic_ns())
            self._last = None
            if self._resources is not None:
                self._resources.look()
        elif self._first is not None:
            self._last = host.read(time.monotonic_ns())

    def stop(self) -> dict[str, Any]:
        """Write everything out; return the counters of TCP and, when there was a connection, the machine's state."""
        if self._resources is not None:
            self._resources.stop()
        if self._first is not None and self._last is None:
            self._last = host.read(time.monotonic_ns())
        return {
            "tcp": kernel_counters.difference(self._counters, kernel_counters.read()),
            "host": host.between(self._first, self._last) if self._first and self._last else None,
        }
