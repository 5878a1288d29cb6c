"""The ports to a container engine, a few methods each: `docker_engine` implements it, and the tests' fake.

Every method blocks until the engine has answered (at most a minute) and raises HostError naming the attempt.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Kind = Literal["container", "volume", "network"]
Stream = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True)
class Handle:
    """One resource in the engine; `id` is the engine's own."""

    kind: Kind
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Found:
    """A labelled resource that the engine still has."""

    handle: Handle
    labels: Mapping[str, str]
    created_s: float
    """Seconds since the epoch; 0 when the engine does not report it."""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container to create: with exactly one of `network` (and an alias) and `joins`.

    `joins` is the container whose network and process namespace it uses.
    """

    name: str
    image: str
    labels: Mapping[str, str]
    environment: Mapping[str, str]
    network: str = ""
    alias: str = ""
    joins: str = ""
    user: str = ""
    command: Sequence[str] = ()
    capabilities: Sequence[str] = ()
    devices: Sequence[str] = ()
    volume: str = ""
    mount_at: str = ""
    tmpfs: Sequence[str] = ("/tmp",)  # noqa: S108 - a path in the container
    sysctls: Mapping[str, str] = field(default_factory=dict)
    cpu_shares: int = 0
    """Its share of a contended processor, 1024 being the usual one; 0: the engine's default."""
    interactive: bool = False
    """Whether it reads standard input, until the program that is attached to it ends: see `converse`."""
    init: bool = True
    """Whether an init process precedes the program; ignored where it joins another container, which already has one."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container exited."""

    code: int
    oom_killed: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """An image in the store; `user` is what its configuration names, empty for root."""

    id: str
    tags: Sequence[str] = field(default_factory=tuple)
    user: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Both directions of an interactive container."""

    follow: Callable[[], Exit]
    """Called in a thread, it passes the output on until the end; raises HostError."""
    send: Callable[[bytes], None]
    """Write to standard input; raises HostError."""
    close: Callable[[], None]
    """End standard input, and the output with it."""


class Removals(Protocol):
    """The end of resources."""

    def remove(self, handle: Handle) -> None:
        """Remove it and kill what runs in it; a resource that is gone already is no error."""


class Resources(Removals, Protocol):
    """Networks, volumes and containers."""

    def create_network(self, name: str, labels: Mapping[str, str], *, ipv6: bool = True) -> Handle:
        """Create an internal bridge with IPv4, and with IPv6 if requested."""

    def create_volume(self, name: str, labels: Mapping[str, str]) -> Handle:
        """Create an empty volume."""

    def create_container(self, spec: ContainerSpec) -> Handle:
        """Create a container without starting it."""

    def find(self, label: str) -> list[Found]:
        """Return everything with the label `key` or `key=value`."""


class Processes(Protocol):
    """The lifecycle of a container's process."""

    def attach(self, handle: Handle, output: Callable[[Stream, bytes], None]) -> Callable[[], Exit]:
        """Connect to its output before it starts; the result, called in a thread, feeds `output` until the end."""

    def start(self, handle: Handle) -> None:
        """Start it."""

    def kill(self, handle: Handle, signal: str) -> None:
        """Send a signal; a process that has exited already is no error."""


class Conversations(Protocol):
    """Containers with standard input."""

    def converse(self, handle: Handle, output: Callable[[Stream, bytes], None]) -> Conversation:
        """Connect to input and output of an interactive container before it starts."""


class ArchiveSource(Protocol):
    """Files from a container, running or not."""

    def archive(self, handle: Handle, path: str) -> Iterator[bytes]:
        """Yield a tar archive of the path."""


class Archives(ArchiveSource, Protocol):
    """Files in a container, running or not."""

    def unpack(self, handle: Handle, path: str, files: Mapping[str, bytes]) -> None:
        """Write files, readable for all, by their path below `path`, which lies in a volume."""


class CellEngine(Processes, ArchiveSource, Protocol):
    """What a cell needs once its containers exist."""


class Runtime(Resources, Processes, Conversations, Archives, Protocol):
    """Everything that one cell needs."""


class ImageStore(Protocol):
    """Images of the engine."""

    def image(self, name: str) -> Image | None:
        """Return the image, or None when the store does not have it."""

    def images_with(self, label: str) -> list[Image]:
        """Return the images with a label."""

    def remove_image(self, tag: str) -> None:
        """Remove a tag, and the image if that was its last one; an image that a container uses stays (HostError)."""

    def build(self, context: bytes, dockerfile: str, tag: str, labels: Mapping[str, str]) -> Iterator[str]:
        """Build an image from a tar archive; yield the engine's progress, line by line. Raises HostError."""


class ContainerEngine(Runtime, ImageStore, Protocol):
    """Everything that a machine needs to run cells: this host's engine, or a guest VM's."""

    def copy_images(self, tags: Sequence[str]) -> None:
        """Copy images from this host's store into this engine's."""
