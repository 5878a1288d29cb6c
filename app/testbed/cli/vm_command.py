"""`testbed vm`: guests with a kernel of choice."""

import socket
import sys
from contextlib import closing

import click

from testbed.cli.interrupts import one_interrupt
from testbed.errors import InputError
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import DOCKERFILES, Images
from testbed.vm import build as builder
from testbed.vm.guest import Guest, ignore
from testbed.vm.kernels import SUITES
from testbed.vm.store import Image, cache_dir, find_image, list_images, remove_image, remove_parts

DEFAULT_KERNEL = "bookworm"

HELP = """Build and look after guests: virtual machines with a kernel of Debian's and Docker.

`testbed run --kernel NAME` builds what it needs by itself; these commands do it beforehand, and show what there is.
"""

_kernel = click.option(
    "--kernel",
    default=DEFAULT_KERNEL,
    show_default=True,
    show_envvar=True,
    help=f"A name ({', '.join(SUITES)}) or the first numbers of a version.",
)


@click.group("vm", help=HELP)
def command() -> None:
    """Hold the commands below."""


def _progress(line: str) -> None:
    click.echo(f"vm: {line}", err=True)


def _say(image: Image) -> None:
    click.echo(
        f"{image.name:<40} {image.release:<28} {image.size_bytes / 1e9:5.2f} GB  {image.built_at}  "
        f"built in {image.build_s:.0f} s"
    )


@command.command()
@_kernel
@click.option("-v", "--verbose", is_flag=True, help="Show what Docker says while it builds.")
def build(kernel: str, *, verbose: bool) -> None:
    """Build a guest with Debian's newest kernel of that name, our images loaded."""
    on_line = _progress if verbose else ignore
    engine = DockerEngine()
    with one_interrupt(), closing(engine):
        engine.connect()
        images = Images(engine, on_line)
        tags = [images.ours(name)[0] for name in DOCKERFILES]
        _say(builder.build(kernel, tags, _progress, on_line))


@command.command("list")
def list_() -> None:
    """List the guests that are built."""
    images = list_images(cache_dir())
    for image in images:
        _say(image)
    if not images:
        click.echo(f"none in {cache_dir()}; testbed vm build makes one", err=True)


@command.command()
@_kernel
def shell(kernel: str) -> None:
    """Boot a guest and type in it, as root; Ctrl-] leaves, and all that was changed is gone."""
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise InputError(["testbed vm shell needs a terminal"])
    from testbed.vm.terminal import attach  # noqa: PLC0415 - not every platform has what it needs

    ours, theirs = socket.socketpair()
    with closing(ours), Guest(find_image(cache_dir(), kernel), shell=theirs, progress=_progress):
        attach(ours)
    click.echo("vm: the guest is gone", err=True)


@command.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Remove every guest.")
def rm(names: tuple[str, ...], *, everything: bool) -> None:
    """Remove guests by the names that `testbed vm list` shows, and what killed builds have left."""
    there = {image.name: image for image in list_images(cache_dir())}
    unknown = [f"there is no guest {name!r}" for name in names if name not in there]
    if unknown or not (names or everything):
        raise InputError(unknown or ["name guests, or say --all"], hint="testbed vm list")
    for name in there if everything else dict.fromkeys(names):
        click.echo(f"removed {name}" if remove_image(there[name]) else f"kept {name}: somebody uses it")
    rest = remove_parts(cache_dir())
    if rest:
        click.echo(f"removed what {rest} killed {'build' if rest == 1 else 'builds'} left")
