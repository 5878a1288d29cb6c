"""Merge runs: the shards of a scenario, or runs of the same cells, become one run folder.

The folder is made under a name that no command reads, and renamed when it is complete.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from testbed.archive.folders import RunOnDisk, link_files, read_run
from testbed.archive.merging import Merged, Source, merge
from testbed.archive.trees import share_tree
from testbed.errors import InputError, file_attempt
from testbed.result import SCHEMA_VERSION
from testbed.run.conclusion import conclude
from testbed.run.folder import new_run_id, point_latest, write_files
from testbed.run.index import rewrite_index
from testbed.run.lock import locked
from testbed.run.plan_document import merged_plan
from testbed.run.run_plan import facts_of, machines_of
from testbed.scenario.select import scenario_digest

_PREFIX: Final = ".merge-"


@dataclass(frozen=True, slots=True)
class MergedRun:
    """The folder of a merged run, its `run.json`, and what it was made of."""

    path: Path
    document: Mapping[str, Any]
    plan: Merged


def merge_runs(paths: Sequence[Path], output: Path) -> MergedRun:
    """Merge run folders into a new one below `output`, and point `latest` to it.

    Raises InputError if they are not parts of one scenario or one of them is running, and HostError.
    """
    runs = [read_run(path) for path in dict.fromkeys(path.resolve() for path in paths)]
    running = [run.run for run in runs if run.is_running]
    if running:
        raise InputError([f"the run {name} is still running" for name in running], hint="wait for its end")
    sources = [Source(run.run, _with_digest(run), run.finished) for run in runs]
    plan = merge(sources)
    by_run = {run.run: run for run in sorted(runs, key=lambda run: run.run)}
    _sweep(output)
    name = new_run_id()
    part = output / f"{_PREFIX}{name}"
    with file_attempt(f"create {part}"):
        part.mkdir(parents=True)
    try:
        with locked(part):
            document = _fill(part, name, plan, by_run)
        target = output / name
        with file_attempt(f"create {target}"):
            part.rename(target)
            _sync(output)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    point_latest(target)
    return MergedRun(target, document, plan)


def _with_digest(run: RunOnDisk) -> dict[str, Any]:
    """Return the document of a run, with the digest of its scenario also if it is of an earlier version."""
    selection = dict(run.document.get("selection") or {})
    if "digest" not in selection:
        ids = list(dict.fromkeys(str(entry["id"]) for entry in run.document.get("cells", ())))
        selection |= {
            "filter": "",
            "repeat": 1,
            "cells": len(ids),
            "digest": scenario_digest(ids, link_files(run.path)),
        }
    return {**run.document, "selection": selection}


def _fill(part: Path, name: str, plan: Merged, runs: Mapping[str, RunOnDisk]) -> dict[str, Any]:
    """Write everything into the folder of the merged run; return its `run.json`, which is written last."""
    write_files(part / "files", link_files(next(iter(runs.values())).path))
    for folder, (run, _) in plan.attempts.items():
        share_tree(runs[run].path / folder, part / folder)
    order = {key: number for number, key in enumerate(plan.cells)}
    summaries = sorted(
        (summary for _, summary in plan.attempts.values()),
        key=lambda summary: (order.get((summary.cell, summary.repetition), len(order)), summary.attempt),
    )
    rewrite_index(part, summaries)
    return conclude(part, _document(name, plan, runs), summaries)


def _document(name: str, plan: Merged, runs: Mapping[str, RunOnDisk]) -> dict[str, Any]:
    documents = [run.document for run in runs.values()]
    first = documents[0]
    sources = [source for run in runs.values() for source in _sources(run)]
    selection = dict(_with_digest(next(iter(runs.values())))["selection"])
    machines, changed = _machines(documents)
    return {
        "schema_version": SCHEMA_VERSION,
        "run": name,
        "scenario": first.get("scenario", ""),
        "description": first.get("description", ""),
        "selection": {**selection, "shards": plan.shards},
        **merged_plan(plan.cells, plan.requested),
        **({"machine_name": first["machine_name"]} if "machine_name" in first else {}),
        **facts_of(first),
        **({"machines": machines} if machines else {}),
        "sources": list({source["run"]: source for source in sources}.values()),
        "missing_shards": list(plan.missing_shards),
        "notes": [*plan.notes, *changed],
    }


def _machines(documents: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """Return the facts of the machines other than that of the first run, and notes on those with several kernels."""
    found: dict[str, dict[str, Any]] = {}
    notes = []
    for document in documents:
        for name, facts in machines_of(document).items():
            known = found.setdefault(name, facts)
            if known.get("kernel") != facts.get("kernel"):
                kernels = f"{known.get('kernel')} and {facts.get('kernel')}"
                notes.append(f"{name} had the kernels {kernels}; their figures are not comparable")
    found.pop(str(documents[0].get("machine_name", "")), None)
    return found, list(dict.fromkeys(notes))


def _sources(run: RunOnDisk) -> list[dict[str, Any]]:
    """Return what a merged run records of a source; those of a merged one are its own sources."""
    known = run.document.get("sources")
    if known:
        return list(known)
    selection, document = run.document.get("selection") or {}, run.document
    return [{"run": run.run, "machine_name": document.get("machine_name", ""), "shards": selection.get("shards")}]


def _sweep(output: Path) -> None:
    """Remove what a merge that was killed has left."""
    for part in output.glob(f"{_PREFIX}*") if output.is_dir() else ():
        with suppress(InputError), locked(part):
            shutil.rmtree(part, ignore_errors=True)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
