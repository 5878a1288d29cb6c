"""`testbed doctor`: check by trial what works on this machine."""

from collections.abc import Iterator

import click

from testbed import cli
from testbed.ownership import this_process
from testbed.stack.doctor import Row, examine
from testbed.vm.accel import qemu_version
from testbed.vm.errors import GuestError
from testbed.vm.store import cache_dir, list_images

HELP = """Check this machine for everything that a run needs, and print a hint for everything that is missing.

Exit code 0 if runs can work here, 3 if not.
"""

_MARKS = {"ok": "ok", "limited": "limited", "missing": "MISSING"}
_COLOURS = {"ok": "green", "limited": "yellow", "missing": "red"}


def _line(row: Row) -> str:
    mark = click.style(f"{_MARKS[row.verdict]:<8}", fg=_COLOURS[row.verdict])
    hint = f"\n{'':<32}hint: {row.hint}" if row.hint else ""
    return f"{mark}{row.name:<24}{row.fact}{hint}"


def _guests() -> Row:
    try:
        version = qemu_version()
    except GuestError as error:
        return Row("guest VMs", "limited", f"--kernel is unavailable: {error.message}", error.hint)
    kernels = dict.fromkeys(image.kernel for image in list_images(cache_dir()))
    return Row("guest VMs", "ok", f"{version}; built: {', '.join(kernels) or 'none, the first run builds one'}")


def _rows() -> Iterator[Row]:
    yield from examine(this_process(), lambda line: click.echo(line, err=True))
    yield _guests()


@click.pass_context
def _doctor(ctx: click.Context, /, **params: object) -> int:
    rows = []
    for row in _rows():
        rows.append(row)
        if not params["json"]:
            click.echo(_line(row), color=ctx.color)
    works = all(row.verdict != "missing" for row in rows)
    if params["json"]:
        cli.print_json({"schema_version": 1, "works": works, "rows": [row.document() for row in rows]})
    return cli.PASSED if works else cli.ENVIRONMENT


command = click.Command(
    "doctor",
    callback=_doctor,
    params=[click.Option(["--json"], is_flag=True, help="Print one JSON document.")],
    help=HELP,
)
