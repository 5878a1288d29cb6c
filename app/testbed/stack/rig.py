"""The resources of a rig: a network and two sidecars in session mode, which several cells use one after another."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from testbed.errors import HostError
from testbed.ownership import ResourceLabels
from testbed.stack.capabilities import capability_attempt
from testbed.stack.cell import (
    FILES,
    OUTPUT,
    CellStack,
    EndpointSpec,
    endpoint_spec,
    planned_resources,
    resource_name,
    sidecar_spec,
)
from testbed.stack.clean import remove_all
from testbed.stack.ports import ContainerSpec, Handle, Runtime

SESSION: Final = ("session",)
"""The command of a sidecar that serves one cell after another."""

_THREADS: Final = 4


@dataclass(frozen=True, slots=True)
class RigResources:
    """What a rig has in the engine, for as long as it exists."""

    labels: ResourceLabels
    network: Handle
    sidecars: Mapping[str, Handle]
    """By role; they are interactive, and have not been started."""

    def volume(self, role: str) -> str:
        """Return the name of the volume of an end."""
        return resource_name(self.labels, role)


def _session_spec(labels: ResourceLabels, role: str, spec: EndpointSpec, image: str, *, tun: bool) -> ContainerSpec:
    alone = sidecar_spec(labels, role, spec, image, tun=tun)
    return replace(alone, environment={"NETEM_OUTPUT": OUTPUT}, command=SESSION, interactive=True)


def create_rig(
    engine: Runtime, labels: ResourceLabels, specs: Mapping[str, EndpointSpec], image: str, *, tun: bool
) -> RigResources:
    """Create network, volumes and sidecars, with the sysctls and files of `specs`.

    Raises HostError, CapabilityError where that is because of the capability for real time; nothing is left then,
    unless it cannot be removed.
    """

    def create_sidecar(role: str) -> Handle:
        with capability_attempt(real_time=specs[role].real_time):
            sidecar = engine.create_container(_session_spec(labels, role, specs[role], image, tun=tun))
        if specs[role].files:
            engine.unpack(sidecar, OUTPUT, {f"{FILES}/{name}": data for name, data in specs[role].files.items()})
        return sidecar

    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            # Both families: the next cell may use the other one.
            network = pool.submit(
                engine.create_network, resource_name(labels, "link"), labels.for_role("link"), ipv6=True
            )
            volumes = [
                pool.submit(engine.create_volume, resource_name(labels, role), labels.for_role(role)) for role in specs
            ]
            for created in (network, *volumes):
                created.result()
            sidecars = dict(zip(specs, pool.map(create_sidecar, specs), strict=True))
    except HostError:
        remove_rig(engine, labels)
        raise
    return RigResources(labels, network.result(), sidecars)


def remove_rig(engine: Runtime, labels: ResourceLabels) -> list[HostError]:
    """Remove everything that a rig with these labels may have; return the errors of failed removals."""
    return remove_all(engine, planned_resources(labels, ["client", "server"]))


class _NoRemovals:
    def remove(self, handle: Handle) -> None:
        """Leave it."""


@contextmanager
def rig_stack(
    engine: Runtime, rig: RigResources, labels: ResourceLabels, specs: Mapping[str, EndpointSpec]
) -> Iterator[CellStack]:
    """Create the endpoints of one cell on a rig, without starting them; their futures raise HostError.

    Nothing is removed here: the rig stays, and the caller removes the endpoints, beside the next cell.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        endpoints = {
            role: pool.submit(
                engine.create_container, endpoint_spec(labels, role, spec, rig.sidecars[role], rig.volume(role))
            )
            for role, spec in specs.items()
        }
        yield CellStack(_NoRemovals(), rig.network, dict(rig.sidecars), endpoints)
