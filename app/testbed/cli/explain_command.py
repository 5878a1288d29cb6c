"""`testbed explain`: explain the result of a cell from its raw files, with evidence."""

from pathlib import Path

import click

from testbed import cli
from testbed.analysis.findings.registry import RULES
from testbed.analysis.join.cell_folder import load_cell
from testbed.cli.lookup import chosen_names, find, one_cell, target_argument
from testbed.cli.options import output_option
from testbed.cli.session import width
from testbed.evaluation.explanation import explain
from testbed.report.explain import MIN_STRENGTH, explanation_lines
from testbed.report.text import machine_text
from testbed.result import SCHEMA_VERSION
from testbed.run.conclusion import read_result
from testbed.run.retention import is_retained

HELP = """Explain a cell: what limited the sender, and every finding with its facts and evidence.

RUN/CELL is a cell's folder, or a run with a single cell; the default is the newest run. The raw files are analysed
again, so a newer version of the testbed may report more than result.json does; where they were not retained (--retain),
it reports what result.json has.
"""


def _explain(target: str, output: Path, **params: object) -> int:
    names = chosen_names(tuple(params["finding"]), list(RULES))  # type: ignore[arg-type]
    folder = one_cell(find(target, output))
    observation = load_cell(folder)
    answer = explain(observation) if is_retained(folder) else read_result(folder)
    findings = [f for f in answer.findings if f.name in names] if names else list(answer.findings)
    absent = [a for a in answer.not_reported if a.name in names] if names else list(answer.not_reported)
    if params["json"]:
        document = {"findings": [f.model_dump() for f in findings], "not_reported": [a.model_dump() for a in absent]}
        head = {"cell": folder.name, "verdict": answer.verdict, "emulated": bool(observation.host.get("emulated"))}
        cli.print_json({"schema_version": SCHEMA_VERSION, **head, **document})
        return 0
    machine = machine_text(observation.host)
    if not names and not params["all"]:
        rest = [finding for finding in findings if finding.strength < MIN_STRENGTH]
        findings = [finding for finding in findings if finding.strength >= MIN_STRENGTH]
        click.echo("\n".join(explanation_lines(answer.verdict, findings, (), machine, width())))
        others = [finding.name for finding in rest] + [each.name for each in absent]
        click.echo(f"\n--all shows {len(others)} more: {', '.join(others)}")
        return 0
    click.echo("\n".join(explanation_lines(answer.verdict, findings, absent, machine, width())))
    return 0


command = click.Command(
    "explain",
    callback=_explain,
    params=[
        target_argument("RUN/CELL"),
        click.Option(["--finding"], multiple=True, metavar="NAME", help="Only this finding; repeatable."),
        click.Option(["--all"], is_flag=True, help="Also weak findings, and why other findings are not reported."),
        output_option(),
        click.Option(["--json"], is_flag=True, show_envvar=True, help="Print one JSON document."),
    ],
    help=HELP,
)
