"""The port to a cluster: what the executor requires of it. `dask_cluster` implements it, and the tests' fake."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from testbed.cluster.job import Build
from testbed.errors import HostError

EndKind = Literal["reply", "killed", "raised", "vanished"]


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """How a task ended.

    `reply`: it returned `document`. `killed`: the scheduler gave it up, because each worker that ran it died.
    `raised`: its function failed, as without testbed on the worker. `vanished`: the scheduler no longer knows it.
    """

    kind: EndKind
    document: Mapping[str, Any] | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker: how many cells it runs at the same time, and whether guest VMs among them."""

    address: str
    slots: int
    guests: bool = False


class Task(Protocol):
    """One submitted job."""

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call back, from any thread, when it has ended."""

    def end(self) -> TaskEnd:
        """Return how it ended, after the call back."""

    def forget(self) -> None:
        """Let the scheduler forget it; cancels it if it has not ended."""


class ParcelLostError(HostError):
    """Report that a worker has gone before its parcel was fetched."""


class Cluster(Protocol):
    """Workers behind a scheduler; thread-safe."""

    def workers(self) -> Mapping[str, WorkerState]:
        """Return the workers with slots, by address, as of the last change."""

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back at each change of the workers, from any thread; return what ends the subscription."""

    def watch_run(self, run: str, report: Callable[[Mapping[str, Any]], None]) -> None:
        """Pass on what workers report about the cells of a run."""

    def probe(self) -> Mapping[str, Build | str]:
        """Return the build of each worker by address, or why it has none."""

    def submit(self, key: str, document: Mapping[str, Any], *, guest: bool, only: Collection[str] | None) -> Task:
        """Submit a job, for a worker with guest VMs if `guest`, and for these addresses if `only` is not None."""

    def reconnect(self) -> None:
        """Connect again, if the connection to the scheduler is lost; raises HostError."""

    def end_cells(self, run: str) -> Collection[str]:
        """Request of all workers that the cells of a run end in order; return the keys of those that are running."""

    def sweep(self) -> None:
        """Remove what dead workers have left on the machines of the others."""

    def piece(self, worker: str, ticket: str, offset: int) -> bytes:
        """Return the piece of a large parcel that begins at this offset; raises ParcelLostError."""
