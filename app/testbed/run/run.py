"""One run: what precedes its cells, their runner, and what follows them.

Where the cells run is in `site`, the loop in `runner`, what the documents contain in `documents`, the results in
`judging`.
"""

import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.errors import DiskFullError, HostError
from testbed.result import Failure, Result
from testbed.run.conclusion import conclude, read_result, write_run_document
from testbed.run.documents import run_document
from testbed.run.executor import Attempt, Executor, RunObserver
from testbed.run.folder import create_run_folder, free_text, new_run_id, point_latest, write_files
from testbed.run.index import RunIndex
from testbed.run.judging import Judge
from testbed.run.lock import locked
from testbed.run.retention import Retain, Retaining, has_raw_files
from testbed.run.run_plan import RunPlan
from testbed.run.runner import Runner, Surroundings
from testbed.run.site import Site
from testbed.run.stop import Stop
from testbed.run.summary import Summary
from testbed.scenario.expand import Scenario
from testbed.schedule.scheduler import Rules


@dataclass(slots=True)
class RunReport:
    """The outcome of a run: a summary of each attempt in memory, its result on disk."""

    run: str
    folder: Path
    summaries: list[Summary] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=dict)
    """`run.json`, after the last cell."""

    kept: bool = False

    left_out: int = 0
    """How many cells did not begin, because of --fail-fast or --max-duration."""

    @property
    def last(self) -> list[Summary]:
        """Return the last attempt of each cell."""
        return list({(each.cell, each.repetition): each for each in self.summaries}.values())

    @property
    def flaky(self) -> list[tuple[Summary, Summary]]:
        """Return both attempts of the cells whose second one had another status."""
        first = {(each.cell, each.repetition): each for each in reversed(self.summaries)}
        pairs = ((first[last.cell, last.repetition], last) for last in self.last)
        return [(one, two) for one, two in pairs if one.status != two.status]

    def each_result(self) -> Iterator[Result]:
        """Yield the result of each attempt, one at a time, from the run folder."""
        for summary in self.summaries:
            yield Result.model_validate_json((self.folder / summary.folder / "result.json").read_bytes())

    @property
    def results(self) -> list[Result]:
        """Return all results, for a run of few cells."""
        return list(self.each_result())

    @property
    def failures(self) -> list[Failure | None]:
        """Return why each attempt was not completed."""
        return [result.failure for result in self.each_result()]


class Run:
    """One run in progress, at a site."""

    def __init__(
        self,
        site: Site,
        observer: RunObserver,
        *,
        output: Path,
        rules: Rules | None = None,
        stop: Stop | None = None,
        surroundings: Surroundings | None = None,
        retain: Retain = "all",
    ) -> None:
        """`observer` is called from several threads, if `rules` allow several cells at the same time.

        The captures of a run with several cells are compressed; those of a single cell are for people.
        """
        self._site = site
        self._observer = observer
        self._output = output
        self._rules = rules or Rules()
        self._stop = stop or Stop()
        self._surroundings = surroundings
        self._retain: Retain = retain

    def run(self, scenario: Scenario, how: RunPlan | None = None) -> RunReport:
        """Run all cells, or those that a continued run lacks; raises HostError when not even the first can begin.

        The lock of a new run is held until its documents are written; that of a continued one by the caller.
        """
        how = how or RunPlan()
        name = how.continued.path.name if how.continued else new_run_id()
        self._site.open(name, scenario)
        document = how.document(run_document(name, scenario, self._site.document()) | {"order": self._rules.order_text})
        path = how.continued.path if how.continued else self._output / name
        with ExitStack() as stack:
            if how.continued:
                how.continued.clear()
            else:
                create_run_folder(path)
                stack.enter_context(locked(path))
                write_files(path / "files", scenario.files)
            index = stack.enter_context(RunIndex(path))
            write_run_document(path, document)
            point_latest(path)
            report = RunReport(name, path, summaries=list(how.kept))
            pool = stack.enter_context(ThreadPoolExecutor(1))
            # Subscribed until the documents are written: no interruption raises an exception meanwhile.
            stack.enter_context(self._stop.listening())
            judge = Judge(pool, scenario.cells)
            try:
                self._reuse(how, scenario, report, index)
                executor = Retaining(self._site.executor(judge), self._retain, compressed=len(scenario.cells) > 1)
                self._run_cells(report, scenario, executor, index)
                # The judge reads the facts of each cell's machine there.
                write_run_document(path, document | self._site.document())
                names = [each.folder for each in sorted(report.summaries, key=ended)]
                judge.judge_pairs(path, names, lambda name: has_raw_files(path / name))
            except BaseException as error:
                self._end_early(report, scenario, document, error)
                raise
            self._end(report, scenario, document)
        return report

    def _end(self, report: RunReport, scenario: Scenario, document: dict[str, Any]) -> None:
        """Clean up after the last cell, and write the documents; raises HostError."""
        report.kept = self._site.kept
        self._site.close(complete=len(report.last) >= len(scenario.cells))
        document |= self._site.document()
        try:
            report.document = conclude(report.folder, document, report.summaries)
        except DiskFullError as error:
            error.hint = _hint_of_a_full_disk(report.folder)
            raise

    def _end_early(self, report: RunReport, scenario: Scenario, document: dict[str, Any], error: BaseException) -> None:
        """End a run because of an error, which its caller raises: what the documents meet then does not replace it."""
        is_full = isinstance(error, DiskFullError)
        if isinstance(error, DiskFullError):
            error.hint = _hint_of_a_full_disk(report.folder)
        else:
            self._observer.note(f"the raw files collected so far are in {report.folder}")
        try:
            self._end(report, scenario, document)
        except HostError as second:
            if not is_full:
                self._observer.note(second.message)

    def _reuse(self, how: RunPlan, scenario: Scenario, report: RunReport, index: RunIndex) -> None:
        """Take the results that earlier runs have, and record them as the runner records those of its cells."""
        if how.reuse is None:
            return
        finished = {summary.folder for summary in report.summaries}
        pending = [planned for planned in scenario.cells if planned.folder not in finished]
        for planned, summary in how.reuse.take(pending, self._site.inputs, report.folder):
            index.append(summary)
            report.summaries.append(summary)
            attempt = Attempt(planned, 1, report.folder / planned.folder)
            self._observer.end(attempt, read_result(attempt.folder))

    def _run_cells(self, report: RunReport, scenario: Scenario, executor: Executor, index: RunIndex) -> None:
        before = list(report.summaries)
        runner = Runner(
            executor,
            self._observer,
            self._stop,
            rules=self._rules,
            index=index,
            finished=before,
            surroundings=self._surroundings or self._site.surroundings,
        )
        try:
            runner.run(scenario.cells, report.folder)
        finally:
            report.summaries = in_order([*before, *runner.summaries], scenario)
            report.left_out = runner.left_out


def _hint_of_a_full_disk(run: Path) -> str:
    resume = f"testbed matrix --resume {shlex.quote(str(run))}"
    return f"{free_text(run)}; the finished cells are intact: free some space there, then {resume}"


def ended(summary: Summary) -> int:
    """Return when an attempt ended."""
    return summary.ended_ns


def in_order(summaries: list[Summary], scenario: Scenario) -> list[Summary]:
    """Return the summaries in the order of the scenario's cells, whatever the order in which they ended."""
    order = {planned.id: number for number, planned in enumerate(scenario.cells)}
    return sorted(summaries, key=lambda each: (order[each.cell], each.repetition, each.attempt))
