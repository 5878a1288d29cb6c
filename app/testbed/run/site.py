"""Where the cells of a run execute: prepare, execute, clean up. The rest of a run is the same everywhere.

Implementations of `Site`: `LocalSite`, this machine; `testbed.cluster.site`, the workers of a cluster.
"""

from collections import Counter
from typing import Any, Protocol

from testbed.errors import HostError
from testbed.ownership import RUN, this_process
from testbed.result import Isolation
from testbed.run.cell import Keep
from testbed.run.executor import Executor, RunObserver
from testbed.run.host import host_facts
from testbed.run.inputs import Inputs
from testbed.run.judging import Judge
from testbed.run.local import LocalExecutor, LocalSettings
from testbed.run.machines import HostOnly, Machines, guest_facts
from testbed.run.preparation import prepare_images
from testbed.run.runner import Surroundings
from testbed.run.warm import WarmRigs
from testbed.scenario.expand import PlannedCell, Scenario
from testbed.scenario.model import HOST
from testbed.stack.clean import leftovers, remove_all
from testbed.stack.images import Images
from testbed.stack.ports import ContainerEngine
from testbed.units import pluralize


class Site(Protocol):
    """The machines of one run."""

    @property
    def kept(self) -> bool:
        """Return whether `--keep` has preserved resources of a cell."""

    @property
    def surroundings(self) -> Surroundings:
        """Return what the runner has to know of the machines."""

    def open(self, run: str, scenario: Scenario) -> None:
        """Prepare for the cells; raises HostError when not even the first one can begin."""

    def document(self) -> dict[str, Any]:
        """Return what `run.json` has about images and machines, as far as they are known; after `open`."""

    def inputs(self, planned: PlannedCell) -> str:
        """Return the digest of everything that determines a cell here, after `open`; empty if it is not known."""

    def executor(self, judge: Judge) -> Executor:
        """Return the executor of the run's cells, once, after `open`."""

    def close(self, *, complete: bool) -> None:
        """Clean up after the last cell; `complete` says whether all cells have ended by themselves."""


class LocalSite:
    """The container engine of this machine, and guest VMs; `engine_version` is its own description of itself."""

    def __init__(
        self,
        engine: ContainerEngine,
        images: Images,
        observer: RunObserver,
        *,
        keep: Keep = "never",
        isolation: Isolation = "fresh",
        engine_version: dict[str, Any] | None = None,
        machines: Machines | None = None,
        rigs: WarmRigs | None = None,
    ) -> None:
        """`rigs` are those of warm cells, if they are to outlive the run."""
        self._engine = engine
        self._images = images
        self._observer = observer
        self._keep: Keep = keep
        self._isolation: Isolation = isolation
        self._engine_version = engine_version or {}
        self._machines = machines or HostOnly(engine)
        self._rigs = rigs
        self._owner = this_process()
        self._settings: LocalSettings | None = None
        self._facts: dict[str, Any] = {}
        self._executor: LocalExecutor | None = None

    @property
    def kept(self) -> bool:
        """Return whether `--keep` has preserved resources of a cell."""
        return self._executor is not None and self._executor.kept

    @property
    def surroundings(self) -> Surroundings:
        """Return the load of this machine."""
        return Surroundings()

    def open(self, run: str, scenario: Scenario) -> None:
        """Remove leftovers of dead runs, and prepare the images."""
        self.sweep()
        if self._keep != "never" and any(planned.cell.kernel != HOST for planned in scenario.cells):
            self._observer.note("--keep has no effect in a guest VM, which is deleted when its cells are done")
        images = prepare_images(self._engine, self._images, scenario, run, self._owner)
        self._facts = host_facts(self._engine_version)
        inputs = Inputs(images, scenario.files, self._facts, guest_facts)
        pending = Counter(planned.cell.kernel for planned in scenario.cells)
        self._settings = LocalSettings(
            run, self._owner, images, self._keep, self._engine_version, inputs.of, pending, self._isolation, self._rigs
        )

    def document(self) -> dict[str, Any]:
        """Return the ids of the images, versions, kernel and sysctls."""
        assert self._settings is not None
        return {"images": self._settings.images.ids(), **self._facts}

    def inputs(self, planned: PlannedCell) -> str:
        """Return the digest of everything that determines a cell on this machine; empty before a guest VM is built."""
        assert self._settings is not None
        return self._settings.inputs(planned)

    def sweep(self) -> None:
        """Remove the leftovers of runs of this host whose process has ended without cleaning up."""
        sentence, failures = sweep(self._engine)
        for failure in failures:
            self._observer.note(f"leftover of a dead run: {failure.message}")
        if sentence:
            self._observer.note(sentence)

    def executor(self, judge: Judge) -> Executor:
        """Return the executor of this machine."""
        assert self._settings is not None
        self._executor = LocalExecutor(self._settings, self._engine, self._machines, judge, self._observer)
        return self._executor

    def close(self, *, complete: bool) -> None:
        """Remove what an error or an interruption has left."""
        if self._executor is not None:
            self._executor.close()
        if self._executor is not None and not self.kept and (self._executor.left or not complete):
            self._executor.remove_leftovers()


def sweep(engine: ContainerEngine) -> tuple[str, list[HostError]]:
    """Remove the leftovers of runs of this host whose process has ended without cleaning up.

    Returns a sentence, empty if there were none, and the errors of failed removals.
    """
    found = leftovers(engine, this_process(), kept=False)
    if not found:
        return "", []
    failures = remove_all(engine, [each.handle for each in found])
    runs = sorted({each.labels[RUN] for each in found})
    ended = "process has ended" if len(runs) == 1 else "processes have ended"
    return f"removed {pluralize(len(found), 'leftover')} of {', '.join(runs)}, whose {ended}", failures
