"""The machines of a cluster as the site of a run; the machine of the client needs no container engine."""

from typing import TYPE_CHECKING, Any, Final

from testbed.cluster.build import own_build
from testbed.cluster.executor import DaskExecutor
from testbed.cluster.port import Cluster
from testbed.cluster.routes import Routes
from testbed.run.contract import hard_limit_s
from testbed.run.executor import Executor, RunObserver
from testbed.run.host import host_facts
from testbed.run.judging import Judge
from testbed.run.runner import Surroundings
from testbed.scenario.expand import PlannedCell, Scenario
from testbed.schedule.admission import Capacity, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

ENOUGH: Final = 1 << 20
"""Processors, for the runner: how many cells run at the same time is what the slots of the workers allow."""

TIMES_LOST: Final = 4
"""How often a cell may be lost with its worker, and begin again elsewhere, within its hard limit."""


class DaskSite:
    """The workers of a cluster."""

    def __init__(self, cluster: Cluster, observer: RunObserver) -> None:
        self._cluster = cluster
        self._observer = observer
        self._routes = Routes(own_build())
        self._run = ""
        self._files: Mapping[str, bytes] = {}
        self._executor: DaskExecutor | None = None

    @property
    def kept(self) -> bool:
        """Return False: workers keep no resources."""
        return False

    @property
    def surroundings(self) -> Surroundings:
        """Return what limits the runner: the slots of all workers, as they come and go."""
        return Surroundings(
            capacity=Capacity(processors=ENOUGH),
            reading=lambda: Reading(slots=self._slots()),
            hard_limit_s=_hard_limit_s,
        )

    def _slots(self) -> int:
        workers = self._cluster.workers()
        # One cell, that waits for a worker, where there is none.
        return max(1, sum(workers[address].slots for address in self._routes.allowed(workers, ())))

    def open(self, run: str, scenario: Scenario) -> None:
        """Compare the builds of the workers with this one; others get no cells, and are named in a note."""
        self._run, self._files = run, scenario.files
        for refusal in self._routes.judge_probes(self._cluster.probe()):
            self._observer.note(f"no cell goes to {refusal}; {refusal.hint}")

    def document(self) -> dict[str, Any]:
        """Return what `run.json` has about the client, and about the machines that have run cells so far."""
        return {"images": {}, **host_facts({}), "machines": dict(self._routes.machines)}

    def inputs(self, planned: PlannedCell) -> str:  # noqa: ARG002 - as the protocol has it
        """Return that it is not known: it depends on the machine that will run the cell, and is in the result."""
        return ""

    def executor(self, judge: Judge) -> Executor:
        """Return the executor of the cluster."""
        self._executor = DaskExecutor(
            self._cluster, self._routes, judge, self._observer, run=self._run, files=self._files
        )
        self._cluster.watch_run(self._run, self._executor.report)
        return self._executor

    def close(self, *, complete: bool) -> None:  # noqa: ARG002 - a lost worker's machine is swept in any case
        """Remove what lost workers have left, as far as another worker runs on their machine."""
        self._cluster.sweep()


def _hard_limit_s(planned: PlannedCell) -> float:
    return TIMES_LOST * hard_limit_s(planned)
