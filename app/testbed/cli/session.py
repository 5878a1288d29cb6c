"""The common parts of the commands that run cells: Docker, images, display, interruption, exit code."""

import importlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any

import click

from testbed import cli
from testbed.cli.display import Display
from testbed.cli.interrupts import interrupts
from testbed.cli.options import unknown_env_vars
from testbed.report.chart import ASCII, UNICODE, Glyphs
from testbed.report.text import result_lines
from testbed.report.wrapping import WIDTH
from testbed.result import SCHEMA_VERSION, Isolation, Result
from testbed.run.cell import Keep
from testbed.run.machines import Guests
from testbed.run.retention import Retain
from testbed.run.run import Run, RunReport
from testbed.run.run_plan import RunPlan
from testbed.run.site import LocalSite
from testbed.run.stop import Stop
from testbed.scenario.expand import Scenario
from testbed.schedule.scheduler import Rules
from testbed.stack.images import Images
from testbed.wire.text import visible


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of `run_options`."""

    output: Path
    keep: Keep
    dry_run: bool
    as_json: bool
    quiet: bool
    verbose: int
    retain: Retain = "all"


def settings(params: dict[str, Any]) -> Settings:
    """Return the shared options of a command; warn about environment variables that name no option of it."""
    for sentence in unknown_env_vars(click.get_current_context(), os.environ):
        click.echo(f"testbed: {sentence}", err=True)
    names = ("output", "keep", "dry_run", "quiet", "verbose")
    retain: Retain = params.get("retain", "all")
    return Settings(as_json=params["json"], retain=retain, **{name: params[name] for name in names})


def glyphs() -> Glyphs:
    """Return the characters that standard output can show."""
    try:
        (UNICODE.read + UNICODE.ahead).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return ASCII
    return UNICODE


def width() -> int:
    """Return the width for text on standard output: that of its terminal, if it is one, up to a limit."""
    columns = shutil.get_terminal_size((WIDTH, 0)).columns if sys.stdout.isatty() else WIDTH
    return min(columns, WIDTH)


def execute_on_cluster(
    address: str, scenario: Scenario, chosen: Settings, display: Display, *, rules: Rules, plan: RunPlan | None = None
) -> RunReport:
    """Run a scenario on the workers of a Dask cluster; raises InputError and HostError."""
    from testbed.cluster.dask_cluster import DaskCluster  # noqa: PLC0415 - an extra, and slow to import
    from testbed.cluster.site import DaskSite  # noqa: PLC0415

    stop = Stop()
    with interrupts(stop, announce=display.announce), closing(DaskCluster(address)) as cluster, display.live():
        site = DaskSite(cluster, display)
        run = Run(site, display, output=chosen.output, rules=rules, stop=stop, retain=chosen.retain)
        return run.run(scenario, plan)


def execute(
    scenario: Scenario,
    chosen: Settings,
    display: Display,
    rules: Rules | None = None,
    plan: RunPlan | None = None,
    *,
    isolation: Isolation = "fresh",
) -> RunReport:
    """Run a scenario with the Docker engine that the environment names."""
    from testbed.stack.docker_engine import DockerEngine  # noqa: PLC0415 - slow to import, and a plan needs none

    engine, stop = DockerEngine(), Stop()
    with interrupts(stop, announce=display.announce), closing(engine), ExitStack() as stack:
        engine.connect()
        with display.live():
            images = Images(engine, display.build_progress)
            guests = stack.enter_context(Guests(engine, images, display.guest_progress))
            site = LocalSite(
                engine,
                images,
                display,
                keep=chosen.keep,
                isolation=isolation,
                engine_version=engine.version,
                machines=guests,
            )
            return Run(site, display, output=chosen.output, rules=rules, stop=stop, retain=chosen.retain).run(
                scenario, plan
            )


def shown(result: Result, folder: Path) -> list[str]:
    """Return the lines about one result, with a chart from the raw files in the folder."""
    # The run has imported it already; an import above would slow --help down.
    analysis = importlib.import_module("testbed.evaluation.cell")
    return [visible(line) for line in result_lines(result, analysis.transfers(folder), glyphs(), width())]


def print_kept_hint(report: RunReport) -> None:
    """Print how to list the kept resources and how to remove them."""
    if report.kept:
        click.echo(f"kept: docker ps -a --filter label=testbed.run={report.run}; `testbed clean` removes it", err=True)


def exit_code(report: RunReport) -> int:
    """Return the exit code for a run: the worst of its cells; a run in which nothing passed has not passed.

    Of a cell that was repeated alone, the second attempt counts. A run that left cells out has not passed in time.
    """
    statuses = {summary.status for summary in report.last}
    if "failed" in statuses:
        return cli.FAILED
    if "timeout" in {summary.failure_kind for summary in report.last}:
        return cli.TIMEOUT
    if "error" in statuses:
        return cli.ENVIRONMENT
    if report.left_out:
        return cli.TIMEOUT
    return cli.PASSED if "passed" in statuses else cli.FAILED


def document_lines(report: RunReport) -> Iterator[str]:
    """Yield a run as one JSON document, with one result in memory at a time."""
    head = {"schema_version": SCHEMA_VERSION, "run": report.run, "folder": str(report.folder)}
    yield json.dumps(head, indent=2, ensure_ascii=False).removesuffix("\n}") + ',\n  "results": ['
    separator = "\n"
    for result in report.each_result():
        yield separator + indent(json.dumps(result.model_dump(), indent=2, ensure_ascii=False), "    ")
        separator = ",\n"
    yield "\n  ]\n}\n" if report.summaries else "]\n}\n"


def print_document(report: RunReport) -> None:
    """Print a run as one JSON document."""
    for part in document_lines(report):
        click.echo(part, nl=False)
