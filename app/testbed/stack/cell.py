"""The containers of one cell: a network, two sidecars that own the network namespaces, two endpoints that join them.

Everything is planned, and its removal registered, before the first thing is created.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from testbed.errors import HostError
from testbed.ownership import Owner, labels
from testbed.stack.clean import remove_all
from testbed.stack.ports import ContainerSpec, Handle, Processes, Runtime
from testbed.stack.sysctls import refused_sysctl

OUTPUT: Final = "/var/lib/testbed"
"""Where a sidecar writes its raw files: a volume that the endpoint sees, too."""

FILES: Final = "link"
"""Folder below OUTPUT that a sidecar finds tables and traces in."""

SHARED: Final = "/testbed"
"""The same volume in the endpoint, which can write to its subfolder `endpoint` only."""

EVENTS: Final = f"{SHARED}/endpoint/events.csv"

USER: Final = "65532:65532"
"""Who an endpoint is when its image does not name an ordinary user."""

_TUN: Final = "/dev/net/tun"
LINK_CPU_SHARES: Final = 16_384
"""Sixteen containers' worth: a link that has to wait until its endpoints' programs pause is late, and its queue grows
cold. It takes no more than its frames need."""
_THREADS: Final = 4


class NoTunError(HostError):
    """Report that the engine's host has no /dev/net/tun."""


@dataclass(frozen=True, slots=True)
class End:
    """One end of the link: the image under test, the user it runs as (empty: its own), and both environments.

    `sysctls` are set in the network namespace that both share.
    """

    image: str
    user: str
    environment: Mapping[str, str]
    sidecar_environment: Mapping[str, str]
    sysctls: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    """For the sidecar, by name: tables of distributions and traces."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose things these are."""

    run: str
    cell: str
    owner: Owner
    keep: bool = False

    def labels(self, role: str) -> Mapping[str, str]:
        """Return the labels of the thing with this role."""
        return labels(self.run, self.cell, role, self.owner, keep=self.keep)


@dataclass(slots=True)
class CellStack:
    """What has been made for a cell, and what of it has been removed again."""

    engine: Runtime
    network: Handle
    sidecars: dict[str, Handle]
    """By role; none of them is started."""

    endpoints: dict[str, Future[Handle]]
    """By role, still being made: nobody needs them before the sidecars are ready."""

    kept: bool = False
    """Set to leave everything where it is."""

    _gone: set[Handle] = field(default_factory=set)

    def remove(self, handle: Handle) -> None:
        """Remove one thing before the others; what cannot be removed now is tried again, and told, at the end."""
        with suppress(HostError):
            self.engine.remove(handle)
            self._gone.add(handle)

    def rest(self, planned: Iterable[Handle]) -> list[Handle]:
        """Return what is still to be removed."""
        gone = {(handle.kind, handle.name) for handle in self._gone}
        return [handle for handle in planned if (handle.kind, handle.name) not in gone]


def ordinary_user(user: str) -> str:
    """Return who an endpoint runs as: the image's own user unless that is root."""
    return USER if user.partition(":")[0] in ("", "0", "root") else ""


def _name(identity: Identity, role: str) -> str:
    return f"testbed-{identity.run}-{identity.cell}-{role}"


def _sidecar(identity: Identity, role: str, end: End, image: str, *, tun: bool) -> ContainerSpec:
    return ContainerSpec(
        name=_name(identity, f"{role}-netem"),
        image=image,
        labels=identity.labels(f"{role}-netem"),
        environment=end.sidecar_environment,
        network=_name(identity, "link"),
        alias=role,
        capabilities=("NET_ADMIN", "NET_RAW"),
        devices=(_TUN,) if tun else (),
        volume=_name(identity, role),
        mount_at=OUTPUT,
        tmpfs=("/run", "/tmp"),  # noqa: S108 - paths in the container
        sysctls=end.sysctls,
        cpu_shares=LINK_CPU_SHARES,
    )


def _endpoint(identity: Identity, role: str, end: End, sidecar: Handle) -> ContainerSpec:
    return ContainerSpec(
        name=_name(identity, role),
        image=end.image,
        labels=identity.labels(role),
        environment=end.environment,
        user=end.user,
        joins=sidecar.id,
        volume=_name(identity, role),
        mount_at=SHARED,
    )


def _planned(identity: Identity, roles: list[str]) -> list[Handle]:
    # Names do instead of ids, which nobody knows yet; whatever was never made is simply not found.
    containers = [_name(identity, role + part) for role in roles for part in ("", "-netem")]
    planned = [Handle("container", name, name) for name in containers]
    planned += [Handle("volume", _name(identity, role), _name(identity, role)) for role in roles]
    return [*planned, Handle("network", _name(identity, "link"), _name(identity, "link"))]


def _create(
    engine: Runtime, pool: Executor, identity: Identity, ends: Mapping[str, End], image: str, *, tun: bool
) -> CellStack:
    tags = {role: identity.labels(role) for role in (*ends, "link")}
    network = pool.submit(engine.create_network, _name(identity, "link"), tags["link"])
    volumes = [pool.submit(engine.create_volume, _name(identity, role), tags[role]) for role in ends]
    for made in (network, *volumes):
        made.result()
    making = {
        role: pool.submit(engine.create_container, _sidecar(identity, role, end, image, tun=tun))
        for role, end in ends.items()
    }
    sidecars = {role: made.result() for role, made in making.items()}
    endpoints = {
        role: pool.submit(engine.create_container, _endpoint(identity, role, end, sidecars[role]))
        for role, end in ends.items()
    }
    stack = CellStack(engine, network.result(), sidecars, endpoints)
    for role, end in ends.items():
        if end.files:
            engine.unpack(sidecars[role], OUTPUT, {f"{FILES}/{name}": data for name, data in end.files.items()})
    return stack


@contextmanager
def cell_stack(
    engine: Runtime,
    identity: Identity,
    ends: Mapping[str, End],
    netem_image: str,
    *,
    tun: bool = True,
    complain: Callable[[HostError], None],
) -> Iterator[CellStack]:
    """Create what one cell needs, nothing started; remove it at the end whatever happens, unless it is to be kept.

    What cannot be removed is told to `complain`. Raises HostError when something cannot be created; for an endpoint
    its future does.
    """
    stack: CellStack | None = None
    planned = _planned(identity, list(ends))
    try:
        with ThreadPoolExecutor(_THREADS) as pool:  # at its end nothing is being made any more
            stack = _create(engine, pool, identity, ends, netem_image, tun=tun)
            yield stack
    finally:
        if stack is None or not stack.kept:
            for failure in remove_all(engine, planned if stack is None else stack.rest(planned)):
                complain(failure)


def start_container(processes: Processes, handle: Handle) -> None:
    """Start it; raises NoTunError when all that is wrong is that the host has no /dev/net/tun."""
    try:
        processes.start(handle)
    except HostError as error:
        if _TUN in error.message:
            raise NoTunError(error.message) from error
        raise refused_sysctl(error.message) or error from error
