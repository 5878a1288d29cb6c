"""`testbed matrix`: run all cells of a scenario file, several at the same time if requested."""

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from testbed import cli
from testbed.cli.display import Display
from testbed.cli.forecast import forecast, forecast_document, forecast_lines
from testbed.cli.matrix_options import isolation, matrix_options, rules
from testbed.cli.options import run_options
from testbed.cli.plan import plan_document, plan_lines
from testbed.cli.selection_options import Task, chosen_cells, selection_options
from testbed.cli.session import (
    Settings,
    execute,
    execute_on_cluster,
    exit_code,
    print_document,
    print_kept_hint,
    settings,
    width,
)
from testbed.report.text import matrix_lines
from testbed.result import Isolation, Result, cell_folder
from testbed.run.executor import Attempt
from testbed.run.folder import folder_bytes
from testbed.run.gauge import load_now
from testbed.run.repeats import repeat_lines
from testbed.run.runner import is_to_be_repeated
from testbed.units import format_bytes, pluralize
from testbed.wire.text import visible

HELP = """Run all cells of the scenario in FILE.

FILE is YAML. `cells` is a mapping, or a list of mappings; its fields are the options of `testbed run`, with _ for -.
Any field may have a list of values; the cells are the product of the lists. `--resume RUN` needs no FILE.
"""


def _matrix(file: Path | None, **params: object) -> int:
    chosen, isolated = settings(params), isolation(params)
    with ExitStack() as stack:
        task = stack.enter_context(chosen_cells(file, params, chosen.output))
        if chosen.dry_run:
            _print_plan(task, chosen, params)
            return 0
        return _run(task, chosen, params, isolated)


def _print_plan(task: Task, chosen: Settings, params: Mapping[str, Any]) -> None:
    load = load_now()
    found = forecast(task, chosen, params, load)
    if chosen.as_json:
        cli.print_json({**plan_document(task.scenario), "estimate": forecast_document(found)})
    else:
        click.echo("\n".join([*plan_lines(task.scenario), *forecast_lines(found, params, load)]))


def _run(task: Task, chosen: Settings, params: Mapping[str, Any], isolated: Isolation) -> int:
    total = len(task.scenario.cells)
    chosen_rules = task.rules(rules(params))
    kept = dict.fromkeys(cell_folder(each.cell, each.repetition) for each in task.plan.kept)
    numbers = {folder: number for number, folder in enumerate(kept, start=1)}

    def on_end(attempt: Attempt, result: Result) -> None:
        number = numbers.setdefault(attempt.planned.folder, len(numbers) + 1)
        if not (chosen.as_json or chosen.quiet):
            display.show(visible(line) for line in matrix_lines(number, total, result, width()))

    display = Display(
        quiet=chosen.quiet or chosen.as_json, verbose=chosen.verbose, on_end=on_end, again=chosen_rules.again
    )
    display.repeat(each.folder for each in task.plan.kept if is_to_be_repeated(each, chosen_rules))
    task.notes.listen(display.note)
    address = str(params["dask"] or "")
    if address:
        report = execute_on_cluster(address, task.scenario, chosen, display, rules=chosen_rules, plan=task.plan)
    else:
        report = execute(task.scenario, chosen, display, chosen_rules, task.plan, isolation=isolated)
    if chosen.as_json:
        print_document(report)
    else:
        if repeats := report.document.get("repeats"):
            click.echo(visible("\n".join(["repetitions:", *repeat_lines(repeats)])))
        statuses = Counter(summary.status for summary in report.last)
        summary = ", ".join(f"{number} {status}" for status, number in statuses.most_common())
        repeated = sum(each.attempt > 1 for each in report.last)
        mark = f"; {repeated} repeated alone" if repeated else ""
        click.echo(f"{pluralize(total, 'cell')}: {summary or 'none began'}{mark}")
        for first, last in report.flaky:
            click.echo(f"flaky: {last.cell}: {first.status}, then {last.status} alone")
        click.echo(f"run folder: {report.folder} ({format_bytes(folder_bytes(report.folder))})")
    print_kept_hint(report)
    return exit_code(report)


command = click.Command(
    "matrix",
    callback=_matrix,
    params=[
        click.Argument(["file"], required=False, type=click.Path(dir_okay=False, path_type=Path)),
        *selection_options(),
        *matrix_options(),
        *run_options(),
    ],
    help=HELP,
)
