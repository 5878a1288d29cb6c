"""How a run comes to its cells: how they were selected, what an earlier process has finished, what may be reused."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from testbed.errors import InputError
from testbed.run.summary import Summary
from testbed.scenario.expand import PlannedCell

_FACTS: Final = ("versions", "engine", "kernel", "sysctls", "images")
"""What `run.json` has about the machine and the software of a run."""


@dataclass(frozen=True, slots=True)
class Continued:
    """A run to be continued: its folder, its `run.json`, and the attempts that are kept."""

    path: Path
    document: Mapping[str, Any]
    kept: tuple[Summary, ...]
    clear: Callable[[], None] = lambda: None
    """Leaves nothing but what is kept, on the disk."""


class Reuse(Protocol):
    """Where results of earlier runs come from."""

    def take(
        self, cells: Sequence[PlannedCell], inputs: Callable[[PlannedCell], str], run: Path
    ) -> Iterator[tuple[PlannedCell, Summary]]:
        """Make the folders of cells that an earlier run has already; yield each with its summary when it is complete.

        `inputs` returns the digest of a cell, `run` is the run folder.
        """


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The same for all cells of a run; `selection` is that of `run.json`."""

    selection: Mapping[str, Any] = field(default_factory=dict)
    continued: Continued | None = None
    reuse: Reuse | None = None

    @property
    def kept(self) -> tuple[Summary, ...]:
        """Return the attempts that are not repeated."""
        return self.continued.kept if self.continued else ()

    def document(self, new: Mapping[str, Any]) -> dict[str, Any]:
        """Return `run.json` before the first cell, from that of a new run; raises InputError on another kernel."""
        if self.continued is None:
            return {**new, **({"selection": dict(self.selection)} if self.selection else {})}
        return continued_document(self.continued.document, new)


def facts_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a `run.json` has about the machine and the software of its run."""
    return {name: document[name] for name in _FACTS if name in document}


def machines_of(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the facts of each machine of a run, by the name of the machine."""
    own = {str(document["machine_name"]): facts_of(document)} if document.get("machine_name") else {}
    return {**own, **(document.get("machines") or {})}


def continued_document(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `run.json` of a run that is continued, `now` being that of a new run here and now.

    Plan, selection and the facts of other machines stay. The kernel of this machine must be the same; `resumed` has
    what else may have changed.
    """
    here = str(now["machine_name"])
    known = machines_of(before).get(here)
    if known is not None and known.get("kernel") != now.get("kernel"):
        raise InputError(
            [f"continue {before['run']}: it ran on kernel {known.get('kernel')}, this machine has {now.get('kernel')}"],
            hint="start a new run, so that figures of different kernels are not mixed",
        )
    machines = machines_of(before) | ({} if known else {here: facts_of(now)})
    machines.pop(str(before.get("machine_name", "")), None)
    times = [*before.get("resumed", ()), {"machine_name": here, **facts_of(now)}]
    return {**before, "resumed": times} | ({"machines": machines} if machines else {})
