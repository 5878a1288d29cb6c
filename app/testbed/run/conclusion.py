"""Write what a run has after its last cell, from the results on disk, one at a time: memory does not grow with them."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed.errors import file_attempt
from testbed.result import Result
from testbed.result_upgrade import upgrade_result
from testbed.run.documents import JunitWriter, ResultsTable
from testbed.run.folder import write_text
from testbed.run.plan_document import run_text
from testbed.run.repeats import Repeats
from testbed.run.summary import Summary


def read_result(folder: Path) -> Result:
    """Return the result in the folder of an attempt, of any version; raises OSError and ValueError."""
    return Result.model_validate(upgrade_result(json.loads((folder / "result.json").read_bytes())))


def read_results(run: Path, folders: Iterable[str]) -> Iterator[Result]:
    """Yield the results of these attempts; one that is missing or damaged is left out."""
    for folder in folders:
        try:
            yield read_result(run / folder)
        except (OSError, ValueError):
            continue


def write_run_document(run: Path, document: Mapping[str, Any]) -> None:
    """Write `run.json` atomically; raises HostError."""
    write_text(run / "run.json", run_text(document))


def conclude(run: Path, document: Mapping[str, Any], summaries: Sequence[Summary]) -> dict[str, Any]:
    """Write `run.json` with the outcome and, for several cells, `results.csv` and `junit.xml`; return the former.

    `summaries` are the attempts, in the order of the tables. Raises HostError.
    """
    last = {(each.cell, each.repetition): each.folder for each in summaries}
    counting = frozenset(last.values())
    outcome = _Outcome()
    several = len(document.get("cells", ())) > 1
    with (
        text_file(run / "results.csv", wanted=several) as table,
        text_file(run / "junit.xml", wanted=several) as report,
    ):
        rows = ResultsTable(table)
        cases = JunitWriter(report, str(document.get("scenario", "")), [s for s in summaries if s.folder in counting])
        for result in read_results(run, (summary.folder for summary in summaries)):
            outcome.add(result, counts=result.folder in counting)
            rows.add(result)
            if result.folder in counting:
                cases.add(result)
        cases.end()
    complete = {**document, **outcome.document(summaries, repeated=len({each.repetition for each in summaries}) > 1)}
    write_run_document(run, complete)
    return complete


class _Outcome:
    """What `run.json` has after the last cell."""

    def __init__(self) -> None:
        self._engines: set[str] = set()
        self._scheduling: set[str] = set()
        self._repeats = Repeats()

    def add(self, result: Result, *, counts: bool) -> None:
        for link in result.link.values():
            self._engines.add(link.engine)
            if link.scheduling is not None:
                self._scheduling.add(link.scheduling)
        if counts:
            self._repeats.add(result)

    def document(self, summaries: Sequence[Summary], *, repeated: bool) -> dict[str, Any]:
        found: dict[str, Any] = {
            "engines": sorted(self._engines),
            "scheduling": sorted(self._scheduling),
            "machine_names": sorted({each.machine_name for each in summaries if each.machine_name}),
            "statuses": {each.folder: each.status for each in summaries},
        }
        return found | ({"repeats": self._repeats.document()} if repeated else {})


@contextmanager
def text_file(path: Path, *, wanted: bool = True) -> Iterator[Callable[[str], object]]:
    """Yield what writes to a file that appears complete, at the end; with `wanted` false, to nothing."""
    if not wanted:
        yield len
        return
    part = path.with_name(f".{path.name}.part")
    with file_attempt(f"write {path}"):
        try:
            with part.open("w", encoding="utf-8", newline="") as out:
                yield out.write
                out.flush()
                os.fsync(out.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
