"""Run folders without containers: summaries, results and whole runs with few or no raw files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed.result import CellRecord, Metrics, Result, Status, cell_folder
from testbed.run.conclusion import conclude, write_run_document
from testbed.run.folder import create_cell_folder, write_files, write_json
from testbed.run.index import RunIndex
from testbed.run.plan_document import plan_document
from testbed.run.summary import Summary, summary_of
from testbed.scenario.expand import PlannedCell
from testbed.scenario.select import Selection


def result(cell: str = "c", status: Status = "passed", **fields: Any) -> Result:
    """Return a result with these fields; `duration_s` goes to its metrics."""
    duration_s = fields.pop("duration_s", 1.5)
    known: dict[str, Any] = {
        "run": "r",
        "cell": cell,
        "status": status,
        "reason": "" if status == "passed" else f"it is {status}",
        "requested": {"client": "py", "family": "ipv4"},
        "link": {},
        "metrics": Metrics(bytes_read=3000, duration_s=duration_s, goodput_bytes_per_s=3000 / duration_s),
        "timing_reliable": True,
        "checks": [],
        "findings": [],
        "notes": [],
        "machine_name": "host1",
    }
    return Result.model_validate({**known, **fields})


def summary(cell: str = "c", status: Status = "passed", *, ended_ns: int = 1, **fields: Any) -> Summary:
    """Return the summary of such a result."""
    return summary_of(result(cell, status, **fields), bytes_on_disk=10, ended_ns=ended_ns)


def write_attempt(run: Path, made: Result) -> Summary:
    """Write the folder of an attempt, with a raw file; return its summary."""
    folder = run / made.folder
    create_cell_folder(folder)
    (folder / "client" / "stdout.log").write_text(f"{made.run} {made.folder}\n")
    names = CellRecord.model_fields.keys() & Result.model_fields.keys()
    shared = {name: value for name, value in made.model_dump().items() if name in names}
    write_json(folder / "cell.json", CellRecord(**shared, id=made.cell, impairment={}, images={}).model_dump())
    write_json(folder / "result.json", made.model_dump())
    return summary_of(made, bytes_on_disk=100, ended_ns=1)


def write_run(
    output: Path,
    run: str,
    cells: Sequence[PlannedCell],
    *,
    statuses: Sequence[Status | None] = (),
    selection: Selection | None = None,
    whole: Sequence[PlannedCell] | None = None,
    files: dict[str, bytes] | None = None,
    conclusion: bool = True,
    machine: str = "host1",
    **fields: Any,
) -> Path:
    """Write a run folder in which each cell has the status at its position, `passed` by default, None = no result."""
    path = output / run
    path.mkdir(parents=True)
    write_files(path / "files", files or {})
    document = {
        "schema_version": 3,
        "run": run,
        "scenario": "s.yaml",
        "description": "",
        "selection": (selection or Selection()).document(whole or [c for c in cells if c.repetition == 1], files or {}),
        **plan_document(cells),
        "machine_name": machine,
        "kernel": "6.1",
    }
    write_run_document(path, document)
    ended = []
    with RunIndex(path) as index:
        for number, planned in enumerate(cells):
            status = statuses[number] if number < len(statuses) else "passed"
            if status is None:
                continue
            more = {"requested": planned.cell.requested(), "repetition": planned.repetition, "machine_name": machine}
            made = result(planned.id, status, run=run, **{**more, **fields})
            ended.append(write_attempt(path, made))
            index.append(ended[-1])
    if conclusion:
        conclude(path, document, ended)
    return path


def document(run: Path) -> dict[str, Any]:
    """Return the `run.json` of a run folder."""
    found: dict[str, Any] = json.loads((run / "run.json").read_text())
    return found


def folders(run: Path) -> list[str]:
    """Return the names of the folders with a result."""
    return sorted(path.parent.name for path in run.glob("*/result.json"))


__all__ = ["cell_folder", "document", "folders", "result", "summary", "write_attempt", "write_run"]
