"""The engine's own process: the loop, and the supervisor's few requests in between.

Requests and answers are JSON datagrams on a socket pair; the supervisor's end closing is the order to go.
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
from netem.engines.resources import read_resources
from netem.engines.user.datapath import LIBRARY, DataPath
from netem.engines.user.devices import VNET_HEADER_BYTES, announce_offloads
from netem.engines.user.loop import Lane, Loop, Sender
from netem.engines.user.timer import DeadlineTimer
from netem.pipeline import Pipeline, Plain, plain, wants_segments
from netem.spec import Impairment, SpecError, format_impairment, parse

MAX_MESSAGE_BYTES = 196_608


_PROBE_SEED_OFFSET = 0x9E3779B97F4A7C15
"""Added to the seed for the probes' draws, so that they never are those of the measured traffic."""


def build_pipelines(impairment: Impairment, seed: int) -> tuple[Pipeline, Pipeline]:
    """Return the pipeline of the measured traffic and its twin for the probes.

    Raises SpecError or SidecarError when a table or a trace is missing.
    """
    resources = read_resources(impairment)
    return (
        Pipeline(impairment, seed, frame_start=VNET_HEADER_BYTES, resources=resources),
        Pipeline(for_probes(impairment), seed + _PROBE_SEED_OFFSET, frame_start=VNET_HEADER_BYTES, resources=resources),
    )


class Worker:
    """Serve two lanes (the measured traffic, the probes) until the supervisor goes or says stop.

    While the impairment is plain and the library is there, the data path in C has the frames; otherwise the pipelines.
    """

    def __init__(
        self,
        impairment: Impairment,
        taps: tuple[int, int],
        pipelines: tuple[Pipeline, Pipeline],
        out: socket.socket,
        library: Path = LIBRARY,
    ) -> None:
        self._impairment = impairment
        self._taps = taps
        self._pipelines = pipelines
        self._sender = Sender(out)
        self._out_fd = out.fileno()
        self._library = library
        self._fast: DataPath | None = None
        self._fast_has_frames = False
        self._ended = False
        lanes = [Lane(tap, pipeline) for tap, pipeline in zip(taps, pipelines, strict=True)]
        self._loop = Loop(lanes, self._sender, self._out_fd, DeadlineTimer())

    def serve(self, control: socket.socket) -> None:
        """Serve; return when the supervisor has gone or asked for the end. Raises SidecarError."""
        # Frames make no reference cycles, and a collection in the data path is a delay that nobody asked for.
        gc.freeze()
        gc.disable()
        if self._library.exists():
            self._fast = DataPath(self._taps, self._out_fd, control.fileno(), self._library)
        self._loop.set_control(control.fileno(), lambda: self._answer_between(control))
        while not self._ended:
            tasks = self._tasks(self._impairment)
            if self._fast is not None and tasks is not None:
                self._serve_fast(self._fast, tasks, control)
            else:
                self._take_frames_back()
                self._loop.run()

    def _serve_fast(self, fast: DataPath, tasks: tuple[Plain, ...], control: socket.socket) -> None:
        """Let the data path in C serve up to the next request; answer that."""
        for lane, (pipeline, task) in enumerate(zip(self._pipelines, tasks, strict=True)):
            fast.resume(lane, pipeline, task)
        self._fast_has_frames = True
        fast.run()
        for lane, pipeline in enumerate(self._pipelines):
            fast.report(lane, pipeline)
        self._answer(control)

    def _tasks(self, impairment: Impairment) -> tuple[Plain, ...] | None:
        """Return what the data path in C has to do in each lane, None when it is not its work or is not there."""
        if self._fast is None or self._sender.blocked:
            return None
        tasks = [task for each in (impairment, for_probes(impairment)) if (task := plain(each)) is not None]
        return tuple(tasks) if len(tasks) == len(self._pipelines) else None

    def _take_frames_back(self) -> None:
        if self._fast is None or not self._fast_has_frames:
            return
        self._fast_has_frames = False
        for lane, pipeline in enumerate(self._pipelines):
            self._fast.give_back(lane, pipeline)
        self._sender.send(list(self._fast.take_unsent()))

    def _answer_between(self, control: socket.socket) -> None:
        self._answer(control)
        self._loop.stop()

    def _answer(self, control: socket.socket) -> None:
        try:
            request = control.recv(MAX_MESSAGE_BYTES)
        except OSError:
            request = b""
        if not request:
            self._ended = True
            return
        answer = self.handle(json.loads(request))
        control.send(json.dumps(answer).encode())

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request and return the answer."""
        operation = request["op"]
        if operation == "change":
            return self._change(request["text"])
        if operation == "restart":
            for pipeline in self._pipelines:
                pipeline.restart()
        return self._describe()

    def _change(self, text: str) -> dict[str, Any]:
        try:
            impairment = parse(text)
            resources = read_resources(impairment)
            if self._tasks(impairment) is None:
                self._take_frames_back()
            for pipeline, each in zip(self._pipelines, (impairment, for_probes(impairment)), strict=True):
                pipeline.change(each, time.monotonic_ns(), resources=resources)
        except (SpecError, SidecarError) as error:
            return {"error": str(error)}
        self._impairment = impairment
        for tap in self._taps:
            announce_offloads(tap, super_packets=not wants_segments(impairment))
        return self._describe()

    def _describe(self) -> dict[str, Any]:
        measured, probes = (self._statistics(lane) for lane in range(len(self._pipelines)))
        times = os.times()
        return {
            "impairment": format_impairment(self._impairment),
            "data_path": "python" if self._tasks(self._impairment) is None else "c",
            "measured": measured,
            "probes": probes,
            "tx_rejected": self._sender.tx_rejected + (self._fast.tx_rejected if self._fast else 0),
            "cpu_s": round(times.user + times.system, 3),
        }

    def _statistics(self, lane: int) -> dict[str, object]:
        """Return a lane's statistics; frames that the data path in C holds are queued too."""
        statistics = self._pipelines[lane].stats()
        held = self._fast.queued(lane) if self._fast is not None else 0
        return replace(statistics, packets_queued=statistics.packets_queued + held).as_dict()
