"""The cells that run in this worker process, and the parcels that wait to be fetched. No I/O but removing a parcel."""

import shutil
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from testbed.run.stop import Stop

REMEMBERED_RUNS: Final = 100
"""How many ended runs are known: a cell of such a run that begins late ends at once."""


class Cells:
    """Running cells by the key of their task; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, tuple[str, Stop]] = {}
        self._ended: deque[str] = deque(maxlen=REMEMBERED_RUNS)
        self._parcels: dict[str, Path] = {}

    @contextmanager
    def running(self, key: str, run: str) -> Iterator[Stop]:
        """Be a running cell; its `Stop` has been requested already if the run has ended."""
        stop = Stop()
        with self._lock:
            self._running[key] = (run, stop)
            ended = run in self._ended
        if ended:
            stop.end_in_order()
        try:
            yield stop
        finally:
            with self._lock:
                del self._running[key]

    def end_run(self, run: str) -> list[str]:
        """Request that the cells of a run end in order; return their keys."""
        with self._lock:
            self._ended.append(run)
            found = {key: stop for key, (its_run, stop) in self._running.items() if its_run == run}
        for stop in found.values():
            stop.end_in_order()
        return list(found)

    def release(self, key: str) -> None:
        """Nobody waits for this task any longer: end its cell in order, or remove its parcel."""
        with self._lock:
            running = self._running.get(key)
            parcel = self._parcels.pop(key, None)
        if running is not None:
            running[1].end_in_order()
        if parcel is not None:
            shutil.rmtree(parcel.parent, ignore_errors=True)

    def end_all(self) -> None:
        """Release all, because this process ends."""
        with self._lock:
            keys = {*self._running, *self._parcels}
        for key in keys:
            self.release(key)

    def keep_parcel(self, key: str, parcel: Path) -> None:
        """Keep a parcel, alone in its folder, until its task is released."""
        with self._lock:
            self._parcels[key] = parcel

    def parcel(self, key: str) -> Path | None:
        """Return the parcel of a task; None when it is not here."""
        with self._lock:
            return self._parcels.get(key)
