"""What the testbed needs of a container engine, in a few methods each; `docker_engine` is one, the tests' fake another.

Every method blocks until the engine has answered (at most a minute) and raises HostError naming the attempt.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Kind = Literal["container", "volume", "network"]
Stream = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True)
class Handle:
    """One thing in the engine; `id` is what the engine calls it."""

    kind: Kind
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Found:
    """A labelled thing that the engine still has."""

    handle: Handle
    labels: Mapping[str, str]
    created_s: float
    """Seconds since the epoch; 0 when the engine does not say."""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container to be: exactly one of `network` (with an alias) and `joins`.

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
    """Its part of a processor that others want too, 1024 being everybody's; 0: the engine's."""
    init: bool = True
    """A process before the program; never where it joins another container, which has one."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended."""

    code: int
    oom_killed: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """An image in the store; `user` is what its configuration names, empty for root."""

    id: str
    tags: Sequence[str] = field(default_factory=tuple)
    user: str = ""


class Resources(Protocol):
    """Things that are made and removed."""

    def create_network(self, name: str, labels: Mapping[str, str]) -> Handle:
        """Make an internal bridge with IPv4 and IPv6."""

    def create_volume(self, name: str, labels: Mapping[str, str]) -> Handle:
        """Make an empty volume."""

    def create_container(self, spec: ContainerSpec) -> Handle:
        """Make a container without starting it."""

    def remove(self, handle: Handle) -> None:
        """Remove it, killing what runs; that it is gone already is no error."""

    def find(self, label: str) -> list[Found]:
        """Return everything that carries the label `key` or `key=value`."""


class Processes(Protocol):
    """The life of a container's process."""

    def attach(self, handle: Handle, output: Callable[[Stream, bytes], None]) -> Callable[[], Exit]:
        """Connect to its output before it starts; the result, called in a thread, feeds `output` until the end."""

    def start(self, handle: Handle) -> None:
        """Start it."""

    def kill(self, handle: Handle, signal: str) -> None:
        """Send a signal; that it has ended already is no error."""


class Archives(Protocol):
    """Files in a container, running or not."""

    def archive(self, handle: Handle, path: str) -> Iterator[bytes]:
        """Yield a tar archive of the path."""

    def unpack(self, handle: Handle, path: str, files: Mapping[str, bytes]) -> None:
        """Write files, readable for all, by their path below `path`, which lies in a volume."""


class Runtime(Resources, Processes, Archives, Protocol):
    """All that one cell needs."""


class ImageStore(Protocol):
    """Images of the engine."""

    def image(self, name: str) -> Image | None:
        """Return the image, or None when the store has no such."""

    def images_with(self, label: str) -> list[Image]:
        """Return the images that carry a label."""

    def remove_image(self, tag: str) -> None:
        """Remove a tag, and the image when that was its last one; one that a container uses stays (HostError)."""

    def build(self, context: bytes, dockerfile: str, tag: str, labels: Mapping[str, str]) -> Iterator[str]:
        """Build an image from a tar archive; yield the engine's progress, line by line. Raises HostError."""
