"""The options of `testbed matrix` that choose its cells: a filter, a shard, repetitions, an earlier run."""

import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from testbed.archive.folders import find_run
from testbed.archive.resume import Resumed, load_resumable
from testbed.archive.reuse import EarlierRuns
from testbed.cli.files import gather_files, read_text
from testbed.errors import InputError
from testbed.run.lock import locked
from testbed.run.run_plan import RunPlan
from testbed.scenario.expand import Scenario
from testbed.scenario.select import MAX_REPETITIONS, Selection, parse_shard
from testbed.schedule.scheduler import Rules
from testbed.units import pluralize


class Notes:
    """Sentences for the user: kept until someone listens, then passed on."""

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._note: Callable[[str], None] = self._waiting.append

    def add(self, sentence: str) -> None:
        """Add a sentence."""
        self._note(sentence)

    def listen(self, note: Callable[[str], None]) -> None:
        """Pass all sentences so far, and all further ones, to `note`."""
        self._note = note
        for sentence in self._waiting:
            note(sentence)


@dataclass(frozen=True, slots=True)
class Task:
    """The cells of a run, and how it comes to them."""

    scenario: Scenario
    plan: RunPlan
    notes: Notes
    order: str = ""
    """That of the run that is resumed, as `--order` has it; empty = as requested."""

    def rules(self, requested: Rules) -> Rules:
        """Return the rules with the order of the run that is resumed."""
        if not self.order:
            return requested
        order, _, seed = self.order.partition(":")
        return replace(requested, order="random" if order == "random" else "file", seed=int(seed or 0))


def selection_options() -> list[click.Option]:
    """Return the options."""
    return [
        click.Option(
            ["--filter"],
            metavar="EXPR",
            default="",
            show_envvar=True,
            help="Only cells whose fields match, such as 'family == ipv6 and delay >= 1s and not id ~ py-*'.",
        ),
        click.Option(["--shard"], metavar="I/N", show_envvar=True, help="Only every Nth cell, beginning with the Ith."),
        click.Option(
            ["--repeat"],
            type=click.IntRange(1, MAX_REPETITIONS),
            default=1,
            show_default=True,
            show_envvar=True,
            help="Run each cell N times; print median and spread.",
            metavar="N",
        ),
        click.Option(
            ["--resume"],
            metavar="RUN",
            show_envvar=True,
            help="Continue RUN in its folder: only cells without a result, and those that ended with an error.",
        ),
        click.Option(
            ["--reuse"],
            is_flag=True,
            show_envvar=True,
            help="Take a cell from an earlier run on this machine that passed with the same inputs.",
        ),
    ]


def load(path: Path) -> Scenario:
    """Return the scenario in a file; raises InputError with every mistake."""
    # Only a file needs YAML, which is slow to import.
    from testbed.scenario.file import parse_scenario  # noqa: PLC0415

    scenario = parse_scenario(read_text(path), str(path))
    return replace(scenario, files=gather_files(scenario.cells, path.parent))


@contextmanager
def chosen_cells(file: Path | None, params: Mapping[str, Any], output: Path) -> Iterator[Task]:
    """Yield the cells that file and options choose; a run to be resumed is locked meanwhile.

    With --dry-run nothing is locked. Raises InputError.
    """
    notes = Notes()
    reuse = _earlier_runs(params, output, notes)
    if params["resume"] is None:
        if file is None:
            raise click.UsageError("Missing argument 'FILE'; only --resume RUN needs none.")
        scenario, selection = select(load(file), params)
        yield Task(scenario, RunPlan(selection, reuse=reuse), notes)
        return
    wrong = [name for name in ("filter", "shard", "repeat") if params[name] not in (None, "", 1)]
    if wrong:
        raise InputError(
            [f"--{name}: a run is resumed with its own cells" for name in wrong], hint=f"omit --{wrong[0]}"
        )
    path = find_run(params["resume"], output)
    with nullcontext() if params["dry_run"] else locked(path):
        resumed = load_resumable(path, None if file is None else load(file))
        for line in _resume_notes(resumed):
            notes.add(line)
        order = str(resumed.continued.document.get("order", "file"))
        yield Task(resumed.scenario, RunPlan(continued=resumed.continued, reuse=reuse), notes, order)


def _earlier_runs(params: Mapping[str, Any], output: Path, notes: Notes) -> EarlierRuns | None:
    if not params["reuse"]:
        return None
    if params["dask"]:
        notes.add("--reuse has no effect with --dask: which machine would run a cell is not known before it has run")
        return None
    return EarlierRuns(output, platform.node(), params["isolation"], notes.add, params["retain"])


def select(scenario: Scenario, params: Mapping[str, Any]) -> tuple[Scenario, dict[str, Any]]:
    """Return the scenario with the cells that the options choose, and `selection` of `run.json`; raises InputError."""
    shard = None if params["shard"] is None else parse_shard(params["shard"])
    selection = Selection(filter=params["filter"], shards=shard, repeat=params["repeat"])
    cells = selection.apply(scenario.cells)
    document = selection.document(selection.filtered(scenario.cells), scenario.files)
    return replace(scenario, cells=cells), document


def _resume_notes(resumed: Resumed) -> list[str]:
    kept = len({(each.cell, each.repetition) for each in resumed.continued.kept})
    lines = [f"{kept} of {pluralize(len(resumed.scenario.cells), 'cell')} have a result and are kept"]
    torn = len(resumed.repeated)
    return [*lines, f"removed {pluralize(torn, 'folder')} with an error or without a result"] if torn else lines
