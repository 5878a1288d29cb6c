"""The results of a run's cells, made by the analysis, which is imported while the first cell runs.

Each cell's own thread judges it. Measured: 20 ms of CPU time, one percent of a short cell;
other threads are 5 ms late meanwhile, the interval at which the interpreter switches. Processes would not pay.
"""

import hashlib
import importlib
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testbed.result import Result, cell_folder
from testbed.run.folder import write_json
from testbed.scenario.expand import PlannedCell

if TYPE_CHECKING:
    from types import ModuleType

SECOND: Final = cell_folder("", attempt=2)


class Judge:
    """The analysis. Its import takes longer than everything else, so a thread imports it while sidecars start."""

    def __init__(self, pool: ThreadPoolExecutor, cells: Sequence[PlannedCell]) -> None:
        """`cells` are those of the run."""
        self._pool = pool
        self._pairs = Pairs(cells)
        self._lock = threading.Lock()
        self._module: Future[ModuleType] | None = None

    def prepare(self) -> None:
        """Start the import, once; from any thread."""
        with self._lock:
            if self._module is None:
                self._module = self._pool.submit(importlib.import_module, "testbed.evaluation.cell")

    def judge(self, folder: Path) -> Result:
        """Analyse the raw files of a cell, write `result.json` beside them and return the result."""
        self.prepare()
        assert self._module is not None
        twins = self._pairs.candidates(folder.name)
        result: Result = self._module.result().analyse(folder, [folder.parent / name for name in twins])
        write_json(folder / "result.json", result.model_dump())
        return result

    def judge_pairs(
        self, folder: Path, names: Sequence[str], can_judge: Callable[[str], bool] = lambda _name: True
    ) -> list[str]:
        """Judge those attempts again whose twin of the other address family ended later; return their names.

        `names` are their folders below `folder`, in the order in which they ended; not those that `can_judge` excludes.
        """
        early = [name for name in self._pairs.before_their_twins(names) if can_judge(name)]
        for name in early:
            self.judge(folder / name)
        return early


class Pairs:
    """The cells of a plan that differ in their address family only: twins, of the same repetition."""

    def __init__(self, cells: Sequence[PlannedCell]) -> None:
        """Take the cells of a plan, up to 100 000 of them."""
        self._twin: dict[str, str] = {}
        others: dict[str, PlannedCell] = {}
        for planned in cells:
            key = json.dumps([{**planned.cell.requested(), "family": ""}, planned.repetition], sort_keys=True)
            other = others.setdefault(hashlib.sha256(key.encode()).hexdigest(), planned)
            if other.cell.family != planned.cell.family:
                self._twin |= {other.folder: planned.folder, planned.folder: other.folder}

    def candidates(self, name: str) -> list[str]:
        """Return the folders in which the twin of an attempt may be: its second attempt, which ran alone, first."""
        twin = self._twin.get(name.removesuffix(SECOND))
        return [] if twin is None else [twin + SECOND, twin]

    def before_their_twins(self, names: Sequence[str]) -> list[str]:
        """Return the attempts that ended before the preferred attempt of their twin, in the same order."""
        position = {name: number for number, name in enumerate(names)}
        found = []
        for number, name in enumerate(names):
            twin = next((each for each in self.candidates(name) if each in position), None)
            if twin is not None and position[twin] > number:
                found.append(name)
        return found
