"""The user engine for the supervisor: create the devices, start the worker, redirect the traffic, and tear down.

The order matters: the redirect is installed last and removed first, so that no frame of the endpoint is redirected to
a device without a reader. While the impairment does nothing, frames are not redirected at all. An impairment that
begins is in force in the process before the redirect is; one that ends remains so until the redirect has ended.
"""

import contextlib
import json
import os
import signal
import socket
from typing import Any

from netem.contract.errors import SidecarError, from_os_error
from netem.contract.scheduling import ORDINARY, is_realtime
from netem.contract.settings import RealtimeChoice
from netem.engines.link import CapturePoint
from netem.engines.user.devices import can_segment, interface_statistic, make_persistent, open_packet_socket, open_tap
from netem.engines.user.egress import Egress
from netem.engines.user.plain import is_plain
from netem.engines.user.worker import MAX_MESSAGE_BYTES, Worker, build_pipelines
from netem.pipeline import wants_segments
from netem.spec import Impairment, format_impairment
from netem.system import scheduling

TAP = "netem0"
PROBE_TAP = "netem1"
_RESPONSE_TIMEOUT_S = 5.0


class UserEngine:
    """Pass frames through user space: TAPs, pipelines and a packet socket, in a separate process."""

    engine: str = "user"
    capture_note: str = ""

    def __init__(
        self, *, device: str, impairment: Impairment, seed: int, reason: str, realtime: RealtimeChoice = "auto"
    ) -> None:
        self.reason = reason
        self.scheduling: str | None = None
        self._realtime_choice = realtime
        self.capture_points: tuple[CapturePoint, ...] = (CapturePoint(TAP), CapturePoint(device))
        self._device = device
        self._impairment = impairment
        self._seed = seed
        self._taps: list[int] = []
        self._egress = Egress(device, TAP, PROBE_TAP)
        self._device_segments = False
        self._blocked = False
        self._control: socket.socket | None = None
        self._requests = 0
        self._pid = 0
        self.death_fd: int | None = None

    def make_devices(self) -> None:
        """Create the TAPs, so that a capture can start on them. Raises SidecarError."""
        self._device_segments = can_segment(self._device)
        super_packets = self._device_segments and not wants_segments(self._impairment)
        for name in (TAP, PROBE_TAP):
            self._taps.append(open_tap(name, super_packets=super_packets))

    def start(self) -> None:
        """Start the worker and redirect the egress to it. Raises SidecarError; `close` then cleans up."""
        if not self._taps:
            self.make_devices()
        out = open_packet_socket(self._device)
        control, worker_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Nothing is written into this pipe: it ends with the process, however that ends.
        self.death_fd, alive = os.pipe2(os.O_CLOEXEC)
        self._fork_worker(out, control, worker_end)
        os.close(alive)
        out.close()
        worker_end.close()
        control.settimeout(_RESPONSE_TIMEOUT_S)
        self._control = control
        self._check_scheduling()
        self._egress.install(redirected=not is_plain(self._impairment))

    def _check_scheduling(self) -> None:
        obtained: str = self._request({"op": "describe"})["scheduling"]
        self.scheduling = obtained
        if self._realtime_choice == "require" and not is_realtime(obtained):
            attempt = "run the user engine under a real-time policy"
            raise SidecarError(attempt, obtained.removeprefix(ORDINARY), scheduling.HINT)

    def readback(self) -> dict[str, Any]:
        """Return impairment and data path in force, and the target devices of the kernel's redirect."""
        targets = self._egress.targets()
        state = self._request({"op": "describe"})
        return {"impairment": state["impairment"], "data_path": self._data_path(state), "redirect": targets}

    def change(self, impairment: Impairment) -> None:
        """Replace the impairment; queued frames keep their times. Raises SidecarError and then changes nothing."""
        plain, redirected = is_plain(impairment), self._egress.redirected
        if plain:
            self._egress.end_redirect()
        try:
            self._change_worker(impairment)
        except SidecarError:
            if redirected:
                self._egress.begin_redirect()
            raise
        if not plain:
            self._egress.begin_redirect()
        self._impairment = impairment

    def _change_worker(self, impairment: Impairment) -> None:
        response = self._request({"op": "change", "text": format_impairment(impairment)})
        if "error" in response:
            raise SidecarError("change the impairment", str(response["error"]))

    def restart(self) -> None:
        """Reset draws, packet numbers and statistics."""
        self._request({"op": "restart"})
        self._egress.restart()

    def counters(self) -> dict[str, Any]:
        """Return the worker's statistics, the frames that overran the TAP before it and those that did not meet it."""
        response = self._request({"op": "describe"})
        response["data_path"] = self._data_path(response)
        response["rx_overruns"] = interface_statistic(TAP, "tx_dropped")
        response["bypassed"] = self._egress.bypassed()
        return response

    def bypass(self) -> None:
        """Remove the redirect."""
        self._egress.remove()

    def block(self) -> None:
        """Drop everything: redirect it to the device that nobody reads any more, and that ends with this process.

        `close` then leaves the redirect in the kernel, which drops what has no device to go to.
        """
        self._blocked = True
        self._egress.begin_redirect()

    def abandon(self) -> None:
        """Remove the redirect and end the worker; the devices go with the namespace, which ends soon."""
        self.bypass()
        for tap in self._taps:
            make_persistent(tap)
        if self._control is not None:
            self._control.close()
            self._control = None

    def close(self) -> None:
        """Remove the redirect, the worker and the devices; continue after an error and raise it last."""
        failure: SidecarError | None = None
        try:
            if not self._blocked:
                self.bypass()
        except SidecarError as error:
            failure = error
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._pid:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = 0
        if self.death_fd is not None:
            os.close(self.death_fd)
            self.death_fd = None
        while self._taps:
            os.close(self._taps.pop())
        if failure is not None:
            raise failure

    def _data_path(self, state: dict[str, Any]) -> str:
        return str(state["data_path"]) if self._egress.redirected else "kernel"

    def _fork_worker(self, out: socket.socket, control: socket.socket, worker_end: socket.socket) -> None:
        pipelines = build_pipelines(self._impairment, self._seed)
        self._pid = os.fork()
        if self._pid:
            return
        status = 1
        try:
            control.close()
            signal.set_wakeup_fd(-1)
            # The supervisor ends the engine: docker stop signals only PID 1, but Ctrl-C would reach both.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            taps = (self._taps[0], self._taps[1])
            worker = Worker(
                self._impairment,
                taps,
                pipelines,
                out,
                realtime=self._realtime_choice,
                device_segments=self._device_segments,
            )
            worker.serve(worker_end)
            status = 0
        finally:
            os._exit(status)

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._control is None:
            raise SidecarError("query the user engine", "it is not running")
        self._requests += 1
        try:
            self._control.send(json.dumps(request | {"id": self._requests}).encode())
            return self._response(self._control)
        except OSError as error:
            raise from_os_error("query the user engine", error) from error

    def _response(self, control: socket.socket) -> dict[str, Any]:
        """Return the response to the last request; one to an earlier request, which timed out, may come first."""
        while True:
            response = control.recv(MAX_MESSAGE_BYTES)
            if not response:
                raise SidecarError("query the user engine", "it has died")
            document: dict[str, Any] = json.loads(response)
            if document.pop("id") == self._requests:
                return document
