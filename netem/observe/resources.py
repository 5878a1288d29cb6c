"""Sample the endpoint's memory and CPU time into resources.csv."""

import time
from pathlib import Path

from netem.contract.errors import from_os_error
from netem.observe.processes import Processes, header
from netem.system.reactor import Reactor

INTERVAL_NS = 50_000_000
"""Memory changes more slowly than queues, and reading it costs 0.1 ms."""
_FLUSH_BYTES = 65_536


class ResourceSampler:
    """Write a line every INTERVAL_NS while an endpoint runs."""

    def __init__(self, reactor: Reactor, folder: Path) -> None:
        """Open the file. Raises SidecarError."""
        self._reactor = reactor
        self._processes = Processes()
        try:
            self._file = (folder / "resources.csv").open("w", encoding="ascii", buffering=_FLUSH_BYTES)
        except OSError as error:
            raise from_os_error("write resources.csv", error, "give the container a writable NETEM_OUTPUT") from error
        self._file.write(header())

    def start(self) -> None:
        """Begin to sample."""
        self._on_tick(time.monotonic_ns())

    def stop(self) -> None:
        """Flush and close the file."""
        self._file.close()

    def sample(self) -> None:
        """Write a line now."""
        usage = self._processes.read()
        if usage is not None:
            self._file.write(usage.row(time.monotonic_ns(), time.time_ns()))

    def _on_tick(self, due_ns: int) -> None:
        if self._file.closed:
            return
        self.sample()
        next_ns = max(due_ns + INTERVAL_NS, time.monotonic_ns())
        self._reactor.call_at(next_ns, lambda: self._on_tick(next_ns))
