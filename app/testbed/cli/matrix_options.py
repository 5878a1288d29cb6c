"""The options of `testbed matrix` alone."""

import os
from collections.abc import Mapping
from typing import Any, Final

import click

from testbed.run.runner import RunLimits

AUTO: Final = "auto"


class _Jobs(click.ParamType[int]):
    """A number of cells, or `auto`."""

    name = "N|auto"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == AUTO:
            return 2 * (os.cpu_count() or 1)
        try:
            jobs = int(str(value))
        except ValueError:
            jobs = 0
        if jobs < 1:
            self.fail(f"{value!r} is neither a number of cells, 1 or more, nor {AUTO!r}", param, ctx)
        return jobs


def matrix_options() -> list[click.Option]:
    """Return the options that say how the cells of a file run."""
    return [
        click.Option(
            ["-j", "--jobs"],
            type=_Jobs(),
            metavar="N|auto",
            default="1",
            show_default=True,
            show_envvar=True,
            help="Run up to N cells at the same time; `auto` chooses N.",
        ),
    ]


def limits(params: Mapping[str, Any]) -> RunLimits:
    """Return how many cells may run at the same time."""
    return RunLimits(jobs=params["jobs"])
