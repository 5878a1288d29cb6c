"""The results of a run's cells, made by the analysis, which is imported while the first cell runs."""

import importlib
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.result import Result
from testbed.run.executor import Attempt
from testbed.run.folder import write_json

if TYPE_CHECKING:
    from types import ModuleType


class Judge:
    """The analysis. Its import takes longer than everything else, so a thread imports it while sidecars start."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
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
        result: Result = self._module.result().analyse(folder)
        write_json(folder / "result.json", result.model_dump())
        return result

    def judge_pairs(self, attempts: Sequence[Attempt]) -> list[tuple[Attempt, Result]]:
        """Judge those attempts again whose twin of the other address family did not exist yet; return them.

        `attempts` are in the order in which they ended.
        """
        early = _before_their_twins([attempt.planned.cell.requested() for attempt in attempts])
        return [(attempts[index], self.judge(attempts[index].folder)) for index in early]


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
