"""The programs' own images on a network of both families, and a container with third-party tools."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import docker
from docker.models.containers import Container
from requests.exceptions import RequestException

from testbed.stack.images import Images
from tests.support.archives import packed, unpacked
from tests.support.image_builds import build_tools
from tests.support.sidecar import START_S, Bed, bed
from tests.support.waiting import wait_until

PORT = 8888
EVENTS = "/testbed/events.csv"
AWAIT_LISTENING = "until grep -q ':22B8 0*:0000 0A' /proc/net/tcp /proc/net/tcp6; do sleep 0.02; done"
"""State 0A is LISTEN, 22B8 the port: observed from outside, independent of what the program prints."""
FLAG = {"ipv4": "-4", "ipv6": "-6"}


@dataclass(frozen=True)
class Ended:
    """A container that has ended."""

    status: int
    out: str
    err: str
    seconds_to_stop: float = 0.0


@dataclass
class Peer:
    """One running container."""

    container: Container

    @property
    def out(self) -> str:
        """Return its standard output so far."""
        text: bytes = self.container.logs(stdout=True, stderr=False)
        return text.decode()

    @property
    def err(self) -> str:
        """Return its standard error so far."""
        text: bytes = self.container.logs(stdout=False, stderr=True)
        return text.decode()

    def wait_for(self, pattern: str, *, where: str = "err") -> re.Match[str]:
        """Wait until the pattern appears in its output."""

        def missing() -> str:
            return f"{pattern!r} is not in {where}:\n{self.out[-2000:]}\n{self.err[-2000:]}"

        def search() -> re.Match[str] | None:
            running = self.is_running
            found = re.search(pattern, getattr(self, where))
            assert found or running, missing()
            return found

        found = wait_until(search, START_S, missing)
        assert found
        return found

    @property
    def is_running(self) -> bool:
        """Return whether it has not ended yet."""
        self.container.reload()
        return bool(self.container.status == "running")

    def ends_within(self, seconds: float) -> bool:
        """Wait for its end, but not for long."""
        try:
            self.container.wait(timeout=seconds)
        except RequestException:
            return False
        return True

    def join(self, began_s: float | None = None) -> Ended:
        """Wait for its end."""
        status: int = self.container.wait(timeout=START_S)["StatusCode"]
        seconds = 0.0 if began_s is None else time.monotonic() - began_s
        return Ended(status, self.out, self.err, seconds)

    def stop(self, signal: str = "SIGTERM") -> Ended:
        """Send the signal, wait for the end."""
        began_s = time.monotonic()
        self.container.kill(signal)
        return self.join(began_s)

    def run(self, script: str, *arguments: str) -> str:
        """Run a shell script in it and return what it printed on both outputs."""
        status, output = self.container.exec_run(["sh", "-c", script, "sh", *arguments])
        assert status == 0, output.decode()
        text: str = output.decode()
        return text

    def begin(self, script: str, *arguments: str) -> None:
        """Start a shell script in it, and leave it running."""
        self.container.exec_run(["sh", "-c", script, "sh", *arguments], detach=True)

    def put(self, files: Mapping[str, bytes], folder: str = "/tmp") -> None:
        """Put files there."""
        assert self.container.put_archive(folder, packed(files))

    def file(self, path: str) -> bytes:
        """Return a file of it, running or not."""
        chunks, _ = self.container.get_archive(path)
        return unpacked(chunks)

    def memory_peak_bytes(self) -> int:
        """Return the peak memory of its first process."""
        found = re.search(r"VmHWM:\s+(\d+) kB", self.run("cat /proc/1/status"))
        assert found is not None
        return int(found[1]) * 1024


@dataclass
class PeerLab:
    """A network of both families, and all that was started on it."""

    bed: Bed
    images: Images
    _tools: str = field(default="")

    def start(
        self,
        image: str,
        alias: str,
        *options: str,
        script: str = "",
        environment: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
        **limits: Any,
    ) -> Peer:
        """Start a container without privileges, `files` in its /tmp; a `script` replaces the image's program."""
        api = self.bed.client.api
        endpoint = api.create_endpoint_config(aliases=[alias])
        created = api.create_container(
            image,
            list(options),
            entrypoint=["sh", "-c", script, "sh"] if script else None,
            environment=dict(environment or {}),
            labels={"testbed.test": self.bed.name},
            host_config=api.create_host_config(
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                network_mode=self.bed.network.name,
                **limits,
            ),
            networking_config=api.create_networking_config({self.bed.network.name: endpoint}),
        )
        container = self.bed.client.containers.get(created["Id"])
        self.bed.containers.append(container)
        peer = Peer(container)
        if files:
            peer.put(files)
        container.start()
        return peer

    def program(self, role: str, program: str) -> str:
        """Return the image of a program, `py` or `c`."""
        return self.images.program(program, role)[0]

    def server(self, program: str, family: str, *options: str, alias: str = "server", **how: Any) -> Peer:
        """Start a server with the image's own entry, or a `script` with it as `$PROGRAM`; wait until it listens."""
        environment = {"TESTBED_ROLE": "server", "TESTBED_FAMILY": family, "TESTBED_EVENTS": EVENTS}
        environment["PROGRAM"] = "server" if program == "py" else "cserver"
        image = self.program("server", program)
        peer = self.start(image, alias, "--verbose", *options, environment=environment, **how)
        peer.run(AWAIT_LISTENING)
        return peer

    def client(self, program: str, family: str, *options: str, alias: str = "client", script: str = "") -> Peer:
        """Start a client with the image's own entry; a `script` has it as `$PROGRAM` instead."""
        environment = {"TESTBED_ROLE": "client", "TESTBED_FAMILY": family}
        environment["PROGRAM"] = "client" if program == "py" else "cclient"
        return self.start(self.program("client", program), alias, *options, script=script, environment=environment)

    def tools(self, *arguments: str, script: str = "exec sleep 600", files: Mapping[str, bytes] | None = None) -> Peer:
        """Start a container with ncat, OpenBSD's nc, ss and Python; by itself it only waits for what it is given."""
        if not self._tools:
            self._tools = build_tools(self.bed.client)
        return self.start(self._tools, "tools", *arguments, script=script, files=files, init=True)

    def left(self) -> list[str]:
        """Return the names of its remaining resources."""
        filters = {"label": f"testbed.test={self.bed.name}"}
        containers = self.bed.client.containers.list(all=True, filters=filters)
        return [found.name for found in (*containers, *self.bed.client.networks.list(filters=filters))]


@contextmanager
def peer_lab(client: docker.DockerClient, images: Images) -> Iterator[PeerLab]:
    """Make a network; afterwards remove it and whatever was started on it."""
    with bed(client, "") as made:
        yield PeerLab(made, images)


def connection_errors(err: str, *, of: str = r"\S+") -> list[tuple[int, str]]:
    """Return (port, position of the violation) of each line about a peer; every line but the first must be one."""
    listening, *lines = err.splitlines()
    assert re.fullmatch(r"server: listening on \S+ port 8888 over \w+", listening), listening
    found = []
    for line in lines:
        match = re.fullmatch(rf"server: peer {of} port (\d+): ([^:]+): .+", line)
        assert match, line
        found.append((int(match[1]), match[2]))
    return found
