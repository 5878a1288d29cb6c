"""`testbed clean`: remove the resources that earlier runs have left in Docker."""

import time
from contextlib import closing

import click

from testbed.errors import HostError, InputError
from testbed.ownership import RUN, this_process
from testbed.stack.clean import leftovers, remove_all
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import Images
from testbed.units import parse_duration_us

HELP = """Remove containers, volumes and networks that earlier runs on this host have left behind.

Resources are selected by label, never by name. Without --all, only resources whose process has ended are removed, so
a running run keeps its own. Run folders are never removed.
"""


def _age_s(text: str | None) -> float:
    if text is None:
        return 0.0
    try:
        return parse_duration_us(text) / 1e6
    except ValueError as error:
        raise InputError([f"--older-than: {error}"]) from error


def _clean_images(engine: DockerEngine, *, dry_run: bool, quiet: bool) -> list[HostError]:
    failures = []
    for tag in Images(engine, lambda _line: None).outdated():
        if not quiet:
            click.echo(f"image     {tag}")
        if dry_run:
            continue
        try:
            engine.remove_image(tag)
        except HostError as error:
            failures.append(error)
    return failures


def _clean(*, everything: bool, images: bool, older_than: str | None, dry_run: bool, quiet: bool) -> int:
    age_s = _age_s(older_than)
    engine = DockerEngine()
    with closing(engine):
        engine.connect()
        failures = _clean_images(engine, dry_run=dry_run, quiet=quiet) if images else []
        failures += _clean_leftovers(engine, everything=everything, age_s=age_s, dry_run=dry_run, quiet=quiet)
    if failures:
        raise HostError("; ".join(failure.message for failure in failures))
    return 0


def _clean_leftovers(
    engine: DockerEngine, *, everything: bool, age_s: float, dry_run: bool, quiet: bool
) -> list[HostError]:
    found = leftovers(engine, this_process(), everything=everything, older_than_s=age_s, now_s=time.time())
    if not quiet:
        for each in found:
            click.echo(f"{each.handle.kind:<9} {each.handle.name}  (run {each.labels[RUN]})")
        if not found:
            click.echo("nothing to remove")
    if dry_run:
        return []
    failures = remove_all(engine, [each.handle for each in found])
    if found and not quiet:
        click.echo(f"removed {len(found) - len(failures)} of {len(found)}")
    return failures


command = click.Command(
    "clean",
    callback=_clean,
    params=[
        click.Option(
            ["--all", "everything"],
            is_flag=True,
            help="Also remove resources of running or remote runs.",
        ),
        click.Option(["--images"], is_flag=True, help="Also remove images built from other versions of the source."),
        click.Option(
            ["--older-than"],
            metavar="DURATION",
            show_envvar=True,
            help="Only resources older than this: 1h.",
        ),
        click.Option(["--dry-run"], is_flag=True, help="List the resources and remove nothing."),
        click.Option(["-q", "--quiet"], is_flag=True, help="Print nothing."),
    ],
    help=HELP,
)
