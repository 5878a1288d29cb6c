"""One run: its folder, its images, its cells one after another, its documents."""

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from testbed.errors import EngineLostError, HostError
from testbed.ownership import RUN, this_process
from testbed.result import CellRecord, Failure, ImageUsed, Result
from testbed.run.cell import CellRun, Keep, Observer, Outcome
from testbed.run.compliance import check_contract
from testbed.run.contract import EMULATED_SLOWNESS, endpoint_environment, patience, sidecar_environment
from testbed.run.documents import junit_xml, results_csv
from testbed.run.folder import RunFolder, new_run_id, write_json, write_text
from testbed.run.host import host_facts
from testbed.run.machines import HostOnly, Place, Places
from testbed.scenario.ends import ROLES
from testbed.scenario.expand import PlannedCell, Scenario
from testbed.scenario.model import HOST
from testbed.stack.cell import End, Identity, NoTunError, ordinary_user
from testbed.stack.clean import leftovers, remove_all
from testbed.stack.images import Images
from testbed.stack.ports import Image, Runtime
from testbed.units import pluralize

if TYPE_CHECKING:
    from types import ModuleType

OURS: Final = ("py", "c")


class _Analysis:
    """The analysis, whose import takes longer than everything else: it is done while a cell waits for its sidecars."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._module: Future[ModuleType] | None = None

    def begin(self) -> None:
        """Begin to import it, once."""
        if self._module is None:
            self._module = self._pool.submit(importlib.import_module, "testbed.evaluation.cell")

    def of(self, folder: Path) -> Result:
        """Return the result of a cell."""
        self.begin()
        assert self._module is not None
        result: Result = self._module.result().analyse(folder)
        return result


class RunObserver(Observer, Protocol):
    """Who looks on while a run goes from cell to cell."""

    def begin(self, planned: PlannedCell, number: int, count: int) -> None:
        """Take note that a cell begins."""

    def end(self, planned: PlannedCell, result: Result) -> None:
        """Take note of a cell's result."""

    def note(self, sentence: str) -> None:
        """Take note of something that the user may want to know."""


@dataclass(slots=True)
class RunReport:
    """What came of a run."""

    run: str
    folder: Path
    results: list[Result] = field(default_factory=list)
    failures: list[Failure | None] = field(default_factory=list)
    kept: bool = False
    left: bool = False
    """A cell could not remove something."""


class Run:
    """One run under way; `engine_version` is what the engine says of itself."""

    def __init__(
        self,
        engine: Runtime,
        images: Images,
        observer: RunObserver,
        *,
        output: Path,
        keep: Keep = "never",
        engine_version: dict[str, Any] | None = None,
        places: Places | None = None,
    ) -> None:
        self._engine = engine
        self._images = images
        self._observer = observer
        self._output = output
        self._keep: Keep = keep
        self._engine_version = engine_version or {}
        self._places = places or HostOnly(engine)
        self._owner = this_process()
        self._without_tun: set[str] = set()
        """Kernels whose machine has no TUN device."""
        self._used: dict[str, tuple[str, Image]] = {}
        self._files: Mapping[str, bytes] = {}

    def sweep(self) -> None:
        """Remove what runs of this host have left whose process has ended without cleaning up."""
        found = leftovers(self._engine, self._owner, kept=False)
        if not found:
            return
        for failure in remove_all(self._engine, [each.handle for each in found]):
            self._observer.note(f"left by a dead run: {failure.message}")
        runs = sorted({each.labels[RUN] for each in found})
        ended = "process has ended" if len(runs) == 1 else "processes have ended"
        self._observer.note(f"removed {pluralize(len(found), 'leftover')} of {', '.join(runs)}, whose {ended}")

    def run(self, scenario: Scenario) -> RunReport:
        """Carry all cells out; raises HostError when not even the first can begin."""
        run = new_run_id()
        self._files = scenario.files
        with ThreadPoolExecutor(1) as pool:
            return self._run(run, scenario, _Analysis(pool))

    def _run(self, run: str, scenario: Scenario, analysis: _Analysis) -> RunReport:
        self.sweep()
        if self._keep != "never" and any(planned.cell.kernel != HOST for planned in scenario.cells):
            self._observer.note("nothing is kept of cells in a guest, which is gone when they are done")
        self._prepare(scenario.cells, run)
        folder = RunFolder(self._output, run)
        folder.point_latest()
        document = self._document(run, scenario)
        folder.write_json("run.json", document)
        folder.write_files("files", scenario.files)
        report = RunReport(run, folder.path)
        clean = False
        try:
            cells = _kernel_by_kernel(scenario.cells)
            for number, planned in enumerate(cells, 1):
                self._observer.begin(planned, number, len(cells))
                self._cell(report, folder, planned, analysis)
            _judge_pairs(report, cells, folder, analysis)
            clean = not report.left
        except BaseException:
            self._observer.note(f"what was collected is in {folder.path}")
            raise
        finally:
            if not (report.kept or clean):
                self._remove_rest(run)
            self._write_documents(folder, scenario, document, report)
        return report

    def _write_documents(
        self, folder: RunFolder, scenario: Scenario, document: dict[str, Any], report: RunReport
    ) -> None:
        folder.write_json("run.json", document | _outcome(report.results))
        if len(scenario.cells) > 1:
            write_text(folder.path / "results.csv", results_csv(report.results))
            write_text(folder.path / "junit.xml", junit_xml(scenario.name, report.results))

    def _prepare(self, cells: Sequence[PlannedCell], run: str) -> None:
        self._used["netem"] = self._images.ours("netem")
        for planned in cells:
            for role in ROLES:
                program = getattr(planned.cell, role)
                key = f"{program} {role}" if program in OURS else program
                if key in self._used:
                    continue
                self._used[key] = self._images.program(program, role)
                if program not in OURS:
                    check_contract(self._engine, Identity(run, "contract", self._owner), *self._used[key])

    def _image(self, planned: PlannedCell, role: str) -> tuple[str, Image]:
        program = getattr(planned.cell, role)
        return self._used[f"{program} {role}" if program in OURS else program]

    def _place(self, planned: PlannedCell) -> Place:
        tags = [self._image(planned, role)[0] for role in ROLES]
        return self._places.at(planned.cell.kernel, [*tags, self._used["netem"][0]])

    def _ends(self, planned: PlannedCell, *, emulated: bool) -> dict[str, End]:
        ends: dict[str, End] = {}
        for role in ROLES:
            tag, image = self._image(planned, role)
            ends[role] = End(
                image=tag,
                user=ordinary_user(image.user),
                environment=endpoint_environment(planned.cell, role),
                sidecar_environment=sidecar_environment(planned.cell, role, emulated=emulated),
                sysctls=planned.cell.sysctls(role),
                files=self._files,
            )
        return ends

    def _cell(self, report: RunReport, folder: RunFolder, planned: PlannedCell, analysis: _Analysis) -> None:
        path = folder.cell(planned.id)
        outcome = Outcome()
        try:
            self._carry_out(report.run, path, planned, outcome, analysis.begin)
        except HostError as error:
            outcome.failure = Failure(kind="environment", message=error.message, hint=error.hint)
        except BaseException:
            outcome.failure = Failure(kind="interrupted", message="the run was interrupted")
            raise
        finally:
            report.kept = report.kept or outcome.kept
            report.left = report.left or outcome.left
            record = self._record(report.run, planned, outcome)
            write_json(path / "cell.json", record.model_dump())
            result = analysis.of(path)
            write_json(path / "result.json", result.model_dump())
            report.results.append(result)
            report.failures.append(outcome.failure)
        self._observer.end(planned, result)

    def _carry_out(
        self, run: str, path: Path, planned: PlannedCell, outcome: Outcome, meanwhile: Callable[[], None]
    ) -> None:
        place = self._place(planned)
        outcome.machine = place.machine
        cell = partial(
            CellRun,
            place.engine,
            path,
            self._observer,
            outcome,
            meanwhile=meanwhile,
            patience=patience(emulated=place.emulated),
        )
        failure = None
        try:
            identity = Identity(run, planned.id, self._owner, keep=self._keep != "never")
            self._carry_out_at(place, cell, identity, planned)
        except HostError as error:
            failure = error
        trouble = place.trouble()
        if trouble is not None:
            # What could not be fetched or removed is gone with the machine.
            outcome.notes.clear()
            outcome.left = outcome.kept = False
            raise trouble
        if failure is not None:
            raise failure

    def _carry_out_at(
        self, place: Place, cell: Callable[[], CellRun], identity: Identity, planned: PlannedCell
    ) -> None:
        slowness = EMULATED_SLOWNESS if place.emulated else 1
        kernel = planned.cell.kernel
        while True:
            try:
                cell().run(
                    identity,
                    self._ends(planned, emulated=place.emulated),
                    self._used["netem"][0],
                    planned.cell.deadline_on(slowness),
                    keep="never" if place.machine else self._keep,
                    tun=kernel not in self._without_tun,
                )
            except NoTunError as error:
                if kernel in self._without_tun:
                    raise
                self._without_tun.add(kernel)
                self._observer.note(f"{error.message}; the cell begins again without that device")
            else:
                return

    def _record(self, run: str, planned: PlannedCell, outcome: Outcome) -> CellRecord:
        used = {role: self._image(planned, role) for role in ROLES} | {"netem": self._used["netem"]}
        return CellRecord(
            run=run,
            id=planned.id,
            requested=planned.cell.requested(),
            impairment={role: planned.cell.impairment(role) for role in ROLES},
            images={name: ImageUsed(tag=tag, id=image.id) for name, (tag, image) in used.items()},
            endings=outcome.endings,
            failure=outcome.failure,
            sidecars=outcome.sidecars,
            notes=outcome.notes,
            phases_s=outcome.phases_s,
            machine=outcome.machine,
        )

    def _document(self, run: str, scenario: Scenario) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "run": run,
            "scenario": scenario.name,
            "description": scenario.description,
            "cells": [{"id": planned.id, "requested": planned.cell.requested()} for planned in scenario.cells],
            "images": {tag: image.id for tag, image in self._used.values()},
            **host_facts(self._engine_version),
        }

    def _remove_rest(self, run: str) -> None:
        # Every cell removes what it made; this is the second line, for what an interruption slipped past the first.
        try:
            rest = self._engine.find(f"{RUN}={run}")
            failures = remove_all(self._engine, [found.handle for found in rest])
        except EngineLostError:
            return  # the cell has said what to do
        except HostError as error:
            failures = [error]
        for failure in failures:
            self._observer.note(f"left behind: {failure.message}; `testbed clean` removes it")


def _kernel_by_kernel(cells: Sequence[PlannedCell]) -> list[PlannedCell]:
    """Return the cells of one kernel after those of another, so that each guest comes up once."""
    kernels = list(dict.fromkeys(planned.cell.kernel for planned in cells))
    return sorted(cells, key=lambda planned: kernels.index(planned.cell.kernel))


def _judge_pairs(report: RunReport, cells: Sequence[PlannedCell], folder: RunFolder, analysis: _Analysis) -> None:
    """Judge again the cells whose twin over the other family was not there yet when they were judged."""
    for at in _before_their_twins([planned.cell.requested() for planned in cells]):
        path = folder.path / cells[at].id
        report.results[at] = analysis.of(path)
        write_json(path / "result.json", report.results[at].model_dump())


def _before_their_twins(requested: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return which of these have a later one that differs in its family only; in one pass, for there may be 10 000."""
    found: list[int] = []
    later: dict[str, set[str]] = {}
    for at in range(len(requested) - 1, -1, -1):
        families = later.setdefault(json.dumps({**requested[at], "family": ""}, sort_keys=True), set())
        if families - {requested[at]["family"]}:
            found.append(at)
        families.add(requested[at]["family"])
    return found[::-1]


def _outcome(results: Sequence[Result]) -> dict[str, Any]:
    engines = {link.engine for result in results for link in result.link.values()}
    return {"engines": sorted(engines), "statuses": {result.cell: result.status for result in results}}
