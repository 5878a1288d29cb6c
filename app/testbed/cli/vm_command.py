"""`testbed vm`: manage guest VMs that run a chosen kernel."""

import socket
import sys
from contextlib import closing

import click

from testbed.cli.interrupts import interrupts
from testbed.errors import InputError
from testbed.run.stop import Stop
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import DOCKERFILES, Images
from testbed.units import pluralize
from testbed.vm import build as builder
from testbed.vm.guest import Guest, ignore
from testbed.vm.kernels import SUITES, can_name
from testbed.vm.store import GuestImage, cache_dir, find_image, list_images, remove_image, remove_parts

DEFAULT_KERNEL = "bookworm"

HELP = """Manage guest VMs: virtual machines with Docker and a kernel from Debian.

`testbed run --kernel NAME` builds its guest VM itself. These commands build one in advance, list, open and remove them.
"""

_kernel = click.option(
    "--kernel",
    default=DEFAULT_KERNEL,
    show_default=True,
    show_envvar=True,
    help=f"Kernel name ({', '.join(SUITES)}) or the beginning of a version.",
)


@click.group("vm", help=HELP)
def command() -> None:
    """Group the commands below."""


def _progress(line: str) -> None:
    click.echo(f"vm: {line}", err=True)


def _check(kernel: str) -> None:
    if not can_name(kernel):
        raise InputError([f"--kernel: unknown kernel {kernel!r}"], hint=f"one of: {', '.join(SUITES)}, or a version")


def _print_image(image: GuestImage) -> None:
    click.echo(
        f"{image.name:<40} {image.release:<28} {image.size_bytes / 1e9:5.2f} GB  {image.built_at}  "
        f"built in {image.build_s:.0f} s"
    )


@command.command(short_help="Build a guest VM.")
@_kernel
@click.option("-v", "--verbose", is_flag=True, help="Show Docker's build output.")
def build(kernel: str, *, verbose: bool) -> None:
    """Build a guest VM with Debian's newest kernel of that name, and load the testbed's images into it."""
    _check(kernel)
    on_line = _progress if verbose else ignore
    engine = DockerEngine()
    with interrupts(Stop()), closing(engine):
        engine.connect()
        images = Images(engine, on_line)
        tags = [images.ours(name)[0] for name in DOCKERFILES]
        _print_image(builder.build(kernel, tags, _progress, on_line))


@command.command("list")
def list_() -> None:
    """List the guest VMs that are built."""
    images = list_images(cache_dir())
    for image in images:
        _print_image(image)
    if not images:
        click.echo(f"no guest VM in {cache_dir()}; `testbed vm build` builds one", err=True)


@command.command(short_help="Open a root shell in a fresh guest VM.")
@_kernel
def shell(kernel: str) -> None:
    """Open a root shell in a fresh guest VM; Ctrl-] exits and discards changes."""
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise InputError(["testbed vm shell needs a terminal"])
    _check(kernel)
    from testbed.vm.terminal import attach  # noqa: PLC0415 - it needs termios, which not every platform has

    ours, theirs = socket.socketpair()
    with closing(ours), Guest(find_image(cache_dir(), kernel), shell=theirs, progress=_progress):
        attach(ours)
    click.echo("vm: the guest VM has stopped", err=True)


@command.command(short_help="Remove guest VMs.")
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Remove every guest VM.")
def rm(names: tuple[str, ...], *, everything: bool) -> None:
    """Remove guest VMs by the names that `testbed vm list` shows, and the leftovers of killed builds."""
    known = {image.name: image for image in list_images(cache_dir())}
    unknown = [f"unknown guest VM {name!r}" for name in names if name not in known]
    if unknown or not (names or everything):
        raise InputError(unknown or ["give guest names or --all"], hint="testbed vm list")
    for name in known if everything else dict.fromkeys(names):
        click.echo(f"removed {name}" if remove_image(known[name]) else f"skipped {name}: in use")
    parts = remove_parts(cache_dir())
    if parts:
        click.echo(f"removed the leftovers of {pluralize(parts, 'killed build')}")
