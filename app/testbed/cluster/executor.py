"""Execute attempts on the workers of a cluster.

The scheduler of the cluster gives a lost worker's cell to another one. An attempt is submitted again only where the
cluster has lost it, or a worker has refused it; its first complete folder counts, and no other is unpacked.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from testbed.cluster.build import own_build
from testbed.cluster.job import Job, Reply, read_reply
from testbed.cluster.parcel import unpack
from testbed.cluster.port import Cluster, ParcelLostError, TaskEnd
from testbed.cluster.routes import Refusal, Routes
from testbed.errors import HostError, file_attempt
from testbed.result import Circumstances, Failure, Result
from testbed.run.cell import CellOutcome, Observer, interrupted
from testbed.run.documents import cell_record
from testbed.run.executor import Attempt, RunObserver
from testbed.run.folder import create_cell_folder, write_json
from testbed.run.judging import Judge
from testbed.run.stop import Stop, StoppedError
from testbed.scenario.model import HOST

NO_WORKER_S: Final = 120.0
"""A worker that is started again, by its nanny or by hand, registers within seconds; a machine boots in this time."""

MOST_SUBMISSIONS: Final = 8
START_WORKER: Final = 'start workers: dask worker ADDRESS --resources "docker-slots=4" --nthreads 4'


@dataclass(slots=True)
class _Trial:
    """One attempt on its way: who has refused it, and the mailbox on which its thread waits."""

    attempt: Attempt
    stop: Stop
    mailbox: "queue.SimpleQueue[str]" = field(default_factory=queue.SimpleQueue)
    refused: dict[str, Refusal] = field(default_factory=dict)
    abandoned: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while the folder is written: by its thread, or by the one that abandons it, whichever is first."""


class DaskExecutor:
    """The executor of one run; `files` are the tables and traces of its links. `routes` knows the machines."""

    def __init__(
        self,
        cluster: Cluster,
        routes: Routes,
        judge: Judge,
        observer: RunObserver,
        *,
        run: str,
        files: Mapping[str, bytes],
        no_worker_s: float = NO_WORKER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._run = run
        self._files = files
        self._judge = judge
        self._observer = observer
        self._routes = routes
        self._no_worker_s = no_worker_s
        self._clock = clock
        self._trials: dict[str, _Trial] = {}
        self._observers: dict[str, Observer] = {}
        self._end_lock = threading.Lock()
        self._running_at_stop: frozenset[str] | None = None

    def execute(self, attempt: Attempt, observer: Observer, stop: Stop) -> Result:
        """Run one attempt on a worker; see `Executor`.

        Raises HostError, which ends the run, when there has been no worker for two minutes, or the scheduler is lost.
        """
        trial = _Trial(attempt, stop)
        self._trials[attempt.name], self._observers[attempt.name] = trial, observer
        changes = self._cluster.subscribe(lambda: trial.mailbox.put("workers"))
        stops = stop.subscribe(lambda: trial.mailbox.put("stop"))
        try:
            return self._repeat(trial)
        except StoppedError:
            return self._failed(attempt, interrupted())
        finally:
            changes()
            stops()
            del self._trials[attempt.name], self._observers[attempt.name]

    def abandon(self, attempt: Attempt, failure: Failure) -> Result:
        """Write the result of an attempt that hangs; its worker's cell is cancelled."""
        trial = self._trials.get(attempt.name)
        if trial is not None:
            trial.abandoned = True
            trial.mailbox.put("stop")
        return self._failed(attempt, failure)

    def report(self, message: Mapping[str, Any]) -> None:
        """Pass on what a worker reports: a phase of a cell, or a note about its machine."""
        if "phase" in message:
            observer = self._observers.get(str(message.get("folder")))
            if observer is not None:
                observer.phase(str(message["phase"]))
        elif "note" in message:
            self._observer.note(f"{message.get('machine')}: {message['note']}")

    def _repeat(self, trial: _Trial) -> Result:
        for number in count(1):
            if number > MOST_SUBMISSIONS:
                break
            only = self._wait_for_worker(trial)
            if only == []:
                return self._failed(trial.attempt, _no_taker(trial.refused))
            end = self._submit_and_wait(trial, number, only)
            result = self._conclude(trial, end) if end is not None else None
            if result is not None:
                return result
        message = f"the cluster lost this cell {MOST_SUBMISSIONS} times"
        return self._failed(trial.attempt, Failure(kind="environment", message=message, hint="see the scheduler's log"))

    def _wait_for_worker(self, trial: _Trial) -> list[str] | None:
        """Return the only workers to submit to, None for any; an empty list if all have refused this cell.

        Raises StoppedError, and HostError when there has been no worker for too long, or all refuse every cell.
        """
        end_s = self._clock() + self._no_worker_s
        while True:
            workers = self._cluster.workers()
            if self._routes.allowed(workers, trial.refused):
                return self._routes.restriction(workers, trial.refused)
            if workers:
                if all(address in self._routes.always for address in workers):
                    raise _all_refuse(self._routes, workers)
                return []
            self._check_stop(trial)
            self._receive(trial, end_s - self._clock())

    def _receive(self, trial: _Trial, left_s: float | None) -> None:
        """Wait for any message; raises HostError when no time is left."""
        try:
            trial.mailbox.get(timeout=None if left_s is None else max(0.0, left_s))
        except queue.Empty:
            raise HostError(
                f"there has been no Dask worker with docker-slots for {self._no_worker_s:g} s", hint=START_WORKER
            ) from None

    def _check_stop(self, trial: _Trial) -> None:
        if trial.stop.in_order or trial.abandoned:
            raise StoppedError

    def _submit_and_wait(self, trial: _Trial, number: int, only: list[str] | None) -> TaskEnd | None:
        """Return how the task ended; None if it has to be submitted again, because its workers have gone."""
        key = f"testbed-{self._run}-{trial.attempt.name}" + (f"-{number}" if number > 1 else "")
        guest = trial.attempt.planned.cell.kernel != HOST and any(
            worker.guests for worker in self._cluster.workers().values()
        )
        task = self._cluster.submit(key, self._job(trial.attempt).document(), guest=guest, only=only)
        ended = threading.Event()

        def note_end() -> None:
            ended.set()
            trial.mailbox.put("end")

        task.on_end(note_end)
        try:
            self._wait(trial, key, ended, only)
            return task.end() if ended.is_set() else None
        finally:
            task.forget()

    def _wait(self, trial: _Trial, key: str, ended: threading.Event, only: list[str] | None) -> None:
        """Wait for the end of the task; also return if all workers that it may go to have gone."""
        without_s: float | None = None
        while not ended.is_set():
            if trial.abandoned or (trial.stop.in_order and key not in self._end_run()):
                raise StoppedError
            workers = self._cluster.workers()
            if only is not None and not set(only) & set(workers):
                return
            if workers:
                without_s = None
            elif without_s is None:
                without_s = self._clock() + self._no_worker_s
            self._receive(trial, None if without_s is None else without_s - self._clock())

    def _end_run(self) -> frozenset[str]:
        """Request once that all cells of the run end in order; return the keys of those that were running then."""
        with self._end_lock:
            if self._running_at_stop is None:
                self._running_at_stop = frozenset(self._cluster.end_cells(self._run))
            return self._running_at_stop

    def _conclude(self, trial: _Trial, end: TaskEnd) -> Result | None:
        """Return the result of the attempt; None if it has to be submitted again."""
        if end.kind == "reply":
            assert end.document is not None
            return self._take(trial, read_reply(end.document))
        if end.kind == "killed":
            hint = "its folder on the last machine, and the logs of the workers, may say why; other cells continued"
            return self._failed(trial.attempt, Failure(kind="environment", message=end.message, hint=hint))
        if end.kind == "vanished":
            self._check_stop(trial)
            self._cluster.reconnect()
            return None
        # Its function failed before it could answer: a worker without testbed, or with another one.
        if self._note_refusals(self._routes.judge_probes(self._cluster.probe())):
            return None
        failure = Failure(kind="environment", message=end.message, hint="see the log of the workers")
        return self._failed(trial.attempt, failure)

    def _note_refusals(self, refusals: list[Refusal]) -> bool:
        for each in refusals:
            self._observer.note(f"no cell goes to {each}; {each.hint}")
        return bool(refusals)

    def _take(self, trial: _Trial, reply: Reply) -> Result | None:
        """Unpack the folder of a cell that has ended."""
        machine = str(reply.machine.get("name") or reply.worker)
        reason, hint, always = reply.refusal, reply.hint, reply.always
        if not reason:
            reason, always = self._routes.accept_machine(reply.machine), True
            hint = "give each machine a name of its own (hostnamectl)"
        if reason:
            why = Refusal(machine, reason, hint)
            trial.refused[reply.worker] = why
            if always and self._routes.refuse_always(reply.worker, why):
                self._note_refusals([why])
            return None
        folder = trial.attempt.folder
        try:
            with trial.lock:
                if not folder.exists():
                    unpack(self._pieces(reply), folder)
        except ParcelLostError:
            return None
        with file_attempt(f"read {folder / 'result.json'}"):
            return Result.model_validate_json((folder / "result.json").read_bytes())

    def _pieces(self, reply: Reply) -> Iterator[bytes]:
        if not reply.ticket:
            yield reply.parcel
            return
        offset = 0
        while offset < reply.parcel_bytes:
            piece = self._cluster.piece(reply.worker, reply.ticket, offset)
            if not piece:
                raise ParcelLostError(f"fetch a cell's folder from {reply.worker}: it ends at byte {offset}")
            yield piece
            offset += len(piece)

    def _job(self, attempt: Attempt) -> Job:
        planned = attempt.planned
        return Job(
            run=self._run,
            folder=attempt.name,
            id=planned.id,
            repetition=planned.repetition,
            number=attempt.number,
            alone=attempt.alone,
            requested=planned.cell.requested(),
            build=own_build(),
            files=dict(self._files),
        )

    def _failed(self, attempt: Attempt, failure: Failure) -> Result:
        """Write record and result of an attempt without a folder: no worker has completed it."""
        trial = self._trials.get(attempt.name)
        with trial.lock if trial is not None else nullcontext():
            if not attempt.folder.exists():
                create_cell_folder(attempt.folder)
                where = Circumstances(repetition=attempt.planned.repetition, attempt=attempt.number)
                record = cell_record(self._run, attempt.planned, {}, CellOutcome(failure=failure), where)
                write_json(attempt.folder / "cell.json", record.model_dump())
            return self._judge.judge(attempt.folder)


def _no_taker(refused: Mapping[str, Refusal]) -> Failure:
    reasons = list(dict.fromkeys(str(each) for each in refused.values()))
    hints = list(dict.fromkeys(each.hint for each in refused.values() if each.hint))
    return Failure(kind="environment", message="no worker can run it: " + "; ".join(reasons), hint="; ".join(hints))


def _all_refuse(routes: Routes, workers: Mapping[str, object]) -> HostError:
    refusals = [routes.always[address] for address in workers]
    reasons = "; ".join(dict.fromkeys(str(each) for each in refusals))
    return HostError(f"no worker of the cluster can run cells: {reasons}", hint=refusals[0].hint)
