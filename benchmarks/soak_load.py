"""The load of a soak: a flood and bulk TCP through user engines under real time, cells, and busy loops."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from benchmarks.cell_run import Cell, CellRun
from benchmarks.link_lab import TOOLS_IMAGE, Build, Pair, busy_loops, iperf_ends, pair
from benchmarks.link_programs import COUNT, FLOOD
from tests.support.link_traffic import wait_for_line
from tests.support.sidecar import Bed, Sidecar

BUSY_LOOPS: Final = 4
FLOWS: Final = 8
IMPAIRMENTS: Final = {"flood": "delay 10ms 1ms loss 0.1% limit 100000", "bulk": "delay 10ms limit 100000"}
"""By what is sent. Both take the data path in C; only the flood draws numbers."""
PAYLOAD_BYTES: Final = 58
FOREVER_S: Final = 10**6
LONGEST_S: Final = 86_400
"""More is not accepted by iperf3."""


class Cells:
    """Cells, one after another in a thread, until closed."""

    def __init__(self, folder: str) -> None:
        self.ended: list[CellRun] = []
        self._folder = folder
        self._closing = threading.Event()
        self._current: Cell | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """Interrupt the present cell, which then removes what it made, and wait for it."""
        with self._lock:
            self._closing.set()
            if self._current is not None:
                self._current.interrupt()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._closing.is_set():
                    return
                # A session of its own: Ctrl-C is for this program, which then interrupts the cell once.
                self._current = Cell(self._folder, new_session=True)
            ended = self._current.result()
            if not self._closing.is_set():
                self.ended.append(ended)


class Load:
    """The engines under load, by what is sent through them."""

    def __init__(self, pairs: dict[str, Pair]) -> None:
        self._pairs = pairs

    @property
    def beside(self) -> Sidecar:
        """A sidecar that has nothing to do, for programs beside the load."""
        return self._pairs["bulk"].server

    def scheduling(self) -> dict[str, str]:
        """Return what each engine's process obtained."""
        return {name: str(ends.client.wait("link")["scheduling"]) for name, ends in self._pairs.items()}

    def stop(self) -> dict[str, dict[str, Any]]:
        """Stop the engines and return their counters."""
        return {name: ends.client.stop()["counters"]["link"] for name, ends in self._pairs.items()}


@contextmanager
def running(made: Bed, image: str) -> Iterator[Load]:
    """Start the load, apart from the cells; most of it lasts until the bed is closed."""
    build = Build(image, {"realtime": "require", "engine": "user"})
    pairs = {name: pair(made, name, build, impairment=text) for name, text in IMPAIRMENTS.items()}
    flood, bulk = pairs["flood"], pairs["bulk"]
    with busy_loops(made, bulk.server, BUSY_LOOPS):
        wait_for_line(flood.server.start(COUNT, FOREVER_S), "bound")
        flood.client.start(FLOOD, flood.host, PAYLOAD_BYTES, FOREVER_S)
        iperf_ends(made, bulk)
        words = ["iperf3", "-c", bulk.host, "-4", "-t", str(LONGEST_S), "-P", str(FLOWS)]
        made.program(bulk.client, words, image=TOOLS_IMAGE)
        yield Load(pairs)
