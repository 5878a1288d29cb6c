"""Make the options that commands share, and one option for each field of a cell."""

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, get_args, get_origin

import click
from click.core import ParameterSource
from pydantic.fields import FieldInfo

from testbed.cli.files import read_text
from testbed.errors import InputError
from testbed.scenario.model import FIELDS, Cell
from testbed.scenario.validate import validate
from testbed.units import format_duration_us

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_DURATIONS: Final = frozenset(info.alias or name for name, info in Cell.model_fields.items() if name.endswith("_us"))
_SIZES: Final = frozenset(info.alias or name for name, info in Cell.model_fields.items() if name.endswith("_bytes"))


def _plain(annotation: object) -> object:
    if isinstance(annotation, UnionType):
        return next(part for part in get_args(annotation) if part is not NoneType)
    return annotation


def _default(name: str, info: FieldInfo) -> str | None:
    if info.default in (None, "", [], {}):
        return None
    return format_duration_us(info.default) if name in _DURATIONS else str(info.default)


def _metavar(name: str, annotation: object) -> str:
    if name in _SIZES:
        return "SIZE"
    if name in _DURATIONS:
        return "DURATION"
    if get_origin(annotation) is Literal:
        return f"[{'|'.join(get_args(annotation))}]"
    return "INTEGER" if annotation is int else "TEXT"


def _help(info: FieldInfo) -> str:
    text = info.description or ""
    return f"{text[:1].upper()}{text[1:]}."


class _Setting(click.ParamType[str]):
    """A text KEY=VALUE; in the environment several are separated by semicolons, because values contain blanks."""

    name = "key=value"
    envvar_list_splitter = ";"


def _sysctl_option(flag: str, info: FieldInfo) -> click.Option:
    return click.Option(
        [flag], type=_Setting(), multiple=True, callback=_settings, help=f"{_help(info)[:-1]}; repeatable.",
        show_envvar=True,
    )  # fmt: skip


def _settings(_ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.strip().partition("=") for text in texts]
    wrong = [f"{param.opts[0]}: {key!r} is not KEY=VALUE" for key, equals, _ in pairs if not equals]
    if wrong:
        raise InputError(wrong)
    return {key.strip(): value for key, _, value in pairs}


def _profile_option(flag: str, info: FieldInfo) -> click.Option:
    kind = click.Path(dir_okay=False, path_type=Path)
    text = f"YAML file: {(info.description or '').partition(';')[0]}."
    return click.Option([flag], type=kind, callback=_profile, help=text, show_envvar=True)


def _profile(_ctx: click.Context, _param: click.Parameter, path: Path | None) -> object:
    if path is None:
        return None
    from testbed.scenario.file import load_yaml  # noqa: PLC0415 - YAML is slow to import, and profiles are rare

    return load_yaml(read_text(path), str(path))


_SPECIAL: Final[dict[str, Callable[[str, FieldInfo], click.Option]]] = {
    "sysctl": _sysctl_option,
    "profile": _profile_option,
}


def _option(name: str, info: FieldInfo) -> click.Option:
    flag = "--" + name.replace("_", "-")
    annotation = _plain(info.annotation)
    if name in _SPECIAL:
        return _SPECIAL[name](flag, info)
    if annotation is bool:
        return click.Option([f"{flag}/--no-{name}"], default=False, help=_help(info), show_envvar=True)
    return click.Option(
        [flag],
        metavar=_metavar(name, annotation),
        help=_help(info),
        default=_default(name, info),
        show_default=True,
        show_envvar=True,
    )


def cell_options() -> list[click.Option]:
    """Return one option for each field of a cell; the model parses their texts, as it does those of a file."""
    return [_option(name, info) for name, info in FIELDS.items()]


def given_fields(ctx: click.Context) -> dict[str, Any]:
    """Return the fields that options or the environment set, as the user wrote them."""
    set_here = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    return {name: ctx.params[name] for name in FIELDS if ctx.get_parameter_source(name) in set_here}


def requested_cell(ctx: click.Context, given: Mapping[str, Any]) -> Cell:
    """Return the cell with these fields; raises InputError with one line for each option that is wrong."""
    answer = validate(given)
    if isinstance(answer, Cell):
        return answer
    lines = [f"--{each.field.replace('_', '-')}: {each.message}" if each.field else each.message for each in answer]
    raise InputError(lines, hint=f"{ctx.command_path} --help")


def unknown_env_vars(ctx: click.Context, environment: Mapping[str, str]) -> list[str]:
    """Return a warning for each variable that has this command's prefix but names none of its options."""
    prefix = f"{ctx.auto_envvar_prefix}_"
    known = [f"{prefix}{param.name.upper()}" for param in ctx.command.params if param.name]
    found = []
    for name in sorted(environment):
        if name.startswith(prefix) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            found.append(f"{name} is not an option of this command{f'; did you mean {near[0]}?' if near else ''}")
    return found


def output_option() -> click.Option:
    """Return the option for the folder of the runs."""
    return click.Option(
        ["--output"],
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("runs"),
        show_default=True,
        show_envvar=True,
        help="Folder that holds the run folders.",
    )


def run_options() -> list[click.Option]:
    """Return the options of every command that runs cells."""
    return [
        output_option(),
        click.Option(
            ["--keep"],
            type=click.Choice(["never", "failed", "always"]),
            default="never",
            show_default=True,
            show_envvar=True,
            help="When to keep containers, volumes and network; `testbed clean` removes them.",
        ),
        click.Option(["--dry-run"], is_flag=True, help="Print the plan and run nothing."),
        click.Option(["--json"], is_flag=True, show_envvar=True, help="Print one JSON document."),
        click.Option(["-q", "--quiet"], is_flag=True, show_envvar=True, help="Print the verdict only."),
        click.Option(["-v", "--verbose"], count=True, show_envvar=True, help="Print more progress."),
    ]
