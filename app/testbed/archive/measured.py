"""What earlier runs on this machine have measured of cells: better than any estimate."""

from collections.abc import Collection
from pathlib import Path

from testbed.archive.folders import run_folders
from testbed.errors import TestbedError
from testbed.run.index import read_index
from testbed.scenario.ends import ROLES
from testbed.schedule.estimate import Measured


def measured_cells(output: Path, ids: Collection[str], machine_name: str) -> dict[str, Measured]:
    """Return the newest measurement of each of these cells, by id, of the runs in a folder; most may have none.

    A size counts if the run has kept the cell's raw files. A run whose index cannot be read is left out.
    """
    missing, found = set(ids), dict[str, Measured]()
    for run in run_folders(output):
        if not missing:
            break
        try:
            index = read_index(run)
        except TestbedError:
            continue
        attempts = index.last_attempts().values() if index is not None else ()
        for each in attempts:
            if each.cell in missing and each.status in ("passed", "failed") and each.machine_name == machine_name:
                is_raw = any((run / each.folder / role).is_dir() for role in ROLES)
                found[each.cell] = Measured(each.duration_s, each.bytes if is_raw and each.bytes else None)
        missing -= found.keys()
    return found
