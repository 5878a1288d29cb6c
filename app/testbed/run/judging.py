"""The results of a run's cells, made by the analysis, which is imported while the first cell runs."""

import importlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.result import Result
from testbed.run.folder import write_json
from testbed.scenario.expand import PlannedCell

if TYPE_CHECKING:
    from types import ModuleType


class Judge:
    """The analysis. Its import takes longer than everything else, so a thread imports it while sidecars start."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._module: Future[ModuleType] | None = None

    def prepare(self) -> None:
        """Start the import, once."""
        if self._module is None:
            self._module = self._pool.submit(importlib.import_module, "testbed.evaluation.cell")

    def judge(self, folder: Path) -> Result:
        """Analyse the raw files of a cell, write `result.json` beside them and return the result."""
        self.prepare()
        assert self._module is not None
        result: Result = self._module.result().analyse(folder)
        write_json(folder / "result.json", result.model_dump())
        return result

    def judge_pairs(self, results: list[Result], cells: Sequence[PlannedCell], folder: Path) -> None:
        """Judge those cells again whose twin of the other address family did not exist yet."""
        for index in _before_their_twins([planned.cell.requested() for planned in cells]):
            results[index] = self.judge(folder / cells[index].id)


def _before_their_twins(requested: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the indexes of cells with a later twin that differs in its family only; in one pass, for 10 000 cells."""
    found: list[int] = []
    later: dict[str, set[str]] = {}
    for index in range(len(requested) - 1, -1, -1):
        families = later.setdefault(json.dumps({**requested[index], "family": ""}, sort_keys=True), set())
        if families - {requested[index]["family"]}:
            found.append(index)
        families.add(requested[index]["family"])
    return found[::-1]
