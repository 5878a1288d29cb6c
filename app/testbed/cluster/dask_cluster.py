"""The cluster behind its port: Dask's client. The only module of the client that imports `distributed`.

All waiting is on call backs of Dask: the end of a task, an event about a worker. Its loop runs in a thread of its own.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from testbed.cluster.job import Build
from testbed.cluster.port import ParcelLostError, TaskEnd, WorkerState
from testbed.errors import HostError, InputError

if TYPE_CHECKING:
    from types import ModuleType

    from distributed import Client

SLOTS: Final = "docker-slots"
GUESTS: Final = "guest-slots"
CONNECT_S: Final = 10.0
INSTALL: Final = "install it into the testbed's environment: `.venv/bin/pip install -e '.[dask]'`"
START_WORKER: Final = 'start one: dask worker ADDRESS --resources "docker-slots=4" --nthreads 4'
SCHEDULER_WORKERS: Final = "all"
"""The topic on which Dask's scheduler reports workers that come and go."""


def _distributed() -> "ModuleType":
    try:
        import distributed  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise InputError(["--dask: the package distributed is not installed"], hint=INSTALL) from error
    return distributed


def _target(address: str) -> dict[str, str]:
    """Return the arguments for an address or the file that a scheduler has written."""
    if "://" in address:
        return {"address": address}
    if Path(address).is_file():
        return {"scheduler_file": address}
    raise InputError(
        [f"--dask: {address!r} is neither an address nor a scheduler file"],
        hint="such as tcp://10.0.0.1:8786, or the file that `dask scheduler --scheduler-file` writes",
    )


class DaskTask:
    """One submitted job."""

    def __init__(self, future: Any, client: Any) -> None:  # noqa: ANN401 - Dask's classes have few types
        self._future = future
        self._client = client

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call back when it has ended."""
        self._future.add_done_callback(lambda _future: callback())

    def end(self) -> TaskEnd:
        """Return how it ended."""
        from distributed.scheduler import KilledWorker  # noqa: PLC0415

        if self._future.cancelled():
            return TaskEnd("vanished")
        try:
            return TaskEnd("reply", document=self._future.result())
        except KilledWorker as error:
            return TaskEnd("killed", message=f"{error.allowed_failures + 1} workers that ran it have died")
        except Exception as error:  # whatever the worker raised
            if self._future.cancelled() or self._client.status != "running":
                return TaskEnd("vanished")
            return TaskEnd("raised", message=f"{type(error).__name__}: {error}")

    def forget(self) -> None:
        """Let the scheduler forget it."""
        if not self._future.done():
            self._future.cancel(force=True)
        self._future.release()


class DaskCluster:
    """A connection to a scheduler."""

    def __init__(self, address: str) -> None:
        """Connect; raises InputError and HostError."""
        self._address = address
        self._report: Callable[[Mapping[str, Any]], None] = lambda _message: None
        self._lock = threading.Lock()
        self._callbacks: dict[object, Callable[[], None]] = {}
        self._workers: Mapping[str, WorkerState] = {}
        self._run = ""
        self._client: Any = self._connect()

    def _connect(self) -> "Client":
        distributed: Any = _distributed()
        try:
            client: Any = distributed.Client(
                **_target(self._address), timeout=CONNECT_S, set_as_default=False, name="testbed"
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise HostError(
                f"connect to the Dask scheduler at {self._address}: {str(error) or type(error).__name__}",
                hint="start one: dask scheduler",
            ) from error
        client.subscribe_topic(SCHEDULER_WORKERS, self._on_worker_event)
        client.sync(self._refresh, client)
        connected: Client = client
        return connected

    async def _on_worker_event(self, _event: object) -> None:
        await self._refresh(self._client)
        for callback in list(self._callbacks.values()):
            callback()

    async def _refresh(self, client: "Client") -> None:
        if client.scheduler is None:
            return
        # Not scheduler_info(), which is a cache.
        identity = await client.scheduler.identity(n_workers=-1)
        found = {}
        for address, worker in identity["workers"].items():
            resources = worker.get("resources") or {}
            if resources.get(SLOTS, 0) >= 1:
                found[address] = WorkerState(address, int(resources[SLOTS]), resources.get(GUESTS, 0) >= 1)
        self._workers = found

    def watch_run(self, run: str, report: Callable[[Mapping[str, Any]], None]) -> None:
        """Pass on what workers report about the cells of a run."""
        from testbed.cluster.task import topic  # noqa: PLC0415

        self._run, self._report = run, report

        def received(event: tuple[float, Any]) -> None:
            if isinstance(event[1], dict):
                report(event[1])

        self._client.subscribe_topic(topic(run), received)

    def probe(self) -> Mapping[str, Build | str]:
        """Return the build of each worker by address, or why it has none."""
        from testbed.cluster.task import probe  # noqa: PLC0415

        return {
            address: Build(**answer) if isinstance(answer, dict) else f"{type(answer).__name__}: {answer}"
            for address, answer in self._call(probe).items()
        }

    def workers(self) -> Mapping[str, WorkerState]:
        """Return the workers with slots, by address."""
        return self._workers

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back at each change of the workers."""
        key = object()
        self._callbacks[key] = callback

        def end() -> None:
            self._callbacks.pop(key, None)

        return end

    def reconnect(self) -> None:
        """Connect again, if the connection is lost; raises HostError."""
        with self._lock:
            if self._client.status == "running":
                return
            lost = self._client
            self._client = self._connect()
            lost.close(timeout=CONNECT_S)
            self.watch_run(self._run, self._report)

    def submit(self, key: str, document: Mapping[str, Any], *, guest: bool, only: Collection[str] | None) -> DaskTask:
        """Submit a job."""
        from testbed.cluster.task import run_cell  # noqa: PLC0415

        client = self._client
        resources = {SLOTS: 1, **({GUESTS: 1} if guest else {})}
        future = client.submit(
            run_cell,
            dict(document),
            key=key,
            resources=resources,
            workers=sorted(only) if only is not None else None,
            pure=False,
        )
        return DaskTask(future, client)

    def end_cells(self, run: str) -> Collection[str]:
        """Request of all workers that the cells of a run end in order."""
        from testbed.cluster.task import end_cells  # noqa: PLC0415

        answers = self._call(end_cells, run)
        return {key for keys in answers.values() if isinstance(keys, list) for key in keys}

    def sweep(self) -> None:
        """Remove what dead workers have left on the machines of those that live."""
        from testbed.cluster.task import sweep_machine  # noqa: PLC0415

        self._call(sweep_machine)

    def _call(self, function: Callable[..., Any], *arguments: object) -> dict[str, Any]:
        if not self._workers or self._client.status != "running":
            return {}
        try:
            answers: dict[str, Any] = self._client.run(
                function, *arguments, workers=sorted(self._workers), on_error="return"
            )
        except (OSError, ValueError):  # the scheduler, or a worker, has just gone
            return {}
        return answers

    def piece(self, worker: str, ticket: str, offset: int) -> bytes:
        """Return a piece of a large parcel."""
        from testbed.cluster.task import piece  # noqa: PLC0415

        try:
            found: bytes = self._client.run(piece, ticket, offset, workers=[worker])[worker]
        except (OSError, ValueError, KeyError) as error:
            raise ParcelLostError(f"fetch a cell's folder from {worker}: {error}") from error
        return found

    def close(self) -> None:
        """Close the connection; workers end cells that still run."""
        self._callbacks.clear()
        self._client.close()
