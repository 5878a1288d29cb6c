"""The containers of one cell: a network, two sidecars that own the network namespaces, two endpoints that join them.

Every resource is planned, and its removal registered, before the first one is created.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from testbed.errors import HostError
from testbed.ownership import ResourceLabels
from testbed.stack.capabilities import capability_attempt, sidecar_capabilities
from testbed.stack.clean import remove_all
from testbed.stack.ports import ContainerSpec, Handle, Processes, Removals, Runtime
from testbed.stack.sysctls import rejected_sysctl
from testbed.stack.tun import TUN

OUTPUT: Final = "/var/lib/testbed"
"""Where a sidecar writes its raw files: a volume that the endpoint mounts, too."""

FILES: Final = "link"
"""Folder below OUTPUT where a sidecar finds tables and traces."""

SHARED: Final = "/testbed"
"""The same volume in the endpoint, which can write to its subfolder `endpoint` only."""

EVENTS: Final = f"{SHARED}/endpoint/events.csv"

USER: Final = "65532:65532"
"""The user of an endpoint whose image does not name an ordinary one."""

LINK_CPU_SHARES: Final = 16_384
"""The shares of sixteen containers: a link that waits for the programs of its endpoints delivers late."""
_THREADS: Final = 4


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """One endpoint and its sidecar: the image under test, the user it runs as (empty: its own), both environments.

    `sysctls` are set in the network namespace that both share.
    """

    image: str
    user: str
    environment: Mapping[str, str]
    sidecar_environment: Mapping[str, str]
    sysctls: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    """For the sidecar, by name: tables of distributions and traces."""

    real_time: bool = True
    """Whether its sidecar requests the capability for real time; the endpoint never has it."""

    ipv6: bool = True
    """Whether it uses IPv6. An engine starts a process of its own for each device and each change of its IPv6."""


@dataclass(slots=True)
class CellStack:
    """The resources created for a cell, and which of them have been removed."""

    engine: Removals
    network: Handle
    sidecars: dict[str, Handle]
    """By role; none of them has been started."""

    endpoints: dict[str, Future[Handle]]
    """By role, perhaps still being created: they are not needed before the sidecars are ready."""

    kept: bool = False
    """Set to leave everything in the engine."""

    _removed: set[Handle] = field(default_factory=set)

    def remove(self, handle: Handle) -> None:
        """Remove one resource before the others; a failed attempt is repeated, and reported, at the end."""
        with suppress(HostError):
            self.engine.remove(handle)
            self._removed.add(handle)

    def remaining(self, planned: Iterable[Handle]) -> list[Handle]:
        """Return the planned resources that are still to be removed."""
        removed = {(handle.kind, handle.name) for handle in self._removed}
        return [handle for handle in planned if (handle.kind, handle.name) not in removed]


def ordinary_user(user: str) -> str:
    """Return the user that an endpoint runs as; empty, the image's own user, unless that is root."""
    return USER if user.partition(":")[0] in ("", "0", "root") else ""


def resource_name(labels: ResourceLabels, role: str) -> str:
    """Return the name of a resource."""
    return f"testbed-{labels.run}-{labels.cell}-{role}"


def sidecar_spec(labels: ResourceLabels, role: str, spec: EndpointSpec, image: str, *, tun: bool) -> ContainerSpec:
    """Return the sidecar's container."""
    return ContainerSpec(
        name=resource_name(labels, f"{role}-netem"),
        image=image,
        labels=labels.for_role(f"{role}-netem"),
        environment=spec.sidecar_environment,
        network=resource_name(labels, "link"),
        alias=role,
        capabilities=sidecar_capabilities(real_time=spec.real_time),
        devices=(TUN,) if tun else (),
        volume=resource_name(labels, role),
        mount_at=OUTPUT,
        tmpfs=("/run", "/tmp"),  # noqa: S108 - paths in the container
        sysctls=spec.sysctls,
        cpu_shares=LINK_CPU_SHARES,
    )


def endpoint_spec(
    labels: ResourceLabels, role: str, spec: EndpointSpec, sidecar: Handle, volume: str = ""
) -> ContainerSpec:
    """Return the endpoint's container, which uses the sidecar's namespaces and its volume."""
    return ContainerSpec(
        name=resource_name(labels, role),
        image=spec.image,
        labels=labels.for_role(role),
        environment=spec.environment,
        user=spec.user,
        joins=sidecar.id,
        volume=volume or resource_name(labels, role),
        mount_at=SHARED,
    )


def planned_resources(labels: ResourceLabels, roles: Iterable[str]) -> list[Handle]:
    """Return everything that a cell with these labels may have in the engine."""
    roles = list(roles)
    # The ids are not known yet, but names work in their place; removing what was never created is no error.
    containers = [resource_name(labels, role + part) for role in roles for part in ("", "-netem")]
    planned = [Handle("container", name, name) for name in containers]
    planned += [Handle("volume", resource_name(labels, role), resource_name(labels, role)) for role in roles]
    return [*planned, Handle("network", resource_name(labels, "link"), resource_name(labels, "link"))]


def _create_sidecar(
    engine: Runtime, labels: ResourceLabels, role: str, spec: EndpointSpec, image: str, *, tun: bool
) -> Handle:
    with capability_attempt(real_time=spec.real_time):
        return engine.create_container(sidecar_spec(labels, role, spec, image, tun=tun))


def _create(
    engine: Runtime,
    pool: Executor,
    labels: ResourceLabels,
    specs: Mapping[str, EndpointSpec],
    image: str,
    *,
    tun: Callable[[], bool],
) -> CellStack:
    tags = {role: labels.for_role(role) for role in (*specs, "link")}
    ipv6 = any(spec.ipv6 for spec in specs.values())
    network = pool.submit(engine.create_network, resource_name(labels, "link"), tags["link"], ipv6=ipv6)
    volumes = [pool.submit(engine.create_volume, resource_name(labels, role), tags[role]) for role in specs]
    with_tun = pool.submit(tun).result()
    for created in (network, *volumes):
        created.result()
    creating = {
        role: pool.submit(_create_sidecar, engine, labels, role, spec, image, tun=with_tun)
        for role, spec in specs.items()
    }
    sidecars = {role: created.result() for role, created in creating.items()}
    endpoints = {
        role: pool.submit(engine.create_container, endpoint_spec(labels, role, spec, sidecars[role]))
        for role, spec in specs.items()
    }
    stack = CellStack(engine, network.result(), sidecars, endpoints)
    for role, spec in specs.items():
        if spec.files:
            engine.unpack(sidecars[role], OUTPUT, {f"{FILES}/{name}": data for name, data in spec.files.items()})
    return stack


@contextmanager
def cell_stack(
    engine: Runtime,
    labels: ResourceLabels,
    specs: Mapping[str, EndpointSpec],
    netem_image: str,
    *,
    tun: Callable[[], bool],
    on_removal_error: Callable[[HostError], None],
) -> Iterator[CellStack]:
    """Create the resources of one cell without starting it; always remove them at the end, unless `kept` is set.

    `tun` returns whether the sidecars get a TUN device; it may take long, so it runs while the network is created.
    A failed removal goes to `on_removal_error`. Raises HostError when something cannot be created, CapabilityError when
    that is because of the capability for real time; for an endpoint its future does.
    """
    stack: CellStack | None = None
    planned = planned_resources(labels, specs)
    try:
        with ThreadPoolExecutor(_THREADS) as pool:  # whose end waits for everything that is still being created
            stack = _create(engine, pool, labels, specs, netem_image, tun=tun)
            yield stack
    finally:
        if stack is None or not stack.kept:
            for failure in remove_all(engine, planned if stack is None else stack.remaining(planned)):
                on_removal_error(failure)


def start_container(processes: Processes, handle: Handle, *, real_time: bool = False) -> None:
    """Start a container; an error about a sysctl names it and the reason.

    Raises CapabilityError if the engine refuses the capability for real time, which the container has requested.
    """
    with capability_attempt(real_time=real_time):
        try:
            processes.start(handle)
        except HostError as error:
            raise rejected_sysctl(error.message) or error from error
