"""Which workers may run a cell, from what they have refused so far. No I/O."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from testbed.cluster.job import Build, refusal
from testbed.cluster.port import WorkerState


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a worker does not run a cell."""

    machine: str
    reason: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.machine}: {self.reason}"


@dataclass(slots=True)
class Routes:
    """Refusals that hold for all cells of a run, and the machines that have answered; thread-safe."""

    own: Build
    always: dict[str, Refusal] = field(default_factory=dict)
    machines: dict[str, dict[str, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def judge_probes(self, answers: Mapping[str, Build | str]) -> list[Refusal]:
        """Note what workers have answered about their builds; return the new refusals."""
        found = []
        for address, answer in answers.items():
            if isinstance(answer, Build):
                reason, hint = refusal(self.own, answer)
            else:
                reason, hint = f"it cannot import testbed ({answer})", "start the worker in the testbed's environment"
            if reason and self.refuse_always(address, Refusal(address, reason, hint)):
                found.append(self.always[address])
        return found

    def refuse_always(self, address: str, why: Refusal) -> bool:
        """Note that a worker runs no cell of this run; return whether that is new."""
        with self._lock:
            return self.always.setdefault(address, why) is why

    def accept_machine(self, facts: Mapping[str, Any]) -> str:
        """Note a machine that has run a cell; return why its result is not accepted, empty if it is."""
        name, id_ = str(facts.get("name", "")), str(facts.get("id", ""))
        with self._lock:
            known = self.machines.setdefault(name, {each: value for each, value in facts.items() if each != "name"})
        # Results name their machine, so its name must be unique. The id names machine and process namespace.
        if known.get("id", "").partition(".")[0] != id_.partition(".")[0]:
            return f"another machine of this cluster has the same name, {name}"
        return ""

    def allowed(self, workers: Mapping[str, WorkerState], refused: Collection[str]) -> list[str]:
        """Return the workers that may run a cell which those in `refused` have refused."""
        return sorted(address for address in workers if address not in self.always and address not in refused)

    def restriction(self, workers: Mapping[str, WorkerState], refused: Collection[str]) -> list[str] | None:
        """Return the only workers that a cell may go to; None if any may, also one that joins later."""
        allowed = self.allowed(workers, refused)
        return None if len(allowed) == len(workers) else allowed
