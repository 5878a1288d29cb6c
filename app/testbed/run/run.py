"""One run: what precedes its cells, their runner, and what follows them.

What precedes is in `preparation`, the loop in `runner`, what the documents contain in `documents`, the results in
`judging`.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.ownership import RUN, this_process
from testbed.result import Failure, Result
from testbed.run.cell import Keep
from testbed.run.documents import junit_xml, outcome_document, results_csv, run_document
from testbed.run.executor import Executor, RunObserver
from testbed.run.folder import RunFolder, new_run_id, write_text
from testbed.run.host import host_facts
from testbed.run.judging import Judge
from testbed.run.local import LocalExecutor, LocalSettings
from testbed.run.machines import HostOnly, Machines
from testbed.run.preparation import prepare_images
from testbed.run.runner import Runner
from testbed.run.stop import Stop
from testbed.run.summary import Summary
from testbed.scenario.expand import Scenario
from testbed.scenario.model import HOST
from testbed.schedule.scheduler import Rules
from testbed.stack.clean import leftovers, remove_all
from testbed.stack.images import Images
from testbed.stack.ports import ContainerEngine
from testbed.units import pluralize


@dataclass(slots=True)
class RunReport:
    """The outcome of a run: a summary of each attempt in memory, its result on disk."""

    run: str
    folder: Path
    summaries: list[Summary] = field(default_factory=list)
    kept: bool = False
    left: bool = False
    """A cell could not remove one of its resources."""

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
    """One run in progress; `engine_version` is the engine's own description of itself."""

    def __init__(
        self,
        engine: ContainerEngine,
        images: Images,
        observer: RunObserver,
        *,
        output: Path,
        keep: Keep = "never",
        engine_version: dict[str, Any] | None = None,
        machines: Machines | None = None,
        rules: Rules | None = None,
        stop: Stop | None = None,
    ) -> None:
        """`observer` is called from several threads, if `rules` allow several cells at the same time."""
        self._engine = engine
        self._images = images
        self._observer = observer
        self._output = output
        self._keep: Keep = keep
        self._engine_version = engine_version or {}
        self._machines = machines or HostOnly(engine)
        self._rules = rules or Rules()
        self._stop = stop or Stop()
        self._owner = this_process()

    def sweep(self) -> None:
        """Remove the leftovers of runs of this host whose process has ended without cleaning up."""
        found = leftovers(self._engine, self._owner, kept=False)
        if not found:
            return
        for failure in remove_all(self._engine, [each.handle for each in found]):
            self._observer.note(f"leftover of a dead run: {failure.message}")
        runs = sorted({each.labels[RUN] for each in found})
        ended = "process has ended" if len(runs) == 1 else "processes have ended"
        self._observer.note(f"removed {pluralize(len(found), 'leftover')} of {', '.join(runs)}, whose {ended}")

    def run(self, scenario: Scenario) -> RunReport:
        """Run all cells; raises HostError when not even the first one can begin."""
        run = new_run_id()
        self.sweep()
        if self._keep != "never" and any(planned.cell.kernel != HOST for planned in scenario.cells):
            self._observer.note("--keep has no effect in a guest VM, which is deleted when its cells are done")
        images = prepare_images(self._engine, self._images, scenario, run, self._owner)
        folder = RunFolder(self._output, run)
        folder.point_latest()
        document = run_document(run, scenario, images.ids(), host_facts(self._engine_version))
        folder.write_json("run.json", document)
        folder.write_files("files", scenario.files)
        report = RunReport(run, folder.path)
        settings = LocalSettings(run, self._owner, images, self._keep, self._engine_version)
        # Subscribed until the documents are written: no interruption raises an exception meanwhile.
        with ThreadPoolExecutor(1) as pool, self._stop.listening():
            judge = Judge(pool, scenario.cells)
            executor = LocalExecutor(settings, self._engine, self._machines, judge, self._observer)
            try:
                self._run_cells(report, scenario, executor, judge)
            except BaseException:
                self._observer.note(f"the raw files collected so far are in {folder.path}")
                raise
            finally:
                report.kept, report.left = executor.kept, executor.left
                if not report.kept and (report.left or len(report.summaries) < len(scenario.cells)):
                    executor.remove_leftovers()
                _write_documents(folder, scenario, document, report)
        return report

    def _run_cells(self, report: RunReport, scenario: Scenario, executor: Executor, judge: Judge) -> None:
        runner = Runner(executor, self._observer, self._stop, rules=self._rules)
        try:
            runner.run(scenario.cells, report.folder)
        finally:
            report.summaries = in_order(runner.summaries, scenario)
            report.left_out = runner.left_out
        judge.judge_pairs(report.folder, [summary.folder for summary in runner.summaries])


def in_order(summaries: list[Summary], scenario: Scenario) -> list[Summary]:
    """Return the summaries in the order of the scenario's cells, whatever the order in which they ended."""
    order = {planned.id: number for number, planned in enumerate(scenario.cells)}
    return sorted(summaries, key=lambda each: (order[each.cell], each.repetition, each.attempt))


def _write_documents(folder: RunFolder, scenario: Scenario, document: dict[str, Any], report: RunReport) -> None:
    results = report.results
    folder.write_json("run.json", document | outcome_document(results))
    if len(scenario.cells) > 1:
        write_text(folder.path / "results.csv", results_csv(results))
        write_text(folder.path / "junit.xml", junit_xml(scenario.name, results))
