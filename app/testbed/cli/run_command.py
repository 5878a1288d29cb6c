"""`testbed run`: run one cell and show its result."""

from pathlib import Path

import click

from testbed import cli
from testbed.cli.display import Display
from testbed.cli.files import gather_files
from testbed.cli.options import cell_options, given_fields, requested_cell, run_options
from testbed.cli.plan import plan_document, plan_lines
from testbed.cli.session import (
    Settings,
    execute,
    exit_code,
    print_document,
    print_kept_hint,
    settings,
    shown,
)
from testbed.report.text import requested_lines, verdict
from testbed.run.run import RunReport
from testbed.scenario.ends import ROLES
from testbed.scenario.expand import PlannedCell, Scenario, cell_id
from testbed.wire.text import visible

HELP = """Run one cell and show the result.

A client sends a list of nodes to a server that can be made to read slowly, over a link with the requested properties.
Without options: Python programs, IPv4, 255 204 bytes, no read delay.

Sizes: k and KiB are 1024 bytes, kB is 1000. Durations have a unit: 500us, 20ms, 1s.
"""


@click.pass_context
def _run(ctx: click.Context, /, **params: object) -> int:
    chosen = settings(params)
    given = given_fields(ctx)
    cell = requested_cell(ctx, given)
    planned = PlannedCell(cell_id(cell), cell)
    scenario = Scenario("command line", "", (planned,), gather_files([planned], Path.cwd()))
    if chosen.dry_run:
        if chosen.as_json:
            cli.print_json(plan_document(scenario))
        else:
            click.echo("\n".join(plan_lines(scenario)))
        return 0
    if not (chosen.as_json or chosen.quiet):
        _echo_requested(planned, given)
    display = Display(
        quiet=chosen.quiet or chosen.as_json, verbose=chosen.verbose, on_end=lambda _attempt, _result: None
    )
    report = execute(scenario, chosen, display)
    _show(report, chosen)
    return exit_code(report)


def _echo_requested(planned: PlannedCell, given: dict[str, object]) -> None:
    cell = planned.cell
    impairment = {str(role): cell.impairment(role) for role in ROLES}
    click.echo("\n".join(requested_lines(cell.requested(), impairment, cell.total_bytes, given)))
    click.echo()


def _show(report: RunReport, chosen: Settings) -> None:
    result = report.results[0]
    failure, folder = result.failure, Path(report.folder, result.folder)
    if chosen.as_json:
        print_document(report)
        return
    good = result.status == "passed"
    click.secho(visible(verdict(result)), fg="green" if good else "red", bold=True)
    if failure is not None and failure.hint:
        click.echo(f"hint: {visible(failure.hint)}")
    if not chosen.quiet:
        click.echo("\n".join(shown(result, folder)))
        click.echo()
        click.echo(f"run folder: {report.folder}")
    print_kept_hint(report)


command = click.Command("run", callback=_run, params=[*cell_options(), *run_options()], help=HELP)
