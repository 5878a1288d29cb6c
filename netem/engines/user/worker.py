"""The process of the user engine: it runs the loop and handles the supervisor's requests in between.

Requests and responses are JSON datagrams on a socket pair. The process exits when the supervisor closes its end.
"""

import gc
import json
import os
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from netem.contract.errors import SidecarError
from netem.contract.for_probes import for_probes
from netem.contract.settings import RealtimeChoice
from netem.engines.resources import read_resources
from netem.engines.user.datapath import LIBRARY, DataPath
from netem.engines.user.devices import VNET_HEADER_BYTES, announce_offloads
from netem.engines.user.loop import Lane, Loop, Sender
from netem.engines.user.overrun import guard_overruns
from netem.engines.user.timer import DeadlineTimer
from netem.pipeline import Pipeline, Resources, is_portable, wants_segments
from netem.spec import Impairment, SpecError, format_impairment, parse
from netem.system.scheduling import obtain

MAX_MESSAGE_BYTES = 196_608

_PROBE_SEED_OFFSET = 0x9E3779B97F4A7C15
"""Added to the seed for the probes, so that their draws differ from those of the measured traffic."""


def build_pipelines(impairment: Impairment, seed: int) -> tuple[Pipeline, Pipeline]:
    """Return the pipeline of the measured traffic and the one of the probes.

    Raises SpecError or SidecarError when a table or a trace is missing.
    """
    resources = read_resources(impairment)
    return (
        Pipeline(impairment, seed, frame_start=VNET_HEADER_BYTES, resources=resources),
        Pipeline(for_probes(impairment), seed + _PROBE_SEED_OFFSET, frame_start=VNET_HEADER_BYTES, resources=resources),
    )


class Worker:
    """Serve two lanes (the measured traffic, the probes) until the supervisor closes its socket.

    While the impairment is portable and the library exists, the data path in C takes the frames, else the pipelines.
    """

    def __init__(
        self,
        impairment: Impairment,
        taps: tuple[int, int],
        pipelines: tuple[Pipeline, Pipeline],
        out: socket.socket,
        *,
        realtime: RealtimeChoice = "off",
        device_segments: bool = True,
        library: Path = LIBRARY,
    ) -> None:
        self._impairment = impairment
        self._taps = taps
        self._pipelines = pipelines
        self._sender = Sender(out)
        self._out_fd = out.fileno()
        self._realtime = realtime
        self._device_segments = device_segments
        self._library = library
        self._c_path: DataPath | None = None
        self._c_loaded = False
        """Whether queue, stages and statistics are in C."""
        self._stopped = False
        lanes = [Lane(tap, pipeline) for tap, pipeline in zip(taps, pipelines, strict=True)]
        self._loop = Loop(lanes, self._sender, self._out_fd, DeadlineTimer())

    def serve(self, control: socket.socket) -> None:
        """Serve until the supervisor closes its socket. Raises SidecarError."""
        # Frames make no reference cycles, and a collection would delay frames.
        gc.freeze()
        gc.disable()
        if self._library.exists():
            self._c_path = DataPath(self._taps, self._out_fd, control.fileno(), self._library)
        self._scheduling = obtain(self._realtime, lambda: guard_overruns(self._library))
        self._loop.set_control(control.fileno(), lambda: self._handle_and_stop_loop(control))
        while not self._stopped:
            if self._c_path is not None and self._c_serves(self._impairment):
                self._serve_in_c(self._c_path, control)
            else:
                self._unload_c_path()
                self._loop.run()

    def _serve_in_c(self, path: DataPath, control: socket.socket) -> None:
        """Let the data path in C serve until the next request, then handle it."""
        if not self._c_loaded:
            self._load_c_path(path)
        path.run()
        self._handle_request(control)

    def _load_c_path(self, path: DataPath) -> None:
        self._c_loaded = True
        for lane, pipeline in enumerate(self._pipelines):
            path.load(lane, pipeline)

    def _c_serves(self, impairment: Impairment) -> bool:
        """Return whether the data path in C serves this impairment, in both lanes."""
        if self._c_path is None or self._sender.blocked:
            return False
        return is_portable(impairment) and is_portable(for_probes(impairment))

    def _unload_c_path(self) -> None:
        if self._c_path is None or not self._c_loaded:
            return
        self._c_loaded = False
        for lane, pipeline in enumerate(self._pipelines):
            self._c_path.unload(lane, pipeline)
        self._sender.send(list(self._c_path.pop_unsent()))

    def _handle_and_stop_loop(self, control: socket.socket) -> None:
        self._handle_request(control)
        self._loop.stop()

    def _handle_request(self, control: socket.socket) -> None:
        try:
            request = control.recv(MAX_MESSAGE_BYTES)
        except OSError:
            request = b""
        if not request:
            self._stopped = True
            return
        given = json.loads(request)
        control.send(json.dumps(self.handle(given) | {"id": given["id"]}).encode())

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        """Execute one request and return the response."""
        operation = request["op"]
        if operation == "change":
            return self._change(request["text"])
        if operation == "restart":
            self._restart()
        return self._describe()

    def _restart(self) -> None:
        for pipeline in self._pipelines:
            pipeline.restart()
        if self._c_path is not None and self._c_loaded:
            self._load_c_path(self._c_path)

    def _change(self, text: str) -> dict[str, Any]:
        try:
            impairment = parse(text)
            resources = read_resources(impairment)
            if not self._c_serves(impairment):
                self._unload_c_path()
            for lane, each in enumerate((impairment, for_probes(impairment))):
                self._change_lane(lane, each, resources)
        except (SpecError, SidecarError) as error:
            return {"error": str(error)}
        self._impairment = impairment
        for tap in self._taps:
            announce_offloads(tap, super_packets=self._device_segments and not wants_segments(impairment))
        return {}

    def _change_lane(self, lane: int, impairment: Impairment, resources: Resources) -> None:
        def change() -> None:
            self._pipelines[lane].change(impairment, time.monotonic_ns(), resources=resources)

        if self._c_path is not None and self._c_loaded:
            self._c_path.change(lane, self._pipelines[lane], change)
        else:
            change()

    def _describe(self) -> dict[str, Any]:
        measured, probes = (self._statistics(lane) for lane in range(len(self._pipelines)))
        times = os.times()
        return {
            "impairment": format_impairment(self._impairment),
            "scheduling": str(self._scheduling),
            "data_path": "c" if self._c_serves(self._impairment) else "python",
            "measured": measured,
            "probes": probes,
            "tx_rejected": self._sender.tx_rejected + (self._c_path.tx_rejected if self._c_path else 0),
            "cpu_s": round(times.user + times.system, 3),
        }

    def _statistics(self, lane: int) -> dict[str, object]:
        """Return the statistics of a lane, including the frames queued in C."""
        queued = 0
        if self._c_path is not None and self._c_loaded:
            queued = self._c_path.queued(lane)
            self._c_path.sync_statistics(lane, self._pipelines[lane])
        statistics = self._pipelines[lane].stats()
        return replace(statistics, packets_queued=statistics.packets_queued + queued).as_dict()
