"""The executor over a cluster that refuses, loses and kills: each attempt has one result, whatever happens."""

import json
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from testbed.cluster.build import own_build
from testbed.cluster.executor import MOST_SUBMISSIONS, DaskExecutor
from testbed.cluster.job import Build, Reply, read_job
from testbed.cluster.parcel import pack
from testbed.cluster.port import ParcelLostError, TaskEnd, WorkerState
from testbed.cluster.routes import Routes
from testbed.errors import HostError
from testbed.result import Failure, Result
from testbed.run.cell import CellOutcome
from testbed.run.documents import cell_record
from testbed.run.executor import Attempt
from testbed.run.folder import create_cell_folder, write_json
from testbed.run.judging import Judge
from testbed.run.stop import Stop
from testbed.scenario.expand import expand

Answer = Callable[[Mapping[str, Any]], TaskEnd | None]


@dataclass
class FakeTask:
    ended: TaskEnd | None
    forgotten: bool = False

    def on_end(self, callback: Callable[[], None]) -> None:
        if self.ended is not None:
            callback()

    def end(self) -> TaskEnd:
        assert self.ended is not None
        return self.ended

    def forget(self) -> None:
        self.forgotten = True


@dataclass
class FakeCluster:
    """Answers each submission with the next of its answers, or the last one; an answer of None never ends."""

    answers: list[Answer]
    known: dict[str, WorkerState] = field(default_factory=lambda: {name: WorkerState(name, 1) for name in "ab"})
    submitted: list[tuple[str, list[str] | None]] = field(default_factory=list)
    tasks: list[FakeTask] = field(default_factory=list)
    builds: dict[str, Build | str] = field(default_factory=dict)
    lost_pieces: int = 0
    reconnected: int = 0
    running: set[str] = field(default_factory=set)
    parcels: dict[str, bytes] = field(default_factory=dict)
    begun: threading.Event = field(default_factory=threading.Event)

    def workers(self) -> Mapping[str, WorkerState]:
        return self.known

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    def watch_run(self, run: str, report: object) -> None: ...

    def probe(self) -> Mapping[str, Build | str]:
        return self.builds

    def submit(self, key: str, document: Mapping[str, Any], *, guest: bool, only: Collection[str] | None) -> FakeTask:
        self.submitted.append((key, None if only is None else sorted(only)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.tasks.append(FakeTask(answer(document)))
        self.begun.set()
        return self.tasks[-1]

    def reconnect(self) -> None:
        self.reconnected += 1

    def end_cells(self, run: str) -> Collection[str]:
        return self.running

    def sweep(self) -> None: ...

    def piece(self, worker: str, ticket: str, offset: int) -> bytes:
        if self.lost_pieces:
            self.lost_pieces -= 1
            raise ParcelLostError("gone")
        return self.parcels[ticket][offset : offset + 100]


class Notes:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def begin(self, attempt: object, number: int, count: int) -> None: ...
    def end(self, attempt: object, result: object) -> None: ...
    def phase(self, *_: object) -> None: ...
    def progress(self, *_: object) -> None: ...

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


class Bench:
    def __init__(self, folder: Path, pool: ThreadPoolExecutor, *answers: str, **state: Any) -> None:
        self.folder = folder
        self.judge = Judge(pool, ())
        self.cluster = FakeCluster([getattr(self, answer) for answer in answers], **state)
        self.observer = Notes()
        self.stop = Stop()
        self.routes = Routes(own_build())
        self.executor = DaskExecutor(
            self.cluster, self.routes, self.judge, self.observer, run="run", files={}, no_worker_s=0.0
        )

    def execute(self) -> Result:
        planned = expand({})[0]
        return self.executor.execute(Attempt(planned, 1, self.folder / "run" / planned.folder), Notes(), self.stop)

    def done(self, document: Mapping[str, Any], *, ticket: str = "") -> TaskEnd:
        job = read_job(document)
        there = self.folder / f"worker{len(self.cluster.submitted)}" / job.folder
        create_cell_folder(there)
        for role in ("client", "server"):
            (there / role / "stdout.log").touch()
        write_json(there / "cell.json", cell_record(job.run, job.planned, {}, CellOutcome()).model_dump())
        self.judge.judge(there)
        size_bytes = pack(there, there.with_suffix(".parcel"))
        data = there.with_suffix(".parcel").read_bytes()
        self.cluster.parcels[ticket] = data
        machine = {"name": "m", "id": "1.1"}
        reply = Reply("a", machine, parcel=b"" if ticket else data, ticket=ticket, parcel_bytes=size_bytes)
        return TaskEnd("reply", reply.document())

    def large(self, document: Mapping[str, Any]) -> TaskEnd:
        return self.done(document, ticket="t")

    def refused_by_a(self, _document: object) -> TaskEnd:
        return TaskEnd("reply", Reply("a", {"name": "m"}, refusal="no such image", hint="pull it").document())

    def refused_by_b(self, _document: object) -> TaskEnd:
        return TaskEnd("reply", Reply("b", {"name": "n"}, refusal="no space left").document())

    def always_refused(self, _document: object) -> TaskEnd:
        return TaskEnd("reply", Reply("a", {"name": "m"}, refusal="its source differs", always=True).document())

    def namesake(self, document: Mapping[str, Any]) -> TaskEnd:
        end = self.done(document)
        assert end.document is not None
        return TaskEnd("reply", {**end.document, "worker": "b", "machine": {"name": "m", "id": "2.1"}})

    def killed(self, _document: object) -> TaskEnd:
        return TaskEnd("killed", message="4 workers that ran it have died")

    def vanished(self, _document: object) -> TaskEnd:
        return TaskEnd("vanished")

    def raised(self, _document: object) -> TaskEnd:
        return TaskEnd("raised", message="ModuleNotFoundError: testbed")

    def pending(self, _document: object) -> None:
        return None


@pytest.fixture
def pool() -> Any:
    with ThreadPoolExecutor(1) as made:
        yield made


def keys(bench: Bench) -> list[str]:
    return [key for key, _ in bench.cluster.submitted]


def test_a_folder_comes_back_and_its_machine_is_known(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    bench = Bench(tmp_path, pool, "done")
    result = bench.execute()
    path = tmp_path / "run" / result.folder
    assert json.loads((path / "result.json").read_text())["cell"] == result.cell
    assert [each.name for each in (tmp_path / "run").iterdir()] == [result.folder]
    assert list(bench.routes.machines) == ["m"]
    assert all(task.forgotten for task in bench.cluster.tasks), "the scheduler need not keep the parcel"


def test_a_large_folder_comes_in_pieces_and_again_if_its_worker_dies(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    bench = Bench(tmp_path, pool, "large", lost_pieces=1)
    result = bench.execute()
    assert result.failure is None
    assert len(keys(bench)) == len(set(keys(bench))) == 2, "a key of its own: Dask remembers the first"
    assert [each.name for each in (tmp_path / "run").iterdir()] == [result.folder]


def test_a_refused_cell_goes_elsewhere(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    bench = Bench(tmp_path, pool, "refused_by_a", "done")
    assert bench.execute().failure is None
    assert [only for _, only in bench.cluster.submitted] == [None, ["b"]]
    assert bench.routes.always == {}


def test_a_cell_that_all_refuse_is_an_error_with_all_reasons(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    result = Bench(tmp_path, pool, "refused_by_a", "refused_by_b").execute()
    assert result.status == "error"
    assert "m: no such image; n: no space left" in result.reason
    assert result.failure is not None
    assert result.failure.hint == "pull it"


def test_a_worker_with_another_build_gets_no_further_cell(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    bench = Bench(tmp_path, pool, "always_refused", "done")
    assert bench.execute().failure is None
    assert list(bench.routes.always) == ["a"]
    assert bench.observer.notes == ["no cell goes to m: its source differs; "]
    alone = Bench(tmp_path / "alone", pool, "always_refused", known={"a": WorkerState("a", 1)})
    with pytest.raises(HostError, match="no worker of the cluster can run cells: m: its source differs"):
        alone.execute()


def test_a_namesake_of_a_machine_is_refused_and_its_result_dropped(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    bench = Bench(tmp_path, pool, "namesake", "done")
    bench.routes.accept_machine({"name": "m", "id": "1.1"})
    assert bench.execute().failure is None
    assert "same name" in bench.observer.notes[0]
    assert [only for _, only in bench.cluster.submitted] == [None, ["a"]]


def test_a_cell_that_kills_its_workers_is_an_error(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    bench = Bench(tmp_path, pool, "killed")
    result = bench.execute()
    assert (result.status, len(keys(bench))) == ("error", 1)
    assert "4 workers that ran it have died" in result.reason


def test_a_vanished_cell_is_submitted_again_but_not_for_ever(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    bench = Bench(tmp_path, pool, "vanished", "vanished", "done")
    assert bench.execute().failure is None
    assert bench.cluster.reconnected == 2
    for_ever = Bench(tmp_path / "ever", pool, "vanished")
    assert "the cluster lost this cell" in for_ever.execute().reason
    assert len(keys(for_ever)) == MOST_SUBMISSIONS


def test_a_worker_without_testbed_is_left_out(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    builds: dict[str, Build | str] = {"a": "ModuleNotFoundError: testbed", "b": own_build()}
    bench = Bench(tmp_path, pool, "raised", "done", builds=builds)
    assert bench.execute().failure is None
    assert [only for _, only in bench.cluster.submitted] == [None, ["b"]]
    unknown = Bench(tmp_path / "unknown", pool, "raised", builds={"a": own_build()})
    assert "ModuleNotFoundError" in unknown.execute().reason


def test_without_workers_the_run_ends_with_a_hint(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    for answer in ("done", "pending"):
        bench = Bench(tmp_path / answer, pool, answer, known={})
        with pytest.raises(HostError, match="no Dask worker") as caught:
            bench.execute()
        assert "docker-slots" in caught.value.hint
        assert not (tmp_path / answer / "run").exists(), "the cell is not finished, and can be resumed"


def test_a_stop_cancels_what_waits(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    bench = Bench(tmp_path, pool, "pending")
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(bench.execute)
        assert bench.cluster.begun.wait(60)
        bench.stop.end_in_order()
        assert "interrupted" in future.result(60).reason
    assert bench.cluster.tasks[0].forgotten


def test_a_stop_awaits_what_runs_and_an_abandoned_cell_is_cancelled(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    planned = expand({})[0]
    bench = Bench(tmp_path, pool, "pending", running={f"testbed-run-{planned.folder}"})
    attempt = Attempt(planned, 1, tmp_path / "run" / planned.folder)
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(bench.execute)
        assert bench.cluster.begun.wait(60)
        bench.stop.end_in_order()
        abandoned = bench.executor.abandon(attempt, Failure(kind="timeout", message="it hangs"))
        assert abandoned.reason == future.result(60).reason
    assert "it hangs" in abandoned.reason
    assert bench.cluster.tasks[0].forgotten
