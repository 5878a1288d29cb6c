"""The options of `testbed matrix` alone."""

import secrets
from collections.abc import Mapping
from typing import Any, Final, get_args

import click
from click.core import ParameterSource

from testbed.errors import InputError
from testbed.result import Isolation
from testbed.run.retention import Retain
from testbed.schedule.scheduler import Rules
from testbed.units import parse_duration_us

AUTO: Final = "auto"


class _Jobs(click.ParamType[int | str]):
    """A number of cells, or `auto`."""

    name = "N|auto"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        try:
            jobs = 1 if value == AUTO else int(str(value))
        except ValueError:
            jobs = 0
        if jobs < 1:
            self.fail(f"{value!r} is neither a number of cells, 1 or more, nor {AUTO!r}", param, ctx)
        return AUTO if value == AUTO else jobs


class _Order(click.ParamType[tuple[str, int | None]]):
    """`file`, `random` or `random:SEED`."""

    name = "file|random[:SEED]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int | None]:
        if isinstance(value, tuple):
            return value
        order, colon, seed = str(value).partition(":")
        if order not in ("file", "random") or (colon and (order == "file" or not seed.isdecimal())):
            self.fail(f"{value!r} is neither file, random nor random:SEED", param, ctx)
        return order, int(seed) if colon else None


class _Duration(click.ParamType[float]):
    """A duration with its unit, as seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_duration_us(str(value)) / 1e6
        except ValueError as error:
            self.fail(str(error), param, ctx)


def matrix_options() -> list[click.Option]:
    """Return the options that say how the cells of a file run, and where."""
    return [*_schedule_options(), *_machine_options()]


def _schedule_options() -> list[click.Option]:
    return [
        click.Option(
            ["-j", "--jobs"],
            type=_Jobs(),
            metavar="N|auto",
            default="1",
            show_default=True,
            show_envvar=True,
            help="Run up to N cells at the same time; `auto` follows the load of the machine.",
        ),
        click.Option(
            ["--order"],
            type=_Order(),
            metavar="file|random[:SEED]",
            default="file",
            show_default=True,
            show_envvar=True,
            help="Order in which cells begin; without a SEED one is drawn and printed.",
        ),
        click.Option(
            ["--fail-fast"],
            is_flag=True,
            show_envvar=True,
            help="Begin no further cell after one has failed; those that run end.",
        ),
        click.Option(
            ["--max-duration"],
            type=_Duration(),
            metavar="DURATION",
            show_envvar=True,
            help="Begin no cell that would not end within this time from the start of the run.",
        ),
        click.Option(
            ["--again/--no-again"],
            default=True,
            show_default=True,
            show_envvar=True,
            help="Repeat a cell once, alone, if its times were not reliable or the environment made it fail.",
        ),
    ]


def _machine_options() -> list[click.Option]:
    return [
        click.Option(
            ["--dask"],
            metavar="ADDRESS",
            show_envvar=True,
            help="Run the cells on the workers of a Dask cluster (docs/scale.md): the address or the file of its "
            "scheduler. As many at the same time as the workers have docker-slots, or the N of -j.",
        ),
        click.Option(
            ["--isolation"],
            type=click.Choice(get_args(Isolation)),
            default="fresh",
            show_default=True,
            show_envvar=True,
            help="`fresh`: everything is new for each cell. `warm`: network and sidecars serve one cell after another; "
            "the link is changed and verified again, endpoints are new. Faster, with the same results.",
        ),
        click.Option(
            ["--retain"],
            type=click.Choice(get_args(Retain)),
            default="all",
            show_default=True,
            show_envvar=True,
            help="Of which cells to keep the raw files: all, those that have not passed, or none (summary).",
        ),
    ]


def isolation(params: Mapping[str, Any]) -> Isolation:
    """Return how cells are isolated from each other; raises InputError if options exclude each other."""
    chosen: Isolation = params["isolation"]
    if params["dask"] and params["keep"] != "never":
        raise InputError(
            ["--keep and --dask exclude each other: containers are on the machines of the workers"],
            hint="omit --keep",
        )
    if chosen == "warm" and params["keep"] != "never":
        raise InputError(
            ["--isolation warm: network and sidecars serve several cells, so --keep cannot keep those of one"],
            hint="use --isolation fresh with --keep",
        )
    if chosen == "warm" and params["dask"]:
        raise InputError(
            ["--isolation warm: the workers of a cluster run each cell on its own, with everything new"],
            hint="use --isolation fresh with --dask",
        )
    return chosen


def jobs(params: Mapping[str, Any]) -> int | None:
    """Return how many cells may run at the same time; None = as many as the machine, or a cluster, allows."""
    source = click.get_current_context().get_parameter_source("jobs")
    all_slots = params["dask"] and source is ParameterSource.DEFAULT
    return None if all_slots or params["jobs"] == AUTO else params["jobs"]


def rules(params: Mapping[str, Any]) -> Rules:
    """Return how the cells are scheduled; a drawn seed is printed, so that the order can be repeated."""
    order, seed = params["order"]
    if order == "random" and seed is None:
        seed = secrets.randbelow(1 << 32)
        click.echo(f"testbed: --order random:{seed}", err=True)
    return Rules(
        jobs=jobs(params),
        order=order,
        seed=seed or 0,
        fail_fast=params["fail_fast"],
        max_duration_s=params["max_duration"],
        again=params["again"],
    )
