"""`testbed list`: the runs in a folder, or the cells of a run, also while it grows."""

import time
from dataclasses import asdict
from json import dumps as json_text
from pathlib import Path

import click

from testbed import cli
from testbed.archive.folders import find_run, read_run
from testbed.archive.listing import cell_rows, run_row, run_rows
from testbed.cli.options import output_option
from testbed.errors import InputError
from testbed.report.runs import cell_lines, run_line
from testbed.result import SCHEMA_VERSION
from testbed.wire.text import visible

HELP = """List the runs, the newest first, or the cells of RUN.

A run is `running` while a process executes it, `complete` when each of its cells has a result, else `interrupted`:
`testbed matrix --resume RUN` continues it.
"""


def _list(run: str | None, output: Path, *, json: bool) -> int:
    return _runs(output, as_json=json) if run is None else _cells(find_run(run, output), as_json=json)


def _runs(output: Path, *, as_json: bool) -> int:
    rows = []
    for row in run_rows(output):
        if isinstance(row, InputError):
            click.echo(f"testbed: {visible(row.message)}", err=True)
        elif as_json:
            rows.append(asdict(row))
        else:
            rows.append({})
            click.echo(visible(run_line(asdict(row), time.time_ns())))
    if as_json:
        cli.print_json({"schema_version": SCHEMA_VERSION, "runs": rows})
    elif not rows:
        click.echo(f"no runs in {output} yet")
    return 0


def _cells(path: Path, *, as_json: bool) -> int:
    run = read_run(path)
    row = run_row(run)
    rows = [asdict(each) for each in cell_rows(run)]
    if as_json:
        click.echo(_document({"schema_version": SCHEMA_VERSION, **asdict(row)}, rows))
        return 0
    lines = cell_lines(rows, len(row.machine_names))
    click.echo(visible("\n".join([*lines, run_line(asdict(row), time.time_ns())])))
    return 0


def _document(head: dict[str, object], attempts: list[dict[str, object]]) -> str:
    """Return one JSON document with an attempt on each line, which takes a tenth of the time of an indented one."""
    lines = ",\n".join(f"    {json_text(each, ensure_ascii=False)}" for each in attempts)
    return f'{json_text(head, indent=2, ensure_ascii=False)[:-2]},\n  "attempts": [\n{lines}\n  ]\n}}'


command = click.Command(
    "list",
    callback=_list,
    params=[
        click.Argument(["run"], required=False),
        output_option(),
        click.Option(["--json"], is_flag=True, show_envvar=True, help="Print one JSON document."),
    ],
    help=HELP,
)
