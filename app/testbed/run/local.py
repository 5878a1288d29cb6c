"""Execute attempts on this machine: its container engine, and guest VMs with other kernels."""

import platform
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from testbed.errors import CapabilityError, DiskFullError, EngineLostError, HostError
from testbed.ownership import RUN, Owner, ResourceLabels
from testbed.result import Circumstances, Failure, Isolation, Result
from testbed.run.cell import CellOutcome, CellRun, Keep, Observer, interrupted
from testbed.run.contract import EMULATED_SLOWNESS, timeout_scale
from testbed.run.crowd import Crowd, Member
from testbed.run.documents import cell_record
from testbed.run.executor import Attempt, RunObserver
from testbed.run.folder import create_cell_folder, write_json
from testbed.run.host import has_device
from testbed.run.judging import Judge
from testbed.run.machines import Machine, Machines
from testbed.run.preparation import PreparedImages
from testbed.run.reconnect import Reconnection
from testbed.run.stop import Stop
from testbed.run.warm import WarmRigs
from testbed.scenario.expand import PlannedCell
from testbed.stack.cancel import CanceledError
from testbed.stack.cell import EndpointSpec
from testbed.stack.clean import remove_all
from testbed.stack.ports import CellEngine, ContainerEngine
from testbed.stack.tun import TUN, has_tun


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What all attempts of a run on this machine share; `engine_version` is the engine's own description of itself."""

    run: str
    owner: Owner
    images: PreparedImages
    keep: Keep = "never"
    engine_version: dict[str, Any] = field(default_factory=dict)
    inputs: Callable[[PlannedCell], str] = lambda _planned: ""
    """The digest of everything that determines a cell; empty if it is not known."""
    pending: Counter[str] = field(default_factory=Counter)
    """How many cells need each kernel, so that a guest stops after its last one."""

    isolation: Isolation = "fresh"
    rigs: WarmRigs | None = None
    """The rigs of warm cells, if they are to outlive the run."""


@dataclass(slots=True)
class _Conclusion:
    """The result of an attempt, written by its own thread or by the one that abandons it, whichever is first."""

    member: Member
    lock: threading.Lock = field(default_factory=threading.Lock)
    result: Result | None = None


class LocalExecutor:
    """The executor of this machine; `kept` and `left` say whether any of its cells left resources behind."""

    def __init__(
        self, settings: LocalSettings, engine: ContainerEngine, machines: Machines, judge: Judge, observer: RunObserver
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._machines = machines
        self._judge = judge
        self._observer = observer
        self._crowd = Crowd()
        self._reconnection = Reconnection(engine, f"{RUN}={settings.run}")
        self._lock = threading.Lock()
        self._open: dict[str, _Conclusion] = {}
        self._rigs = settings.rigs or WarmRigs(settings.run, settings.owner, observer.note)
        self.kept = False
        self.left = False

    def execute(self, attempt: Attempt, observer: Observer, stop: Stop) -> Result:
        """Run one attempt; see `Executor`."""
        create_cell_folder(attempt.folder)
        outcome = CellOutcome()
        with self._crowd.join() as member:
            conclusion = self._open[attempt.name] = _Conclusion(member)
            try:
                self._reconnection.wait(stop)
                self._run(attempt, observer, stop, outcome)
            except CanceledError:
                outcome.failure = interrupted()
            except HostError as error:
                outcome.failure = Failure(kind="environment", message=error.message, hint=error.hint)
                outcome.engine_lost |= isinstance(error, EngineLostError)
                outcome.note_disk_full(error)
            except BaseException:
                outcome.failure = interrupted()
                raise
            finally:
                if outcome.engine_lost:
                    self._reconnection.lost()
                result = self._conclude_in_space(attempt, outcome, conclusion)
                del self._open[attempt.name]
        if outcome.disk_full is not None:
            raise outcome.disk_full
        return result

    def abandon(self, attempt: Attempt, failure: Failure) -> Result:
        """Write the result of an attempt that hangs; see `Executor`."""
        conclusion = self._open.get(attempt.name) or _Conclusion(Member())
        return self._conclude(attempt, CellOutcome(failure=failure, left=True), conclusion)

    def _conclude_in_space(self, attempt: Attempt, outcome: CellOutcome, conclusion: "_Conclusion") -> Result:
        """Conclude the attempt; on a full disk, raises the error of the file that was the first without space."""
        try:
            return self._conclude(attempt, outcome, conclusion)
        except DiskFullError as error:
            outcome.note_disk_full(error)
            raise (outcome.disk_full or error) from None

    def _conclude(self, attempt: Attempt, outcome: CellOutcome, conclusion: "_Conclusion") -> Result:
        """Write the record of the attempt and its result, once."""
        self.kept = self.kept or outcome.kept
        self.left = self.left or outcome.left
        with conclusion.lock:
            if conclusion.result is None:
                conclusion.result = self._write(attempt, outcome, conclusion.member.most)
            return conclusion.result

    def _write(self, attempt: Attempt, outcome: CellOutcome, concurrent_cells: int) -> Result:
        where = Circumstances(
            repetition=attempt.planned.repetition,
            attempt=attempt.number,
            machine_name=platform.node(),
            isolation=self._settings.isolation,
            concurrent_cells=concurrent_cells,
            inputs=self._settings.inputs(attempt.planned),
        )
        images = self._settings.images.of_cell(attempt.planned)
        record = cell_record(self._settings.run, attempt.planned, images, outcome, where)
        write_json(attempt.folder / "cell.json", record.model_dump())
        return self._judge.judge(attempt.folder)

    def _run(self, attempt: Attempt, observer: Observer, stop: Stop, outcome: CellOutcome) -> None:
        """Run the cell on the machine of its kernel, which it may have to boot."""
        kernel = attempt.planned.cell.kernel
        end_subscription = stop.subscribe(self._machines.cancel_boots)
        try:
            with self._machines.lease(kernel, self._settings.images.tags(attempt.planned)) as machine:
                outcome.machine = machine.facts
                self._run_at(machine, attempt, observer, stop, outcome)
        finally:
            end_subscription()
            self._retire(kernel)

    def _retire(self, kernel: str) -> None:
        """Count the cells that still need a kernel; the repetition of one may need its guest again."""
        with self._lock:
            self._settings.pending[kernel] -= 1
            over = not self._settings.pending[kernel]
        if over:
            self._machines.retire(kernel)

    def _run_at(self, machine: Machine, attempt: Attempt, observer: Observer, stop: Stop, outcome: CellOutcome) -> None:
        """Run the cell, again without real time if the engine refuses that."""
        once = partial(self._run_on, machine, attempt, observer, stop, outcome)
        try:
            once()
        except CapabilityError as error:
            if attempt.planned.cell.realtime == "require":
                raise
            with machine.lock:
                first, machine.real_time = machine.real_time, False
            if first:
                self._observer.note(f"{error.message}; cells run without it")
            outcome.restart()
            once()

    def _run_on(self, machine: Machine, attempt: Attempt, observer: Observer, stop: Stop, outcome: CellOutcome) -> None:
        planned, settings = attempt.planned, self._settings
        labels = ResourceLabels(settings.run, attempt.name, settings.owner, keep=settings.keep != "never")
        specs = settings.images.endpoints(planned, emulated=machine.emulated, real_time=machine.real_time)
        deadline_s = planned.cell.deadline_on(EMULATED_SLOWNESS if machine.emulated else 1)
        make = partial(
            CellRun,
            folder=attempt.folder,
            observer=observer,
            outcome=outcome,
            while_waiting=self._judge.prepare,
            timeout_scale=timeout_scale(emulated=machine.emulated),
            stop=stop,
        )
        with _machine_failure_first(machine, outcome):
            if settings.isolation == "warm":
                self._run_warm(machine, make, labels, specs, deadline_s)
                return
            make(machine.engine).run(
                machine.engine,
                labels,
                specs,
                settings.images.netem_tag,
                deadline_s,
                keep="never" if machine.facts else settings.keep,
                tun=partial(self._has_tun, machine),
            )

    def _run_warm(
        self,
        machine: Machine,
        make: Callable[[CellEngine], CellRun],
        labels: ResourceLabels,
        specs: Mapping[str, EndpointSpec],
        deadline_s: float,
    ) -> None:
        tun = partial(self._has_tun, machine)
        with self._rigs.lease(machine, specs, self._settings.images.netem_tag, tun) as lease:
            cell = lease.rig.cell(labels, specs)
            run = make(cell)
            # The sidecars have their capability already, or the rig would not exist.
            run.run_on(cell.stack, deadline_s, keep="never", real_time=False)
            lease.clean = run.outcome.failure is None

    def close(self) -> None:
        """Close the rigs, after the last attempt; those that outlive the run are only left in order."""
        if self._settings.rigs:
            self._rigs.settle()
            return
        self._rigs.close()
        self.left = self.left or self._rigs.left

    def _has_tun(self, machine: Machine) -> bool:
        """Return whether the machine offers TUN; its first cell tries it, unless this host has the device."""
        with machine.lock:
            if machine.tun is None:
                settings = self._settings
                here = not machine.facts and has_device(Path(TUN), settings.engine_version, platform.release())
                labels = ResourceLabels(settings.run, "tun", settings.owner)
                machine.tun = here or has_tun(machine.engine, labels, settings.images.netem_tag)
                if not machine.tun:
                    name = f"kernel {machine.facts['kernel']}" if machine.facts else "this machine"
                    self._observer.note(f"{name} has no {TUN}, so the user emulation engine is unavailable")
            return machine.tun

    def remove_leftovers(self) -> None:
        """Remove what the cells of the run have left; each removes its own, so this is what an error prevented."""
        try:
            remaining = self._engine.find(f"{RUN}={self._settings.run}")
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
