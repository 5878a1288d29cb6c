"""The cost of `testbed run` without the transfer: a cell with an instant transfer, compared with two baselines.

Both baselines only create, start, wait for and remove the same network, volumes and containers with the SDK. In the
first, the containers run the programs of a cell, as a simple script would: one after another, each sidecar until it is
ready. In the second they run `sleep` and `true`, two at a time: this is the cost of the Docker engine itself.
"""

import json
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import DockerClient
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from benchmarks.figure import Figure, median
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import Images
from testbed.stack.subnets import Leases

REPEATS = 5
INSTANT = ("--nodes", "10", "--content", "100", "--delay", "0", "--quiet")
ENDS = ("server", "client")


def _once_with_testbed(folder: str) -> float:
    program = str(Path(sys.executable).with_name("testbed"))
    start = time.perf_counter()
    subprocess.run([program, "run", *INSTANT, "--output", folder], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def _await_event(sidecar: Container, event: str) -> None:
    for line in sidecar.logs(stream=True, follow=True):
        if json.loads(line)["event"] == event:
            return


@dataclass(frozen=True)
class Floor:
    """Everything that one cell creates, with the SDK alone; `images` by the names in `testbed.stack.images`."""

    client: DockerClient
    images: dict[str, str]
    name: str

    def empty(self) -> float:
        """Run empty containers, two at a time; return the duration in seconds."""
        start = time.perf_counter()
        network = self._network()
        with ThreadPoolExecutor(len(ENDS)) as pool:
            list(pool.map(self._nothing, ENDS))
            list(pool.map(self._remove, ENDS))
        network.remove()
        return time.perf_counter() - start

    def programs(self) -> float:
        """Run a cell's programs in the containers, one after another; return the duration in seconds."""
        start = time.perf_counter()
        network = self._network()
        sidecars = [self._sidecar(end, environment={"NETEM_PEERS": "server" * (end == "client")}) for end in ENDS]
        for sidecar in sidecars:
            sidecar.start()
        for sidecar in sidecars:
            _await_event(sidecar, "ready")
        server, client = (
            self._endpoint(end, sidecar, environment={"TESTBED_HOST": "server", "TESTBED_CONTENT_BYTES": "100"})
            for end, sidecar in zip(ENDS, sidecars, strict=True)
        )
        server.start()
        _await_event(sidecars[0], "listening")
        client.start()
        assert client.wait()["StatusCode"] == 0
        for container in (server, *sidecars):
            container.kill("SIGTERM")
            container.wait()
        for end in ENDS:
            self._remove(end)
        network.remove()
        return time.perf_counter() - start

    def _network(self) -> Network:
        subnets = Leases(random.Random()).lease(self.name, ())
        pools = [IPAMPool(subnet=str(subnet)) for subnet in (subnets.ipv4, subnets.ipv6)]
        return self.client.networks.create(
            self.name, internal=True, enable_ipv6=True, ipam=IPAMConfig(pool_configs=pools)
        )

    def _nothing(self, end: str) -> None:
        sidecar = self._sidecar(end, entrypoint=["sleep", "60"])
        sidecar.start()
        endpoint = self._endpoint(end, sidecar, entrypoint=["true"])
        endpoint.start()
        endpoint.wait()

    def _sidecar(self, end: str, **options: Any) -> Container:
        self.client.volumes.create(f"{self.name}-{end}")
        return self._create(
            end,
            "netem",
            "/var/lib/testbed",
            name=f"{self.name}-{end}-netem",
            cap_add=["NET_ADMIN", "NET_RAW", "SYS_NICE"],
            devices=["/dev/net/tun"],
            tmpfs={"/run": ""},
            networking_config={self.name: self.client.api.create_endpoint_config(aliases=[end])},
            network=self.name,
            **options,
        )

    def _endpoint(self, end: str, sidecar: Container, **options: Any) -> Container:
        mode = f"container:{sidecar.id}"
        return self._create(end, end, "/testbed", name=f"{self.name}-{end}", network_mode=mode, **options)

    def _create(self, end: str, image: str, at: str, **options: Any) -> Container:
        volumes = {f"{self.name}-{end}": {"bind": at, "mode": "rw"}}
        return self.client.containers.create(
            self.images[image], init=True, read_only=True, cap_drop=["ALL"], volumes=volumes, **options
        )

    def _remove(self, end: str) -> None:
        name = f"{self.name}-{end}"
        for container in (name, f"{name}-netem"):
            self.client.api.remove_container(container, force=True)
        self.client.api.remove_volume(name)


def measure() -> Iterator[Figure]:
    engine = DockerEngine()
    engine.connect()
    images = Images(engine, lambda _: None)
    tags = {name: images.ours(name)[0] for name in ("netem", *ENDS)}
    client = DockerClient.from_env()
    ours_s, programs_s, empty_s = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(REPEATS):  # alternating, so that a busy minute affects all
            programs_s.append(Floor(client, tags, f"testbed-bench-{secrets.token_hex(4)}").programs())
            ours_s.append(_once_with_testbed(folder))
            empty_s.append(Floor(client, tags, f"testbed-bench-{secrets.token_hex(4)}").empty())
    yield median("testbed run, instant transfer", ours_s, "s")
    yield median("the same containers and programs, by a script", programs_s, "s")
    yield median("the same containers, empty", empty_s, "s")
    ratios = [ours / floor for ours, floor in zip(ours_s, programs_s, strict=True)]
    yield median("testbed run over the same programs", ratios, "", most=1.2)
    yield median(
        "testbed run over empty containers", [ours / floor for ours, floor in zip(ours_s, empty_s, strict=True)], ""
    )
