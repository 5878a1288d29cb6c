"""The Docker engine behind the ports: docker-py's API client; every error names its attempt.

Import this module late: docker-py alone takes as long as all of `testbed --help` may.
Containers are created, attached, started and removed one by one; `run` and auto-removal of docker-py race.
"""

import contextlib
import errno
import os
import queue
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from io import BytesIO
from ipaddress import ip_network
from pathlib import Path
from random import Random
from typing import Any, Final

import docker
from docker import APIClient
from docker.errors import APIError, ImageNotFound
from docker.types import HostConfig, IPAMConfig, IPAMPool, LogConfig, Mount, NetworkingConfig

from testbed.errors import HostError
from testbed.stack import docker_cli
from testbed.stack.conversation import conversation
from testbed.stack.docker_errors import docker_attempt, lost_connection, system_error
from testbed.stack.docker_wait import wait_for_next_exit
from testbed.stack.ports import ContainerSpec, Conversation, Exit, Found, Handle, Image, Stream
from testbed.stack.subnets import VARIABLE, Leases, Network, Subnets, host_routes, is_taken, parse_ranges

REQUEST_TIMEOUT_S: Final = 60
"""A loaded engine takes seconds to start a container; one that does not respond for a minute has hung."""

NEWEST_API: Final = (1, 45)
"""The version that docker-py was written for; newer engines still support it."""

SUBNET_ATTEMPTS: Final = 16
"""Another process may take a subnet between its choice and its use: one time in 100 with 100 processes at once."""

ROUTES: Final = (Path("/proc/net/route"), Path("/proc/net/ipv6_route"))
"""Where the kernel of this process lists its routes."""

NO_ENGINE: Final = "start Docker, or point DOCKER_HOST or `docker context use` to a running engine"

NO_PERMISSION: Final = "`sudo usermod -aG docker $USER` and a new log-in give you permission to use its socket"


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor)


class DockerEngine:
    """The engine at an address, or the one that the environment (DOCKER_HOST, context) names."""

    def __init__(self, address: str = "", timeout_s: int = REQUEST_TIMEOUT_S, *, leases: Leases | None = None) -> None:
        """`leases` chooses the subnets of networks; by default from the ranges that the environment names."""
        self._address = address
        self._timeout_s = timeout_s
        # docker-py's client serves one thread at a time, and its connections are worth keeping.
        self._idle: queue.LifoQueue[APIClient] = queue.LifoQueue()
        self._api_version = ""
        self._leases = leases or Leases(Random(), parse_ranges(os.environ.get(VARIABLE, "")))  # noqa: S311 - no secret
        self._other_networks: list[Network] | None = None
        self._lock = threading.Lock()
        self.base_url = ""
        self.version: dict[str, Any] = {}

    def connect(self) -> None:
        """Find the engine and negotiate a version; raises HostError when there is none."""
        address = os.environ.get("DOCKER_HOST", "")
        try:
            with docker_attempt(f"connect to the Docker engine{f' at {address}' if address else ''}", NO_ENGINE):
                client = self._client()
                self.version = client.version()
        except HostError as error:
            system = system_error(error.__cause__)
            if system is not None and system.errno == errno.EACCES:
                error.hint = NO_PERMISSION
            raise
        self._api_version = ".".join(map(str, min(_version(self.version["ApiVersion"]), NEWEST_API)))
        self.base_url = str(client.base_url)
        self._idle.put(client)

    def _client(self, version: str | None = None) -> APIClient:
        if self._address:
            client = APIClient(self._address, version=version or "auto", timeout=self._timeout_s)
        else:
            client = docker.DockerClient.from_env(timeout=self._timeout_s, version=version).api
        # Proxies and passwords of the environment are not for a local socket, and looking for them takes a third of the
        # time of each request.
        client.trust_env = not str(client.base_url).startswith("http+docker:")
        return client

    def close(self) -> None:
        """Close all connections that are not in use."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    @contextlib.contextmanager
    def _request(self, what: str, hint: str = "") -> Iterator[APIClient]:
        """Provide a client for one request; a client whose request was aborted is closed."""
        with docker_attempt(what, hint), lost_connection(what):
            try:
                client = self._idle.get_nowait()
            except queue.Empty:
                client = self._client(self._api_version)
            try:
                yield client
            except APIError:
                self._idle.put(client)
                raise
            except BaseException:
                client.close()
                raise
            self._idle.put(client)

    # Resources

    def create_network(self, name: str, labels: Mapping[str, str], *, ipv6: bool = True) -> Handle:
        """Create an internal bridge with subnets that neither another network nor a route of this host has.

        Raises HostError when there are none left.
        """
        for _ in range(SUBNET_ATTEMPTS):
            with self._lock:
                subnets = self._leases.lease(name, (*self._networks(), *_local_routes()))
            try:
                return self._create_network(name, labels, subnets, ipv6=ipv6)
            except HostError as error:
                with self._lock:
                    self._leases.release(name)
                    self._other_networks = None
                if not is_taken(error.message):
                    raise
        raise HostError(
            f"create network {name}: other networks had the addresses of all {SUBNET_ATTEMPTS} subnets tried",
            hint=f"check `docker network ls`, or name another range in {VARIABLE}",
        )

    def _create_network(self, name: str, labels: Mapping[str, str], subnets: Subnets, *, ipv6: bool) -> Handle:
        used = (subnets.ipv4, subnets.ipv6) if ipv6 else (subnets.ipv4,)
        pools = [IPAMPool(subnet=str(subnet)) for subnet in used]
        with self._request(f"create network {name}") as client:
            created = client.create_network(
                name,
                driver="bridge",
                internal=True,
                enable_ipv6=ipv6,
                check_duplicate=True,
                labels=dict(labels),
                ipam=IPAMConfig(pool_configs=pools),
            )
        return Handle("network", created["Id"], name)

    def _networks(self) -> list[Network]:
        """Return the subnets of the engine's networks, listed once, and again after a collision."""
        if self._other_networks is None:
            with self._request("list the networks") as client:
                found = client.networks()
            pools = [pool.get("Subnet") for each in found for pool in (each.get("IPAM") or {}).get("Config") or ()]
            self._other_networks = [ip_network(subnet, strict=False) for subnet in pools if subnet]
        return self._other_networks

    def create_volume(self, name: str, labels: Mapping[str, str]) -> Handle:
        """Create an empty volume."""
        with self._request(f"create volume {name}") as client:
            client.create_volume(name, labels=dict(labels))
        return Handle("volume", name, name)

    def create_container(self, spec: ContainerSpec) -> Handle:
        """Create a container with no more privileges than the specification names."""
        with self._request(f"create container {spec.name} of image {spec.image}") as client:
            created = client.create_container(
                spec.image,
                list(spec.command) or None,
                name=spec.name,
                user=spec.user or None,
                # With docker-py this also closes the input when the attached program ends, however that ends.
                stdin_open=spec.interactive,
                environment=dict(spec.environment),
                labels=dict(spec.labels),
                host_config=_host_config(client, spec),
                networking_config=_networking(client, spec),
            )
        return Handle("container", created["Id"], spec.name)

    def remove(self, handle: Handle) -> None:
        """Remove it; `not found` and `already in progress` both count as success."""
        try:
            with self._request(f"remove {handle.kind} {handle.name}") as client:
                if handle.kind == "container":
                    client.remove_container(handle.id, force=True, v=True)
                elif handle.kind == "volume":
                    client.remove_volume(handle.id, force=True)
                else:
                    client.remove_network(handle.id)
        except HostError as error:
            cause = error.__cause__
            status = cause.status_code if isinstance(cause, APIError) else None
            if status != 404 and not (status == 409 and "already in progress" in str(error)):
                raise
        if handle.kind == "network":
            with self._lock:
                self._leases.release(handle.name)

    def find(self, label: str) -> list[Found]:
        """Return everything with the label; containers first, because the others are in use by them."""
        filters = {"label": label}
        with self._request(f"list the resources with the label {label}") as client:
            containers = client.containers(all=True, filters=filters)
            volumes = client.volumes(filters=filters)["Volumes"] or []
            networks = client.networks(filters=filters)
        found = [
            Found(Handle("container", c["Id"], c["Names"][0].strip("/")), c["Labels"], float(c["Created"]))
            for c in containers
        ]
        found += [
            Found(Handle("volume", v["Name"], v["Name"]), v["Labels"], _epoch(v.get("CreatedAt"))) for v in volumes
        ]
        found += [Found(Handle("network", n["Id"], n["Name"]), n["Labels"], _epoch(n.get("Created"))) for n in networks]
        return found

    # Processes

    def attach(self, handle: Handle, output: Callable[[Stream, bytes], None]) -> Callable[[], Exit]:
        """Connect to the output, which ends with the process; then read the exit code.

        The exit code is requested now, too: when only the output ends, either the program has closed it or the engine
        has restarted, and a connection that breaks tells the two apart.
        """
        with self._request(f"attach to {handle.name}") as client:
            frames = client.attach(handle.id, stdout=True, stderr=True, stream=True, demux=True)
            next_exit = wait_for_next_exit(client, handle.id)

        def follow() -> Exit:
            try:
                with docker_attempt(f"follow {handle.name}"):
                    for stdout, stderr in frames:
                        if stdout:
                            output("stdout", stdout)
                        if stderr:
                            output("stderr", stderr)
            finally:
                frames.close()
                # The connection was upgraded to a plain stream, and only the HTTP response still refers to it.
                frames._response.close()  # type: ignore[attr-defined]  # noqa: SLF001
            return self._exit(handle, next_exit)

        return follow

    def converse(self, handle: Handle, output: Callable[[Stream, bytes], None]) -> Conversation:
        """Connect to input and output in one connection."""
        with self._request(f"attach to {handle.name}") as client:
            stream = client.attach_socket(handle.id, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        return conversation(handle.name, stream, output, lambda: self._exit(handle))

    def _exit(self, handle: Handle, next_exit: Callable[[], None] | None = None) -> Exit:
        with self._request(f"wait for {handle.name}") as client:
            if next_exit is None:
                client.wait(handle.id, timeout=None)
            else:
                next_exit()
            state = client.inspect_container(handle.id)["State"]
        return Exit(int(state["ExitCode"]), bool(state.get("OOMKilled")), str(state.get("Error") or ""))

    def start(self, handle: Handle) -> None:
        """Start it."""
        with self._request(f"start {handle.name}") as client:
            client.start(handle.id)

    def kill(self, handle: Handle, signal: str) -> None:
        """Send a signal; `not found` and `not running` count as success."""
        try:
            with self._request(f"send {signal} to {handle.name}") as client:
                client.kill(handle.id, signal)
        except HostError as error:
            if not isinstance(error.__cause__, APIError) or error.__cause__.status_code not in (404, 409):
                raise

    # Archives

    def archive(self, handle: Handle, path: str) -> Iterator[bytes]:
        """Yield a tar archive of a path in the container."""
        with self._request(f"read {path} of {handle.name}") as client:
            chunks, _ = client.get_archive(handle.id, path)
            yield from chunks

    def unpack(self, handle: Handle, path: str, files: Mapping[str, bytes]) -> None:
        """Write files below a path in the container, running or not."""
        archive = BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(data), 0o444
                tar.addfile(member, BytesIO(data))
        with self._request(f"write into {path} of {handle.name}") as client:
            client.put_archive(handle.id, path, archive.getvalue())

    # Images

    def image(self, name: str) -> Image | None:
        """Return the image, or None when the store does not have it."""
        try:
            with self._request(f"inspect image {name}") as client:
                found = client.inspect_image(name)  # type: ignore[no-untyped-call]
        except HostError as error:
            if isinstance(error.__cause__, ImageNotFound):
                return None
            raise
        return Image(
            found["Id"], tuple(found.get("RepoTags") or ()), str((found.get("Config") or {}).get("User") or "")
        )

    def images_with(self, label: str) -> list[Image]:
        """Return the images with a label."""
        with self._request(f"list the images with the label {label}") as client:
            found = client.images(filters={"label": label})
        return [Image(each["Id"], tuple(each.get("RepoTags") or ())) for each in found]

    def remove_image(self, tag: str) -> None:
        """Remove a tag; the engine rejects it while a container uses the image."""
        with self._request(f"remove image {tag}") as client:
            client.remove_image(tag)

    def copy_images(self, tags: Sequence[str]) -> None:
        """Copy images from this host's store into this engine's."""
        docker_cli.copy_images(tags, self._address)

    def build(self, context: bytes, dockerfile: str, tag: str, labels: Mapping[str, str]) -> Iterator[str]:
        """Build with the classic builder, which every engine has and which needs no plug-in."""
        with self._request(f"build {tag}") as client:
            for line in client.build(
                fileobj=BytesIO(context),
                custom_context=True,
                dockerfile=dockerfile,
                tag=tag,
                labels=dict(labels),
                decode=True,
                rm=True,
                forcerm=True,
            ):
                if "error" in line:
                    raise HostError(f"build {tag}: {str(line['error']).strip()}")
                yield str(line.get("stream") or line.get("status") or "")


def _local_routes() -> list[Network]:
    """Return the routes of this host, which matter where the engine is local, and elsewhere exclude a few subnets."""
    texts = []
    for path in ROUTES:
        try:
            texts.append(path.read_text())
        except OSError:
            texts.append("")
    return host_routes(*texts)


def _epoch(text: str | None) -> float:
    if not text:
        return 0.0
    # Engines write nanoseconds and "Z"; fromisoformat accepts microseconds at most.
    seconds, _, fraction = text.partition(".")
    zone = fraction.lstrip("0123456789") if fraction else ""
    try:
        return datetime.fromisoformat(seconds + zone).timestamp()
    except ValueError:
        return 0.0


def _networking(client: APIClient, spec: ContainerSpec) -> NetworkingConfig | None:
    if not spec.network:
        return None
    aliases = [spec.alias] if spec.alias else []
    endpoint = client.create_endpoint_config(aliases=aliases)
    return NetworkingConfig({spec.network: endpoint})  # type: ignore[arg-type]  # the stub is wrong


def _host_config(client: APIClient, spec: ContainerSpec) -> HostConfig:
    mounts = [Mount(spec.mount_at, spec.volume, type="volume", no_copy=True)] if spec.volume else []
    return client.create_host_config(
        network_mode=f"container:{spec.joins}" if spec.joins else spec.network or "none",
        pid_mode=f"container:{spec.joins}" if spec.joins else None,
        cap_drop=["ALL"],
        cap_add=list(spec.capabilities) or None,
        security_opt=["no-new-privileges:true"],
        read_only=True,
        # In a shared process namespace the other container runs the init process.
        init=spec.init and not spec.joins,
        tmpfs=dict.fromkeys(spec.tmpfs, ""),
        sysctls=dict(spec.sysctls) or None,
        cpu_shares=spec.cpu_shares or None,
        mounts=mounts,
        devices=[f"{device}:{device}:rwm" for device in spec.devices] or None,
        log_config=LogConfig(type="json-file", config={"max-size": "16m", "max-file": "1"}),
    )
