"""Take results from earlier runs: cells with the same inputs need not run again."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from testbed.archive.folders import run_folders
from testbed.archive.trees import share_tree
from testbed.errors import TestbedError
from testbed.result import CellRecord, Isolation
from testbed.run.conclusion import read_result
from testbed.run.folder import folder_bytes, write_json
from testbed.run.index import is_complete, read_index
from testbed.run.retention import Retain, has_raw_files, keeps_raw, settle
from testbed.run.summary import Summary
from testbed.scenario.expand import PlannedCell
from testbed.units import pluralize


@dataclass(frozen=True, slots=True)
class Earlier:
    """A finished attempt of an earlier run."""

    run: Path
    summary: Summary


def is_reusable(summary: Summary, machine_name: str, isolation: Isolation) -> bool:
    """Return whether another run may take this result: passed, not known to have unreliable times, of this machine.

    A run with warm cells may take fresh ones, which share less, but not the other way round. A transfer that is too
    short for its timing to be judged has no known issue.
    """
    return (
        summary.status == "passed"
        and summary.timing_reliable is not False
        and summary.machine_name == machine_name
        and summary.isolation in ("fresh", isolation)
        and bool(summary.inputs)
    )


def find_earlier(
    output: Path,
    wanted: Mapping[str, int],
    machine_name: str,
    isolation: Isolation = "fresh",
    is_usable: Callable[[Path], bool] = is_complete,
) -> dict[str, list[Earlier]]:
    """Return reusable attempts by digest, as many as `wanted` if there are, of the newest runs below a folder.

    No measurement is returned twice: where a run has taken it from another one that is there, the other one counts. A
    run whose index cannot be read is left out.
    """
    missing = {digest: count for digest, count in wanted.items() if digest and count > 0}
    found: dict[str, list[Earlier]] = {}
    copies: set[tuple[str, str]] = set()
    for run in run_folders(output):
        if not missing:
            break
        for summary in _newest_first(run):
            if summary.inputs not in missing or not is_reusable(summary, machine_name, isolation):
                continue
            if summary.reused_from:
                copy = summary.reused_from, summary.inputs
                if copy in copies or (output / summary.reused_from).is_dir():
                    continue
                copies.add(copy)
            if is_usable(run / summary.folder):
                found.setdefault(summary.inputs, []).append(Earlier(run, summary))
                missing[summary.inputs] -= 1
                if not missing[summary.inputs]:
                    del missing[summary.inputs]
    return found


def _newest_first(run: Path) -> Iterator[Summary]:
    try:
        index = read_index(run)
    except TestbedError:
        return
    if index is not None:
        yield from reversed(list(index.by_folder.values()))


def take(earlier: Earlier, planned: PlannedCell, run: Path, ended_ns: int) -> Summary:
    """Make the folder of a planned cell from an earlier result; return its summary, not yet in the index.

    Raises HostError, OSError and ValueError; then the folder is not complete.
    """
    source, target = earlier.run / earlier.summary.folder, run / planned.folder
    origin = earlier.summary.reused_from or earlier.run.name
    record = CellRecord.model_validate_json((source / "cell.json").read_bytes())
    result = read_result(source)
    marks = {"run": run.name, "repetition": planned.repetition, "attempt": 1, "reused_from": origin}
    share_tree(source, target)
    write_json(target / "cell.json", record.model_copy(update={**marks, "id": planned.id}).model_dump())
    write_json(target / "result.json", result.model_copy(update={**marks, "cell": planned.id}).model_dump())
    return replace(
        earlier.summary,
        folder=planned.folder,
        cell=planned.id,
        repetition=planned.repetition,
        attempt=1,
        reused_from=origin,
        ended_ns=ended_ns,
    )


class EarlierRuns:
    """The runs below a folder, as the source of results for `testbed.run.run_plan.Reuse`."""

    def __init__(
        self,
        output: Path,
        machine_name: str,
        isolation: Isolation,
        note: Callable[[str], None],
        retain: Retain = "all",
    ) -> None:
        """`retain` is what the run that takes them keeps: where it keeps raw files, a result must have them."""
        self._output = output
        self._machine_name = machine_name
        self._isolation: Isolation = isolation
        self._note = note
        self._retain: Retain = retain
        self._without_raw = 0

    def take(
        self, cells: Sequence[PlannedCell], inputs: Callable[[PlannedCell], str], run: Path
    ) -> Iterator[tuple[PlannedCell, Summary]]:
        """Make the folders of cells that an earlier run has already; yield each with its summary when it is complete.

        A result that cannot be taken, because it is damaged, is noted, and its cell is to be run.
        """
        digests = [inputs(planned) for planned in cells]
        wanted = Counter(digests)
        found = find_earlier(self._output, wanted, self._machine_name, self._isolation, self._is_usable)
        if self._without_raw:
            count = pluralize(self._without_raw, "earlier result")
            self._note(f"{count} not reused: their runs have not retained the raw files, and this one does")
        for planned, digest in zip(cells, digests, strict=True):
            if not found.get(digest):
                continue
            earlier = found[digest].pop(0)
            try:
                yield planned, self._settle(run, take(earlier, planned, run, time.time_ns()))
            except (TestbedError, OSError, ValueError) as error:
                shutil.rmtree(run / planned.folder, ignore_errors=True)
                source = f"{earlier.run.name}/{earlier.summary.folder}"
                self._note(f"{source} is not reused: {str(error).splitlines()[0]}")

    def _is_usable(self, folder: Path) -> bool:
        """Return whether a result, which has passed, is complete and has what this run retains of it."""
        if not is_complete(folder):
            return False
        if self._retain != "all" or has_raw_files(folder):
            return True
        self._without_raw += 1
        return False

    def _settle(self, run: Path, summary: Summary) -> Summary:
        """Keep of a result what this run retains; the files of the earlier run stay as they are."""
        folder = run / summary.folder
        result = read_result(folder)
        if keeps_raw(self._retain, result):
            return summary
        settle(folder, result, self._retain, compressed=False)
        return replace(summary, bytes=folder_bytes(folder))
