"""`testbed doctor`: what works on this machine, by trying it."""

from collections.abc import Iterator

import click

from testbed import cli
from testbed.ownership import this_process
from testbed.stack.doctor import Row, examine
from testbed.vm.accel import qemu_version
from testbed.vm.errors import GuestError
from testbed.vm.store import cache_dir, list_images

HELP = """Try everything that a run needs, and say what to do about what is missing.

Exit code 0 when runs can work here, 3 when not.
"""

_MARKS = {"ok": "ok", "limited": "limited", "missing": "MISSING"}
_COLOURS = {"ok": "green", "limited": "yellow", "missing": "red"}


def _line(row: Row) -> str:
    mark = click.style(f"{_MARKS[row.verdict]:<8}", fg=_COLOURS[row.verdict])
    hint = f"\n{'':<32}to do: {row.hint}" if row.hint else ""
    return f"{mark}{row.name:<24}{row.fact}{hint}"


def _guests() -> Row:
    try:
        version = qemu_version()
    except GuestError as error:
        return Row("guests", "limited", f"no --kernel: {error.message}", error.hint)
    kernels = dict.fromkeys(image.kernel for image in list_images(cache_dir()))
    return Row("guests", "ok", f"{version}; built: {', '.join(kernels) or 'none, the first run builds one'}")


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
