"""The data path in C: the same lanes as in Python, for portable impairments (`netem.pipeline.is_portable`).

It loads queues, stages and statistics from the pipelines. The pipelines stay the reference: their stages and statistics
are synchronized before anyone uses them. The image build compiles the library from `c/`.
"""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

from netem.contract.errors import from_os_error
from netem.engines.user.devices import MAX_FRAME_BYTES
from netem.engines.user.lane_state import MAX_DUE_NS, CLaneState, LaneState
from netem.pipeline import Entry, Pipeline

LIBRARY = Path(__file__).with_name("libdatapath.so")
_Times = ctypes.c_int64 * 3


def _load(library: Path) -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(library), use_errno=True)
    pointer, lane, ready = ctypes.c_void_p, ctypes.c_int, ctypes.c_bool
    times, frame, size = ctypes.POINTER(ctypes.c_int64), ctypes.c_char_p, ctypes.c_size_t
    for name, result, arguments in (
        ("open", pointer, [ctypes.POINTER(ctypes.c_int), ctypes.c_int, ctypes.c_int]),
        ("close", None, [pointer]),
        ("state", ctypes.POINTER(CLaneState), [pointer, lane]),
        ("queued", ctypes.c_int64, [pointer, lane]),
        ("tx_rejected", ctypes.c_int64, [pointer]),
        ("next_due", ctypes.c_int64, [pointer, lane]),
        ("import", ctypes.c_int, [pointer, lane, ready, times, frame, size]),
        ("export", ctypes.c_int64, [pointer, lane, ready, times, frame]),
        ("export_outgoing", ctypes.c_int64, [pointer, frame]),
        ("push", ctypes.c_int, [pointer, lane, frame, size, ctypes.c_int64]),
        ("pop", None, [pointer, lane, ctypes.c_int64]),
        ("run", ctypes.c_int, [pointer]),
    ):
        function = getattr(loaded, f"datapath_{name}")
        function.restype, function.argtypes = result, arguments
    return loaded


class DataPath:
    """Two lanes in C."""

    def __init__(self, taps: tuple[int, int], out_fd: int, control_fd: int, library: Path = LIBRARY) -> None:
        """Load the library and prepare to serve; raise SidecarError on failure."""
        try:
            self._c = _load(library)
            self._path = self._c.datapath_open((ctypes.c_int * 2)(*taps), out_fd, control_fd)
            _check(0 if self._path else -ctypes.get_errno())
        except OSError as error:
            raise from_os_error("open the data path", error) from error
        self._states = [LaneState(self._c.datapath_state(self._path, lane).contents) for lane in range(len(taps))]
        self._frame = ctypes.create_string_buffer(MAX_FRAME_BYTES)

    def close(self) -> None:
        """Free memory and descriptors."""
        self._c.datapath_close(self._path)

    @property
    def tx_rejected(self) -> int:
        """Frames that the device rejected."""
        return int(self._c.datapath_tx_rejected(self._path))

    def queued(self, lane: int) -> int:
        """Return how many frames wait in a lane."""
        return int(self._c.datapath_queued(self._path, lane))

    def next_due_ns(self, lane: int) -> int | None:
        """Return when the next frame of a lane is due, None if the lane is empty."""
        due_ns = int(self._c.datapath_next_due(self._path, lane))
        return None if due_ns == 2**63 - 1 else due_ns

    def run(self) -> None:
        """Serve until the control descriptor is readable; raise SidecarError when a TAP or memory fails."""
        try:
            _check(self._c.datapath_run(self._path))
        except OSError as error:
            raise from_os_error("forward frames", error) from error

    def push(self, lane: int, frame: bytes, now_ns: int) -> None:
        """Add a frame that arrives now."""
        _check(self._c.datapath_push(self._path, lane, frame, len(frame), now_ns))

    def pop_due(self, lane: int, now_ns: int) -> list[bytes]:
        """Return the frames due by now instead of sending them."""
        self._c.datapath_pop(self._path, lane, now_ns)
        return self.pop_unsent()

    def pop_unsent(self) -> list[bytes]:
        """Remove and return the frames that left their lane and that the device has not accepted yet."""
        frames = []
        while (length := self._c.datapath_export_outgoing(self._path, self._frame)) >= 0:
            frames.append(ctypes.string_at(self._frame, length))
        return frames

    def load(self, lane: int, pipeline: Pipeline) -> None:
        """Load stages, statistics and queue of a pipeline into a lane, and empty the pipeline's queue."""
        self._states[lane].load_stages(pipeline)
        self._states[lane].load_statistics(pipeline)
        ready, queued = pipeline.export_queue()
        self._import(lane, ready, is_ready=True)
        self._import(lane, queued, is_ready=False)

    def _import(self, lane: int, entries: list[Entry], *, is_ready: bool) -> None:
        for due_ns, arrived_ns, wire_bytes, frame in entries:
            times = _Times(min(due_ns, MAX_DUE_NS), arrived_ns, wire_bytes)
            _check(self._c.datapath_import(self._path, lane, is_ready, times, bytes(frame), len(frame)))

    def change(self, lane: int, pipeline: Pipeline, change: Callable[[], None]) -> None:
        """Change the impairment of a pipeline by `change`: from the state of its lane, and then in the lane as well."""
        self._states[lane].sync_stages(pipeline)
        try:
            change()
        finally:
            self._states[lane].load_stages(pipeline)

    def sync_statistics(self, lane: int, pipeline: Pipeline) -> None:
        """Copy the statistics of a lane to its pipeline."""
        self._states[lane].sync_statistics(pipeline)

    def unload(self, lane: int, pipeline: Pipeline) -> None:
        """Move queue, stages and statistics of a lane to its pipeline."""
        self._states[lane].sync_stages(pipeline)
        self._states[lane].sync_statistics(pipeline)
        pipeline.import_queue(self._export(lane, is_ready=True), self._export(lane, is_ready=False))

    def _export(self, lane: int, *, is_ready: bool) -> list[Entry]:
        entries: list[Entry] = []
        times = _Times()
        while (length := self._c.datapath_export(self._path, lane, is_ready, times, self._frame)) >= 0:
            entries.append((times[0], times[1], times[2], ctypes.string_at(self._frame, length)))
        return entries


def _check(status: int) -> None:
    if status < 0:
        raise OSError(-status, os.strerror(-status))
