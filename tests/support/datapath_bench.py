"""The data path in C between sockets in place of its devices; imports no pytest, which is slow under a sanitizer."""

import socket
from pathlib import Path

from netem.engines.user.datapath import DataPath
from netem.engines.user.devices import MAX_FRAME_BYTES, VNET_HEADER_BYTES
from netem.pipeline import Pipeline
from netem.spec import parse


class Bench:
    """A data path, and the other ends of what it reads and writes."""

    def __init__(self, library: Path) -> None:
        self.tap, self.kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.probes, self.prober = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.out, self.wire = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.control, self.supervisor = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for each in (self.tap, self.probes, self.out, self.wire):
            each.setblocking(False)
        taps = (self.tap.fileno(), self.probes.fileno())
        self.path = DataPath(taps, self.out.fileno(), self.control.fileno(), library)
        self.load("")

    def load(self, text: str) -> None:
        for lane in (0, 1):
            self.path.load(lane, Pipeline(parse(text), frame_start=VNET_HEADER_BYTES))

    def run_once(self) -> None:
        """Run the loop until it has handled all input, then return for the control message."""
        self.supervisor.send(b"x")
        self.path.run()
        self.control.recv(1)

    def sent(self) -> list[bytes]:
        frames = []
        try:
            while True:
                frames.append(self.wire.recv(MAX_FRAME_BYTES))
        except BlockingIOError:
            return frames

    def close(self) -> None:
        self.path.close()
        for one in (
            self.tap,
            self.kernel,
            self.probes,
            self.prober,
            self.out,
            self.wire,
            self.control,
            self.supervisor,
        ):
            one.close()
