"""`testbed merge`: one run folder of several."""

from collections import Counter
from pathlib import Path

import click

from testbed import cli
from testbed.archive.folders import find_run
from testbed.archive.merge import MergedRun, merge_runs
from testbed.cli.options import output_option
from testbed.result import SCHEMA_VERSION
from testbed.run.repeats import repeat_lines
from testbed.run.summary import Summary
from testbed.units import pluralize
from testbed.wire.text import visible

HELP = """Merge runs into a new one: the shards of a scenario, or runs of the same cells on several machines.

Files are shared by hard links where possible, so the merged run needs hardly any space. Of a cell that several runs
have, a failure is kept, else the first that passed; a note names the other. Each result keeps the name of its machine.
"""


def _merge(runs: tuple[str, ...], output: Path, *, json: bool) -> int:
    merged = merge_runs([find_run(name, output) for name in runs], output)
    if json:
        cli.print_json({"schema_version": SCHEMA_VERSION, **_document(merged)})
    else:
        click.echo(visible("\n".join(_lines(merged))))
    return 0


def _document(merged: MergedRun) -> dict[str, object]:
    shown = ("run", "sources", "missing_shards", "notes", "statuses", "machine_names")
    return {"folder": str(merged.path), **{name: merged.document[name] for name in shown}}


def _lines(merged: MergedRun) -> list[str]:
    plan, document = merged.plan, merged.document
    last = {(each.cell, each.repetition): each for _, each in sorted(plan.attempts.values(), key=_attempt_number)}
    counts = Counter(each.status for each in last.values())
    lines = [f"note: {note}" for note in plan.notes]
    if plan.missing_shards:
        missing = ", ".join(map(str, plan.missing_shards))
        lines.append(f"note: missing shards: {missing} of {(plan.shards or {}).get('count')}")
    done = {(summary.cell, summary.repetition) for _, summary in plan.attempts.values()}
    if pending := len(plan.cells) - len(done):
        lines.append(
            f"note: {pluralize(pending, 'cell')} without a result; testbed matrix --resume {merged.path.name} runs them"
        )
    if len(document["machine_names"]) > 1:
        lines.append(f"note: cells ran on {', '.join(document['machine_names'])}; their times are not comparable")
    if repeats := document.get("repeats"):
        lines += ["repetitions:", *repeat_lines(repeats)]
    statuses = ", ".join(f"{number} {status}" for status, number in counts.most_common())
    return [*lines, f"{pluralize(len(plan.cells), 'cell')}: {statuses or 'no results'}", f"run folder: {merged.path}"]


def _attempt_number(attempt: tuple[str, Summary]) -> int:
    return attempt[1].attempt


command = click.Command(
    "merge",
    callback=_merge,
    params=[
        click.Argument(["runs"], nargs=-1, required=True),
        output_option(),
        click.Option(["--json"], is_flag=True, show_envvar=True, help="Print one JSON document."),
    ],
    help=HELP,
)
