"""`testbed matrix`: run all cells of a scenario file, several at the same time if requested."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import click

from testbed import cli
from testbed.cli.display import Display
from testbed.cli.files import gather_files, read_text
from testbed.cli.matrix_options import matrix_options, rules
from testbed.cli.options import run_options
from testbed.cli.plan import plan_document, plan_lines
from testbed.cli.session import (
    execute,
    exit_code,
    print_document,
    print_kept_hint,
    settings,
    width,
)
from testbed.report.text import matrix_lines
from testbed.result import Result
from testbed.run.executor import Attempt
from testbed.scenario.expand import Scenario
from testbed.scenario.file import parse_scenario
from testbed.units import pluralize
from testbed.wire.text import visible

HELP = """Run all cells of the scenario in FILE.

FILE is YAML. `cells` is a mapping, or a list of mappings; its fields are the options of `testbed run`, with _ for -.
Any field may have a list of values; the cells are the product of the lists.
"""


def load(path: Path) -> Scenario:
    """Return the scenario in a file; raises InputError with every mistake."""
    scenario = parse_scenario(read_text(path), str(path))
    return replace(scenario, files=gather_files(scenario.cells, path.parent))


def _matrix(file: Path, **params: object) -> int:
    chosen = settings(params)
    scenario = load(file)
    if chosen.dry_run:
        if chosen.as_json:
            cli.print_json(plan_document(scenario))
        else:
            click.echo("\n".join(plan_lines(scenario)))
        return 0
    total = len(scenario.cells)
    chosen_rules = rules(params)
    numbers: dict[str, int] = {}

    def on_end(attempt: Attempt, result: Result) -> None:
        number = numbers.setdefault(attempt.planned.folder, len(numbers) + 1)
        if not (chosen.as_json or chosen.quiet):
            for line in matrix_lines(number, total, result, width()):
                click.echo(visible(line))

    display = Display(quiet=chosen.quiet or chosen.as_json, verbose=chosen.verbose, on_end=on_end)
    report = execute(scenario, chosen, display, chosen_rules)
    if chosen.as_json:
        print_document(report)
    else:
        statuses = Counter(summary.status for summary in report.last)
        summary = ", ".join(f"{number} {status}" for status, number in statuses.most_common())
        click.echo(f"{pluralize(total, 'cell')}: {summary or 'none began'}")
        for first, last in report.flaky:
            click.echo(f"flaky: {last.cell}: {first.status} beside others, {last.status} alone")
        click.echo(f"run folder: {report.folder}")
    print_kept_hint(report)
    return exit_code(report)


command = click.Command(
    "matrix",
    callback=_matrix,
    params=[
        click.Argument(["file"], type=click.Path(dir_okay=False, path_type=Path)),
        *matrix_options(),
        *run_options(),
    ],
    help=HELP,
)
