"""Pairs of sidecars in one guest VM, two for each engine, and the packets of a row sent through one of them.

The two captures are taken before and after the engine: on the device with the egress before the impairment, and on the
interface of the peer. The kernel stamps both, so they do not depend on the scheduling of a program.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import docker

from benchmarks.fidelity.rows import CONTROL, CONTROL_PACE_US, ENGINES, FRAME_BYTES, PACKETS, Row
from benchmarks.fidelity.sample import Sample, make_sample, read_frames
from tests.support.sidecar import OUTPUT, Bed, Sidecar, bed

_HELPER: Final = "netem0"
_SINK: Final = "import socket, time; s = socket.socket(2, 2); s.bind(('', 9000)); time.sleep(36000)"
_SOURCE: Final = """
import socket, struct, sys, time
row, count, gap_ns = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) * 1000
source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
source.connect((sys.argv[4], 9000))
source.send(bytes(8))
time.sleep(0.5)
due = time.monotonic_ns()
for number in range(count):
    due += gap_ns
    time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
    source.send(struct.pack("!2sHI", b"fd", row, number) * 12)
time.sleep(2.5)
"""
_CAPTURE: Final = """
rm -f {out} /tmp/log
tcpdump -n -Z root -i {device} -Q {direction} -s 200 -B 4096 --time-stamp-precision=nano -w {out} \
    'greater {least}' >/dev/null 2>/tmp/log &
echo $! > /tmp/pid
until grep -q listening /tmp/log; do sleep 0.05; done
"""
_END: Final = "kill -INT $(cat /tmp/pid); until grep -q 'by kernel' /tmp/log; do sleep 0.05; done; cat /tmp/log"


@dataclass(frozen=True, slots=True)
class Flow:
    """A pair of sidecars, and the packets to be sent through its client's engine."""

    near: Sidecar
    far: Sidecar
    number: int
    packets: int
    pace_us: int

    def begin(self) -> None:
        """Start both captures."""
        for sidecar, device, direction in ((self.far, "eth0", "in"), (self.near, _HELPER, "inout")):
            script = _CAPTURE.format(device=device, direction=direction, out=f"{OUTPUT}/row.pcap", least=FRAME_BYTES)
            _shell(sidecar, ["sh", "-c", script])

    def send(self) -> None:
        """Send all packets and wait until the last has left."""
        self.far.container.reload()
        networks = self.far.container.attrs["NetworkSettings"]["Networks"]
        address = next(iter(networks.values()))["IPAddress"]
        numbers = (self.number, self.packets, self.pace_us)
        _shell(self.near, ["python3", "-S", "-c", _SOURCE, *map(str, numbers), address])

    def end(self) -> Sample:
        """Stop the captures and fetch them."""
        frames = []
        with TemporaryDirectory() as folder:
            for sidecar, name in ((self.near, "entered"), (self.far, "left")):
                log = _shell(sidecar, ["sh", "-c", _END])
                assert "0 packets dropped by kernel" in log, log
                path = Path(folder, name)
                path.write_bytes(sidecar.file("row.pcap"))
                frames.append(read_frames(path, self.number))
        return make_sample(*frames)


class Lab:
    """The running pairs: for each engine one that changes from row to row, and a control with a fixed delay."""

    def __init__(self, made: Bed) -> None:
        self._pairs = {name: _pair(made, name, "delay 1ms") for name in ENGINES}
        self._controls = {name: _pair(made, name, CONTROL, "control-") for name in ENGINES}

    def send(self, engine: str, row: Row, number: int) -> tuple[Sample, Sample | None]:
        """Send the packets of a row through an engine, and through the control too if delays are compared."""
        near, far = self._pairs[engine]
        status, answer = near.netem("change", row.text)
        assert status == 0, answer
        flows = [Flow(near, far, number, PACKETS, row.pace_us)]
        if "delays" in row.compared:
            packets = PACKETS * row.pace_us // CONTROL_PACE_US
            flows.append(Flow(*self._controls[engine], number, packets, CONTROL_PACE_US))
        with ThreadPoolExecutor(len(flows)) as pool:
            for step in (Flow.begin, Flow.send):
                list(pool.map(step, flows))
            samples = list(pool.map(Flow.end, flows))
        return samples[0], samples[1] if len(flows) > 1 else None


def _pair(made: Bed, engine: str, impairment: str, prefix: str = "") -> tuple[Sidecar, Sidecar]:
    far = _quiet(made, f"{prefix}server-{engine}", "auto", "")
    near = _quiet(made, f"{prefix}client-{engine}", engine, impairment)
    for sidecar in (near, far):
        sidecar.wait("ready", timeout_s=120)
    far.container.exec_run(["python3", "-S", "-c", _SINK], detach=True)
    return near, far


def _quiet(made: Bed, alias: str, engine: str, impairment: str) -> Sidecar:
    settings: Any = {"capture": 0, "probes": 0, "sample_interval_ms": 0, "deadline_s": 120}
    return made.sidecar(alias, engine=engine, impairment=impairment, **settings)


def _shell(sidecar: Sidecar, words: list[str]) -> str:
    status, output = sidecar.container.exec_run(words)
    assert isinstance(output, bytes)
    assert status == 0, output.decode()
    return output.decode()


@contextmanager
def lab(docker_url: str, sidecar_tag: str) -> Iterator[Lab]:
    """Start the pairs in the guest VM."""
    client = docker.DockerClient(base_url=docker_url, timeout=300)
    try:
        with bed(client, sidecar_tag) as made:
            yield Lab(made)
    finally:
        client.close()
