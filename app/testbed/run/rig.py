"""A rig: a network and two sidecars that serve one warm cell after another, each with new endpoints.

For a cell it looks like a container engine whose sidecars are there already: what the cell does with a sidecar goes to
its session, everything else to the engine.
"""

import io
import tarfile
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Final

from testbed.errors import HostError
from testbed.ownership import ResourceLabels
from testbed.run.contract import SIDECAR_DEADLINE_S
from testbed.run.rig_session import Output, RigSession
from testbed.scenario.ends import ROLES
from testbed.stack.cell import CellStack, EndpointSpec, resource_name, start_container
from testbed.stack.clean import remove_all
from testbed.stack.ports import Exit, Handle, Runtime
from testbed.stack.rig import create_rig, remove_rig, rig_stack

OPEN_S: Final = SIDECAR_DEADLINE_S
RESET_S: Final = 20.0
"""To end a link and to remove what a cell has left takes some 50 ms; a loaded machine gets more."""

FILES_S: Final = 5.0
"""Until files that have been written have arrived; after that they are fetched through the engine."""


def rig_key(specs: Mapping[str, EndpointSpec]) -> Hashable:
    """Return what the sidecars of a rig have been created with; cells with the same key can use it."""
    return tuple(
        (role, tuple(sorted(spec.sysctls.items())), tuple(sorted(spec.files.items())), spec.real_time)
        for role, spec in specs.items()
    )


class Rig:
    """The network and the sidecars, from their start to their end; used by one cell at a time."""

    def __init__(
        self,
        engine: Runtime,
        labels: ResourceLabels,
        specs: Mapping[str, EndpointSpec],
        netem_image: str,
        *,
        tun: bool,
        timeout_scale: float = 1.0,
        disposable: bool = False,
    ) -> None:
        """Create and start everything, with the sysctls, files and capabilities of `specs`.

        `disposable`: its machine is deleted as a whole, so it does not matter what cannot be removed.

        Raises HostError, CapabilityError among others; nothing is left then.
        """
        self._engine = engine
        self._labels = labels
        self._timeout_scale = timeout_scale
        self._disposable = disposable
        self.cells = 0
        self._endpoints: list[Handle] = []
        self._resources = create_rig(engine, labels, specs, netem_image, tun=tun)
        self._sessions = {role: RigSession(sidecar.name) for role, sidecar in self._resources.sidecars.items()}
        try:
            for role, session in self._sessions.items():
                sidecar = self._resources.sidecars[role]
                session.converse(engine.converse(sidecar, session.output))
                start_container(engine, sidecar, real_time=specs[role].real_time)
            for session in self._sessions.values():
                session.await_open(OPEN_S * timeout_scale)
        except BaseException:
            self.close()
            raise

    def cell(self, labels: ResourceLabels, specs: Mapping[str, EndpointSpec]) -> "RigCell":
        """Return the next cell, whose endpoints have these labels."""
        self.cells += 1
        sidecars = {self._resources.sidecars[role].id: role for role in self._sessions}
        stack = rig_stack(self._engine, self._resources, labels, specs)
        cell = RigCell(self._engine, self._sessions, sidecars, labels, specs, stack=stack)
        self._endpoints = cell.endpoints
        return cell

    @property
    def alive(self) -> bool:
        """Return whether the sessions still run."""
        return all(session.alive for session in self._sessions.values())

    def finish(self, *, reset: bool) -> list[str]:
        """Remove the endpoints of the last cell, then its traces; see `RigPort`. Raises HostError."""
        failures = remove_all(self._engine, self._endpoints)
        if failures:
            raise failures[0]
        if not reset:
            return []
        timeout_s = RESET_S * self._timeout_scale
        return [left for session in self._sessions.values() for left in session.reset(timeout_s)]

    def close(self) -> list[HostError]:
        """Remove everything; return the errors of failed removals."""
        for session in self._sessions.values():
            with suppress(HostError):
                session.close()
        failures = remove_rig(self._engine, self._labels)
        return [] if self._disposable else failures


class RigCell:
    """One cell on a rig, as the container engine and the stack of a `CellRun`."""

    def __init__(
        self,
        engine: Runtime,
        sessions: Mapping[str, RigSession],
        sidecars: Mapping[str, str],
        labels: ResourceLabels,
        specs: Mapping[str, EndpointSpec],
        *,
        stack: AbstractContextManager[CellStack],
    ) -> None:
        """`sidecars` are the roles by the id of the container; `stack` has the endpoints."""
        self._engine = engine
        self._sessions = sessions
        self._sidecars = sidecars
        self._specs = specs
        self._roles = {resource_name(labels, role): role for role in ROLES}
        self.stack = stack

    @property
    def endpoints(self) -> list[Handle]:
        """Return the endpoints' containers, by their names: they may not exist."""
        return [Handle("container", name, name) for name in self._roles]

    def attach(self, handle: Handle, output: Output) -> Callable[[], Exit]:
        """Attach to a session, or to a container."""
        role = self._sidecars.get(handle.id)
        return self._engine.attach(handle, output) if role is None else self._sessions[role].attach(output)

    def start(self, handle: Handle) -> None:
        """Begin the cell in a session, or start a container."""
        role = self._sidecars.get(handle.id)
        if role is None:
            self._engine.start(handle)
        else:
            self._sessions[role].begin(self._specs[role].sidecar_environment)

    def kill(self, handle: Handle, signal: str) -> None:
        """Send a signal; a session that has ended is no error, as with a container."""
        role = self._sidecars.get(handle.id)
        if role is None:
            self._engine.kill(handle, signal)
            return
        with suppress(HostError):
            self._sessions[role].signal(signal)

    def archive(self, handle: Handle, path: str) -> Iterator[bytes]:
        """Yield the raw files of an end: those that its sidecar has sent, else from the engine."""
        files = self._sessions[self._roles[handle.name]].files(FILES_S)
        return self._engine.archive(handle, path) if files is None else _packed(path, files)


def _packed(path: str, files: Mapping[str, bytes]) -> Iterator[bytes]:
    """Yield files as an archive of the engine has them, below the last part of `path`."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{path.rpartition('/')[2]}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    yield archive.getvalue()
