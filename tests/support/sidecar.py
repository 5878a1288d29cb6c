"""Sidecars on a network of their own, and programs in their namespaces, for integration tests and benchmarks."""

import json
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from testbed.stack.capabilities import sidecar_capabilities
from testbed.stack.cell import LINK_CPU_SHARES
from testbed.stack.subnets import IPV4_RANGE, IPV6_RANGE, is_taken
from tests.support.archives import unpacked
from tests.support.waiting import wait_until

LABEL = "testbed.test"
OUTPUT = "/var/lib/testbed"
_TUN = "/dev/net/tun:/dev/net/tun:rwm"
START_S = 60.0
"""A busy machine takes seconds to start a container."""


@dataclass
class Sidecar:
    """One running sidecar."""

    bed: "Bed"
    container: Container

    @property
    def all_events(self) -> list[dict[str, Any]]:
        """Return the events so far."""
        lines = self.container.logs(stdout=True, stderr=False).decode().splitlines()
        return [json.loads(line) for line in lines]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the events of that name so far."""
        return [event for event in self.all_events if event["event"] == name]

    def wait(self, name: str, count: int = 1, timeout_s: float = START_S) -> dict[str, Any]:
        """Return the `count`-th event of that name; fail with the whole output if it does not come."""

        def found() -> dict[str, Any] | None:
            events = self.events(name)
            failed = name != "error" and len(events) < count and self.events("error")
            assert not failed, f"no event {name!r}: {self.output()}"
            return events[count - 1] if len(events) >= count else None

        event = wait_until(found, timeout_s, lambda: f"no event {name!r}: {self.output()}")
        assert event is not None
        return event

    def output(self) -> str:
        """Return everything that it has printed."""
        text: str = self.container.logs().decode()
        return text

    def wait_exit(self, timeout_s: float = START_S) -> int:
        """Wait until it ends; return its exit code."""
        status: int = self.container.wait(timeout=timeout_s)["StatusCode"]
        return status

    def stop(self) -> dict[str, Any]:
        """Stop it as `testbed run` does and return the event `stopped`."""
        self.container.kill("SIGTERM")
        assert self.wait_exit() == 0, self.output()
        return self.wait("stopped")

    def run(self, code: str, *arguments: object, timeout_s: float = START_S) -> str:
        """Run a Python program as an ordinary user in this namespace and return what it printed."""
        started = self.start(code, *arguments)
        status = started.wait(timeout=timeout_s)["StatusCode"]
        output: str = started.logs().decode()
        assert status == 0, output
        return output

    def start(self, code: str, *arguments: object) -> Container:
        """Start a Python program as an ordinary user in this namespace."""
        return self.bed.program(self, ["python3", "-c", code, *map(str, arguments)])

    def netem(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run `python3 -m netem ...` in it; return the exit code and the JSON document."""
        result = self.container.exec_run(["python3", "-m", "netem", *arguments])
        return result.exit_code, json.loads(result.output)

    def file(self, name: str) -> bytes:
        """Return a file of its output folder."""
        chunks, _ = self.container.get_archive(f"{OUTPUT}/{name}")
        return unpacked(chunks)


def kill_engine(sidecar: Container) -> None:
    """Kill the user engine's process, the newest of a sidecar's."""
    kill = "import os, signal; os.kill(max(int(each) for each in os.listdir('/proc') if each.isdecimal() and "
    kill += "b'netem' in open(f'/proc/{each}/cmdline', 'rb').read() and int(each) != os.getpid()), signal.SIGKILL)"
    sidecar.exec_run(["python3", "-c", kill])


@dataclass
class Bed:
    """A network, and everything that was started on it."""

    client: docker.DockerClient
    image: str
    name: str
    network: Any
    containers: list[Container] = field(default_factory=list)
    volumes: list[Any] = field(default_factory=list)

    def sidecar(
        self,
        alias: str,
        *,
        tun: bool = True,
        real_time: bool = True,
        processors: str | None = None,
        command: list[str] | None = None,
        **environment: object,
    ) -> Sidecar:
        """Start a sidecar; settings without their prefix: `impairment="delay 5ms"`.

        `real_time` is whether it has the capability SYS_NICE; `processors` is the cpuset that it may use.
        """
        volume = self.client.volumes.create(f"{self.name}-{alias}-{len(self.volumes)}", labels={LABEL: self.name})
        self.volumes.append(volume)
        endpoint = self.client.api.create_endpoint_config(aliases=[alias])
        api = self.client.api
        created = api.create_container(
            self.image,
            command,
            environment={f"NETEM_{name.upper()}": str(value) for name, value in environment.items()},
            labels={LABEL: self.name},
            host_config=api.create_host_config(
                cap_drop=["ALL"],
                cap_add=list(sidecar_capabilities(real_time=real_time)),
                cpuset_cpus=processors,
                security_opt=["no-new-privileges"],
                read_only=True,
                devices=[_TUN] if tun else [],
                tmpfs={"/run": "", "/tmp": ""},
                binds={volume.name: {"bind": OUTPUT, "mode": "rw"}},
                network_mode=self.network.name,
                init=True,
                cpu_shares=LINK_CPU_SHARES,
            ),
            networking_config=api.create_networking_config({self.network.name: endpoint}),
        )
        container = self.client.containers.get(created["Id"])
        self.containers.append(container)
        container.start()
        return Sidecar(self, container)

    def pair(self, **environment: object) -> tuple[Sidecar, Sidecar]:
        """Start client and server at the same time, wait until both are ready; `client_x` and `server_x` differ."""
        settings: dict[str, dict[str, object]] = {"client": {"peers": "server"}, "server": {}}
        for name, value in environment.items():
            role, _, rest = name.partition("_")
            if role in settings and rest:
                settings[role][rest] = value
            else:
                for each in settings.values():
                    each.setdefault(name, value)
        with ThreadPoolExecutor(2) as pool:
            started = list(pool.map(lambda role: self.sidecar(role, **settings[role]), settings))
        for sidecar in started:
            sidecar.wait("ready")
        return started[0], started[1]

    def program(
        self, sidecar: Sidecar, command: list[str], *, image: str | None = None, capabilities: tuple[str, ...] = ()
    ) -> Container:
        """Start a program in the namespace of a sidecar: as an ordinary user, unless it is given capabilities."""
        container = self.client.containers.create(
            image or self.image,
            command[1:],
            entrypoint=command[:1],
            labels={LABEL: self.name},
            user="0:0" if capabilities else "65532:65532",
            cap_drop=["ALL"],
            cap_add=list(capabilities),
            network_mode=f"container:{sidecar.container.id}",
            read_only=True,
            tmpfs={"/tmp": ""},
        )
        self.containers.append(container)
        container.start()
        return container

    def close(self) -> None:
        """Remove everything, the newest first."""
        for container in reversed(self.containers):
            _remove(lambda container=container: container.remove(force=True))
        for volume in self.volumes:
            _remove(volume.remove)
        _remove(self.network.remove)


def _remove(action: Callable[[], object]) -> None:
    try:
        action()
    except NotFound:
        return


def create_network(client: docker.DockerClient, name: str) -> Network:
    """Create a network with both families and room for many containers; subnets that are in use are replaced."""
    while True:
        subnets = (
            IPv4Network((int(IPV4_RANGE.network_address) + (secrets.randbelow(512) << 8), 24)),
            IPv6Network((int(IPV6_RANGE.network_address) + (secrets.randbelow(1 << 16) << 64), 64)),
        )
        pools = [IPAMPool(subnet=str(subnet)) for subnet in subnets]
        try:
            return client.networks.create(
                name,
                driver="bridge",
                internal=True,
                enable_ipv6=True,
                ipam=IPAMConfig(pool_configs=pools),
                labels={LABEL: name},
            )
        except APIError as error:
            if not is_taken(str(error)):
                raise


@contextmanager
def bed(client: docker.DockerClient, image: str) -> Iterator[Bed]:
    """Make a network with both families; afterwards remove it and whatever was started on it."""
    name = f"testbed-test-{secrets.token_hex(4)}"
    network = create_network(client, name)
    made = Bed(client, image, name, network)
    try:
        yield made
    finally:
        made.close()
