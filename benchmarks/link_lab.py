"""What the benchmarks of the link share: images, pairs of sidecars, and traffic between the two."""

import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from docker import DockerClient
from docker.models.containers import Container

from benchmarks.link_programs import BUSY, COUNT, CPU_TICKS, FLOOD
from benchmarks.revision import revision_before
from netem.contract.scheduling import is_realtime
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import CHECKOUT, Images
from tests.support.link_traffic import wait_for_line
from tests.support.sidecar import Bed, Sidecar

TOOLS: Final = CHECKOUT / "tests" / "support" / "tools"
TOOLS_IMAGE: Final = "testbed-tshark"
PYTHON_IMAGE: Final = "testbed-netem-python"
LIBRARY: Final = "/opt/testbed/netem/engines/user/libdatapath.so"
FAMILIES: Final = {"ipv4": "IPv4", "ipv6": "IPv6"}
"""By the name in figures: how it is written in tables."""
QUIET: Final[Mapping[str, Any]] = {"capture": 0, "probes": 0, "sample_interval_ms": 0}
"""Settings for sidecars that do nothing beside the link."""
_FLAGS: Final = {"ipv4": "-4", "ipv6": "-6"}


@dataclass(frozen=True, slots=True)
class Build:
    """An image of the sidecar, and the settings that make it the build to measure."""

    image: str
    settings: Mapping[str, Any]


def netem_image(root: Path = CHECKOUT) -> str:
    """Return the tag of the sidecar's image of a checkout, built if it is missing."""
    engine = DockerEngine()
    engine.connect()
    try:
        return Images(engine, lambda _line: None, root).ours("netem")[0]
    finally:
        engine.close()


def build_before() -> Build:
    """Return the build to compare with: BENCH_BEFORE names its revision.

    Without that it is the present build without real time, which is how it ran before there was real time.
    """
    revision = revision_before()
    if revision is None:
        return Build(netem_image(), {"realtime": "off"})
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(["git", "archive", revision], cwd=CHECKOUT, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        return Build(netem_image(Path(folder)), {})


def python_image(client: DockerClient, image: str) -> str:
    """Return an image without the library in C, so that every frame takes the Python path."""
    dockerfile = f"FROM {image}\nRUN rm {LIBRARY}\n".encode()
    client.images.build(fileobj=io.BytesIO(dockerfile), tag=PYTHON_IMAGE, network_mode="none")
    return PYTHON_IMAGE


def build_tools(client: DockerClient) -> None:
    """Build the image with iperf3."""
    client.images.build(path=str(TOOLS), dockerfile="Dockerfile.tshark", tag=TOOLS_IMAGE)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sidecars on the network of a bed, by their name; the engine is at the client's end."""

    name: str
    client: Sidecar
    server: Sidecar

    @property
    def host(self) -> str:
        """The name that the server's end has in the network."""
        return f"server-{self.name}"

    @property
    def real_time(self) -> bool:
        """Whether the engine obtained a real-time policy."""
        return is_realtime(self.client.wait("link").get("scheduling"))

    def change(self, impairment: str) -> None:
        """Change what the client's end does to the frames that it sends."""
        status, answer = self.client.netem("change", impairment)
        if status:
            raise RuntimeError(f"change to {impairment!r}: {answer}")


def pair(made: Bed, name: str, build: Build, **settings: Any) -> Pair:
    """Start a pair; `settings` are the client's."""
    bed = replace(made, image=build.image)  # its containers are still those of `made`
    server = bed.sidecar(f"server-{name}", **QUIET)
    client = bed.sidecar(f"client-{name}", **{**QUIET, **build.settings, **settings})
    for each in (server, client):
        each.wait("ready")
    return Pair(name, client, server)


@contextmanager
def busy_loops(made: Bed, at: Sidecar, count: int) -> Iterator[None]:
    """Run programs that never wait, each in a container with the weight of an ordinary one."""
    loops = [made.program(at, ["python3", "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.remove(force=True)


def iperf_ends(made: Bed, ends: Pair) -> Container:
    """Start iperf3's server; return a container at the other end to run its client in."""
    server = made.program(ends.server, ["iperf3", "-s", "--forceflush"], image=TOOLS_IMAGE)
    wait_for_line(server, "listening")
    return made.program(ends.client, ["sleep", "infinity"], image=TOOLS_IMAGE)


def iperf(program: Container, host: str, family: str, flows: int, seconds: int, *more: str) -> float:
    """Run iperf3's client in a container; return what the server received in Gbit/s."""
    words = ["iperf3", "-c", host, _FLAGS[family], "-t", str(seconds), "-P", str(flows), "-J", *more]
    document: dict[str, Any] = json.loads(output_of(program, words))
    if "error" in document:
        raise RuntimeError(f"{' '.join(words)}: {document['error']}")
    return float(document["end"]["sum_received"]["bits_per_second"]) / 1e9


def flood(ends: Pair, payload_bytes: int, seconds: float) -> dict[str, float]:
    """Send datagrams as fast as possible; return the packets and bits that arrive per second."""
    count = ends.server.start(COUNT, seconds)
    wait_for_line(count, "bound")
    source = ends.client.start(FLOOD, ends.host, payload_bytes, 600)
    try:
        count.wait(timeout=120)
    finally:
        source.remove(force=True)
    found: dict[str, float] = json.loads(count.logs().decode().splitlines()[-1])
    return found


def use_congestion_control(sidecar: Sidecar, name: str) -> None:
    """Set the congestion control on the routes: an unprivileged program may only use what the host allows."""
    for version in ("-4", "-6"):
        routes = output_of(sidecar.container, ["ip", version, "route", "show", "dev", "eth0", "proto", "kernel"])
        for route in routes.splitlines():
            words = route.split()
            if words[0].startswith("fe80"):
                continue
            command = ["ip", version, "route", "change", words[0], "dev", "eth0", "proto", "kernel"]
            output_of(sidecar.container, [*command, "congctl", name])


def received_bytes(sidecar: Sidecar) -> int:
    """Return how many bytes this end has received."""
    return int(output_of(sidecar.container, ["cat", "/sys/class/net/eth0/statistics/rx_bytes"]))


def cpu_s(sidecar: Sidecar) -> tuple[float, float]:
    """Return the CPU time of all processes of a sidecar so far, in user and in kernel mode."""
    ticks = json.loads(output_of(sidecar.container, ["python3", "-c", CPU_TICKS]))
    return ticks["user"] / ticks["per_s"], ticks["system"] / ticks["per_s"]


def output_of(container: Container, words: list[str]) -> str:
    """Run a program in a container and return what it prints, whatever its exit code."""
    output = container.exec_run(words).output
    assert isinstance(output, bytes)  # neither stream nor socket was requested
    return output.decode()
