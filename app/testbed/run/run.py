"""One run: what precedes its cells, their runner, and what follows them.

Where the cells run is in `site`, the loop in `runner`, what the documents contain in `documents`, the results in
`judging`.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.result import Failure, Result
from testbed.run.documents import junit_xml, outcome_document, results_csv, run_document
from testbed.run.executor import Executor, RunObserver
from testbed.run.folder import RunFolder, new_run_id, write_text
from testbed.run.judging import Judge
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
    ) -> None:
        """`observer` is called from several threads, if `rules` allow several cells at the same time."""
        self._site = site
        self._observer = observer
        self._output = output
        self._rules = rules or Rules()
        self._stop = stop or Stop()
        self._surroundings = surroundings or Surroundings()

    def run(self, scenario: Scenario) -> RunReport:
        """Run all cells; raises HostError when not even the first one can begin."""
        run = new_run_id()
        facts = self._site.open(run, scenario)
        folder = RunFolder(self._output, run)
        folder.point_latest()
        document = run_document(run, scenario, facts)
        folder.write_json("run.json", document)
        folder.write_files("files", scenario.files)
        report = RunReport(run, folder.path)
        # Subscribed until the documents are written: no interruption raises an exception meanwhile.
        with ThreadPoolExecutor(1) as pool, self._stop.listening():
            judge = Judge(pool, scenario.cells)
            try:
                self._run_cells(report, scenario, self._site.executor(judge), judge)
            except BaseException:
                self._observer.note(f"the raw files collected so far are in {folder.path}")
                raise
            finally:
                report.kept = self._site.kept
                document |= self._site.close(complete=len(report.last) >= len(scenario.cells))
                _write_documents(folder, scenario, document, report)
        return report

    def _run_cells(self, report: RunReport, scenario: Scenario, executor: Executor, judge: Judge) -> None:
        runner = Runner(executor, self._observer, self._stop, rules=self._rules, surroundings=self._surroundings)
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
