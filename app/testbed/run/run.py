"""One run: the loop over its cells, one after another, each on the machine of its kernel.

What precedes the loop is in `preparation`, what the documents contain in `documents`, the results in `judging`.
"""

import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from testbed.errors import CapabilityError, EngineLostError, HostError
from testbed.ownership import RUN, ResourceLabels, this_process
from testbed.result import Failure, Result
from testbed.run.cell import CellOutcome, CellRun, Keep, Observer
from testbed.run.contract import EMULATED_SLOWNESS, timeout_scale
from testbed.run.documents import cell_record, junit_xml, outcome_document, results_csv, run_document
from testbed.run.folder import RunFolder, new_run_id, write_json, write_text
from testbed.run.host import has_device, host_facts
from testbed.run.judging import Judge
from testbed.run.machines import HostOnly, Machine, Machines
from testbed.run.preparation import PreparedImages, prepare_images
from testbed.scenario.expand import PlannedCell, Scenario
from testbed.scenario.model import HOST
from testbed.stack.clean import leftovers, remove_all
from testbed.stack.images import Images
from testbed.stack.ports import ContainerEngine
from testbed.stack.tun import TUN, has_tun
from testbed.units import pluralize


class RunObserver(Observer, Protocol):
    """The observer of a run's progress."""

    def begin(self, planned: PlannedCell, number: int, count: int) -> None:
        """Observe that a cell begins."""

    def end(self, planned: PlannedCell, result: Result) -> None:
        """Observe the result of a cell."""

    def note(self, sentence: str) -> None:
        """Observe something that the user should know."""


@dataclass(slots=True)
class RunReport:
    """The results of a run."""

    run: str
    folder: Path
    results: list[Result] = field(default_factory=list)
    failures: list[Failure | None] = field(default_factory=list)
    kept: bool = False
    left: bool = False
    """A cell could not remove one of its resources."""


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
    ) -> None:
        self._engine = engine
        self._images = images
        self._observer = observer
        self._output = output
        self._keep: Keep = keep
        self._engine_version = engine_version or {}
        self._machines = machines or HostOnly(engine)
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
        clean = False
        try:
            with ThreadPoolExecutor(1) as pool:
                self._run_cells(report, folder, scenario, images, Judge(pool))
            clean = not report.left
        except BaseException:
            self._observer.note(f"the raw files collected so far are in {folder.path}")
            raise
        finally:
            if not (report.kept or clean):
                self._remove_leftovers(run)
            _write_documents(folder, scenario, document, report)
        return report

    def _run_cells(
        self, report: RunReport, folder: RunFolder, scenario: Scenario, images: PreparedImages, judge: Judge
    ) -> None:
        cells = _kernel_by_kernel(scenario.cells)
        for number, planned in enumerate(cells, 1):
            self._observer.begin(planned, number, len(cells))
            result = self._run_cell(report, folder.cell(planned.id), planned, images, judge)
            self._observer.end(planned, result)
        judge.judge_pairs(report.results, cells, folder.path)

    def _run_cell(
        self, report: RunReport, path: Path, planned: PlannedCell, images: PreparedImages, judge: Judge
    ) -> Result:
        outcome = CellOutcome()
        try:
            self._run_on_machine(report.run, path, planned, images, outcome, while_waiting=judge.prepare)
        except HostError as error:
            outcome.failure = Failure(kind="environment", message=error.message, hint=error.hint)
        except BaseException:
            outcome.failure = Failure(kind="interrupted", message="the run was interrupted")
            raise
        finally:
            report.kept = report.kept or outcome.kept
            report.left = report.left or outcome.left
            record = cell_record(report.run, planned, images.of_cell(planned), outcome)
            write_json(path / "cell.json", record.model_dump())
            result = judge.judge(path)
            report.results.append(result)
            report.failures.append(outcome.failure)
        return result

    def _run_on_machine(
        self,
        run: str,
        path: Path,
        planned: PlannedCell,
        images: PreparedImages,
        outcome: CellOutcome,
        *,
        while_waiting: Callable[[], None],
    ) -> None:
        machine = self._machines.at(planned.cell.kernel, images.tags(planned))
        outcome.machine = machine.facts
        attempt = partial(
            self._attempt, machine, run, path, planned, images=images, outcome=outcome, while_waiting=while_waiting
        )
        try:
            attempt()
        except CapabilityError as error:
            if planned.cell.realtime == "require":
                raise
            machine.real_time = False
            self._observer.note(f"{error.message}; cells run without it")
            outcome.restart()
            attempt()

    def _attempt(
        self,
        machine: Machine,
        run: str,
        path: Path,
        planned: PlannedCell,
        *,
        images: PreparedImages,
        outcome: CellOutcome,
        while_waiting: Callable[[], None],
    ) -> None:
        cell = CellRun(
            machine.engine,
            path,
            self._observer,
            outcome,
            while_waiting=while_waiting,
            timeout_scale=timeout_scale(emulated=machine.emulated),
        )
        with _machine_failure_first(machine, outcome):
            cell.run(
                ResourceLabels(run, planned.id, self._owner, keep=self._keep != "never"),
                images.endpoints(planned, emulated=machine.emulated, real_time=machine.real_time),
                images.netem_tag,
                planned.cell.deadline_on(EMULATED_SLOWNESS if machine.emulated else 1),
                keep="never" if machine.facts else self._keep,
                tun=partial(self._has_tun, machine, run, images.netem_tag),
            )

    def _has_tun(self, machine: Machine, run: str, image: str) -> bool:
        """Return whether the machine offers TUN; its first cell tries it, unless this host has the device."""
        if machine.tun is None:
            here = not machine.facts and has_device(Path(TUN), self._engine_version, platform.release())
            machine.tun = here or has_tun(machine.engine, ResourceLabels(run, "tun", self._owner), image)
            if not machine.tun:
                name = f"kernel {machine.facts['kernel']}" if machine.facts else "this machine"
                self._observer.note(f"{name} has no {TUN}, so the user emulation engine is unavailable")
        return machine.tun

    def _remove_leftovers(self, run: str) -> None:
        # Every cell removes its own resources; this covers what an interruption prevented.
        try:
            remaining = self._engine.find(f"{RUN}={run}")
            failures = remove_all(self._engine, [found.handle for found in remaining])
        except EngineLostError:
            return  # the cell's note has the hint
        except HostError as error:
            failures = [error]
        for failure in failures:
            self._observer.note(f"left behind: {failure.message}; `testbed clean` removes it")


@contextmanager
def _machine_failure_first(machine: Machine, outcome: CellOutcome) -> Iterator[None]:
    """Raise the failure of a machine in place of the errors that it caused; nothing is left there to be removed."""
    failure = None
    try:
        yield
    except HostError as error:
        failure = error
    machine_failure = machine.failure()
    if machine_failure is not None:
        outcome.notes.clear()
        outcome.left = outcome.kept = False
        raise machine_failure
    if failure is not None:
        raise failure


def _write_documents(folder: RunFolder, scenario: Scenario, document: dict[str, Any], report: RunReport) -> None:
    folder.write_json("run.json", document | outcome_document(report.results))
    if len(scenario.cells) > 1:
        write_text(folder.path / "results.csv", results_csv(report.results))
        write_text(folder.path / "junit.xml", junit_xml(scenario.name, report.results))


def _kernel_by_kernel(cells: Sequence[PlannedCell]) -> list[PlannedCell]:
    """Return the cells grouped by kernel, so that each guest VM boots once."""
    kernels = list(dict.fromkeys(planned.cell.kernel for planned in cells))
    return sorted(cells, key=lambda planned: kernels.index(planned.cell.kernel))
