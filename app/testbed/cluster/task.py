"""What runs in a Dask worker: the function of each task, and what the client calls between tasks.

Arguments and results are plain values; the client imports nothing from here but the functions' names.
"""

import asyncio
import logging
import platform
import shutil
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.worker import Worker

from testbed.cluster.build import own_build
from testbed.cluster.cells import Cells
from testbed.cluster.job import Job, Reply, build_of, read_job, refusal
from testbed.cluster.parcel import pack
from testbed.cluster.workshop import Workshop
from testbed.errors import HostError
from testbed.result import Result
from testbed.run.executor import Attempt
from testbed.run.stop import Stop

PLUGIN: Final = "testbed"
MESSAGE_BYTES: Final = 32 << 20
"""A larger parcel is not part of the task's result, which Dask keeps in memory on every hop, but fetched in pieces."""

PIECE_BYTES: Final = 16 << 20

CELLS: Final = Cells()
_workshop: Workshop | None = None
_workshop_lock: Final = threading.Lock()
_log: Final = logging.getLogger("distributed.worker.testbed")


def topic(run: str) -> str:
    """Return the name of the topic on which workers report the progress of a run's cells."""
    return f"testbed-{run}"


class CellsPlugin(WorkerPlugin):
    """Ends cells for which no client waits any longer, and all cells when the worker ends."""

    def transition(self, key: object, start: str, finish: str, **_: object) -> None:  # noqa: ARG002 - as Dask calls it
        """Observe a task; a released one was cancelled, fetched, or is that of a client that has died."""
        if finish in ("cancelled", "released", "forgotten"):
            CELLS.release(str(key))

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002
        """Observe that the worker closes; it waits for its threads afterwards."""
        CELLS.end_all()
        if _workshop is not None:
            threading.Thread(target=_workshop.close, name="testbed-close").start()


async def _watch_task(worker: Worker, key: str) -> bool:
    """Install the plugin; return whether the task is still wanted."""
    if PLUGIN not in worker.plugins:
        await worker.plugin_add(CellsPlugin(), PLUGIN)
    task = worker.state.tasks.get(key)
    return task is not None and task.state == "executing"


def _loop(worker: Worker) -> asyncio.AbstractEventLoop:
    loop = getattr(worker.loop, "asyncio_loop")  # noqa: B009 - tornado's class of it has no types
    assert isinstance(loop, asyncio.AbstractEventLoop)
    return loop


@dataclass(frozen=True, slots=True)
class _Reporter:
    """The observer of one cell, and of the notes about this machine: passes them on to the client of the run."""

    worker: Worker
    run: str
    folder: str = ""

    def _send(self, **message: str) -> None:
        self.worker.log_event(topic(self.run), {"folder": self.folder, "machine": platform.node(), **message})

    def phase(self, name: str) -> None:
        self._send(phase=name)

    def progress(self, bytes_written: int, bytes_read: int) -> None:
        """Report nothing: a message for each read of thousands of cells would load the scheduler."""

    def note(self, sentence: str) -> None:
        self._send(note=sentence)


class _Notes:
    """The observer of all runs on this machine: notes go to the client whose cell runs now."""

    reporter: _Reporter | None = None

    def begin(self, attempt: Attempt, number: int, count: int) -> None: ...
    def phase(self, attempt: Attempt, name: str) -> None: ...
    def progress(self, attempt: Attempt, bytes_written: int, bytes_read: int) -> None: ...
    def end(self, attempt: Attempt, result: Result) -> None: ...

    def note(self, sentence: str) -> None:
        _log.info(sentence)
        if self.reporter is not None:
            self.reporter.note(sentence)


_notes: Final = _Notes()


def _open_workshop() -> Workshop:
    global _workshop  # noqa: PLW0603 - one per process, which Dask owns
    with _workshop_lock:
        if _workshop is None:
            _workshop = Workshop(_notes, _log.info)
        return _workshop


def run_cell(document: dict[str, Any]) -> dict[str, Any]:
    """Run the cell of a job, and return the document of a `Reply`."""
    worker = get_worker()
    key = str(worker.get_current_task())
    reason, hint = refusal(build_of(document), own_build())
    if reason:
        return _refused(worker, reason, hint, always=True)
    job = read_job(document)
    with CELLS.running(key, job.run) as stop:
        wanted = asyncio.run_coroutine_threadsafe(_watch_task(worker, key), _loop(worker))
        if not wanted.result():
            stop.end_in_order()
        scratch = Path(tempfile.mkdtemp(prefix="testbed-", dir=worker.local_directory))
        try:
            return _run(worker, key, job, scratch, stop)
        except HostError as error:
            return _refused(worker, error.message, error.hint)
        finally:
            if CELLS.parcel(key) is None:
                shutil.rmtree(scratch, ignore_errors=True)


def _run(worker: Worker, key: str, job: Job, scratch: Path, stop: Stop) -> dict[str, Any]:
    reporter = _notes.reporter = _Reporter(worker, job.run, job.folder)
    workshop = _open_workshop()
    workshop.sweep()
    folder = scratch / job.run
    folder.mkdir()
    workshop.execute(job, folder, reporter, stop)
    parcel = scratch / "parcel"
    size_bytes = pack(folder / job.folder, parcel)
    shutil.rmtree(folder)
    whole = size_bytes <= MESSAGE_BYTES
    if not whole:
        CELLS.keep_parcel(key, parcel)
    return Reply(
        worker.address,
        _machine(workshop),
        parcel=parcel.read_bytes() if whole else b"",
        ticket="" if whole else key,
        parcel_bytes=size_bytes,
    ).document()


def _machine(workshop: Workshop) -> dict[str, Any]:
    return {"name": platform.node(), **workshop.facts()}


def _refused(worker: Worker, reason: str, hint: str, *, always: bool = False) -> dict[str, Any]:
    machine = {"name": platform.node()}
    return Reply(worker.address, machine, refusal=reason, hint=hint, always=always).document()


def end_cells(run: str) -> list[str]:
    """Request that the cells of a run on this worker end in order; return the keys of those that run."""
    return CELLS.end_run(run)


async def sweep_machine() -> None:
    """Remove what dead worker processes of this machine have left; in a thread, because it blocks."""
    if _workshop is not None:
        await asyncio.to_thread(_workshop.sweep)


def probe() -> dict[str, str]:
    """Return the build of this worker."""
    return asdict(own_build())


def piece(ticket: str, offset: int) -> bytes:
    """Return a piece of a parcel; empty at its end. Raises FileNotFoundError when it is not here."""
    parcel = CELLS.parcel(ticket)
    if parcel is None:
        raise FileNotFoundError(ticket)
    with parcel.open("rb") as source:
        source.seek(offset)
        return source.read(PIECE_BYTES)
