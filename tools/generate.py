"""Write the files that are derived from the code, or check with --check that they match it.

Each generator is a function without arguments that returns text; `GENERATED` maps files to generators. A Markdown file
has its generated part between `<!-- generated: NAME -->` and `<!-- end -->`; any other file is generated completely.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import click
from pydantic import BaseModel

from testbed.analysis.findings.measured import Fact
from testbed.analysis.findings.registry import RULES
from testbed.cli import EXIT_CODES, cli
from testbed.result import CellRecord, Result, result_schema
from testbed.wire.layout import C_TYPES, HEADER, HEADER_STRUCT, LAST_ID, NODE, NODE_STRUCT, Field
from tools.contract_tables import (
    contract_h,
    endpoint_variables,
    option_rows_h,
    program_options,
    sidecar_events,
    sidecar_variables,
)

ROOT = Path(__file__).resolve().parents[1]
HELP_WIDTH = 110


def _c_struct(name: str, fields: tuple[Field, ...], size: int) -> str:
    lines = [f"struct {name} {{"]
    for field in fields:
        array = f"[{field.size}]" if field.kind in ("text", "pad") else ""
        note = f" /* {field.meaning} */" if field.meaning else ""
        lines.append(f"    {C_TYPES[field.kind]} {field.name}{array};{note}")
    lines.append("};")
    lines += [
        f'_Static_assert(offsetof(struct {name}, {f.name}) == {f.offset}, "{name}.{f.name} at {f.offset}");'
        for f in fields
    ]
    lines += [
        f'_Static_assert(sizeof(((struct {name} *)0)->{f.name}) == {f.size}, "{name}.{f.name} takes {f.size}");'
        for f in fields
    ]
    lines.append(f'_Static_assert(sizeof(struct {name}) == {size}, "{name} takes {size}");')
    return "\n".join(lines)


def wire_layout_h() -> str:
    """Return the C header that describes the wire format."""
    return "\n".join(
        [
            "/* GENERATED from app/testbed/wire/layout.py by tools/generate.py; do not edit. */",
            "#ifndef TESTBED_WIRE_LAYOUT_H",
            "#define TESTBED_WIRE_LAYOUT_H",
            "",
            "#include <stddef.h>",
            "#include <stdint.h>",
            "",
            "#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__",
            '#error "the records are read in place: the wire is little-endian, and so must be the machine"',
            "#endif",
            "",
            f"#define WIRE_HEADER_BYTES {HEADER_STRUCT.size}u",
            f"#define WIRE_NODE_BYTES {NODE_STRUCT.size}u",
            f"#define WIRE_TITLE_BYTES {next(f.size for f in NODE if f.name == 'title')}u",
            f"#define WIRE_LAST_ID ({LAST_ID})",
            "",
            _c_struct("wire_header", HEADER, HEADER_STRUCT.size),
            "",
            _c_struct("wire_node", NODE, NODE_STRUCT.size),
            "",
            "#endif",
            "",
        ]
    )


def wire_table() -> str:
    """Return the tables of the wire format in Markdown."""
    parts = []
    for title, fields, size in (
        ("Header", HEADER, HEADER_STRUCT.size),
        ("Node record", NODE, NODE_STRUCT.size),
    ):
        parts += [
            f"{title}, {size} bytes:",
            "",
            "| offset | size | field | type | meaning |",
            "|---|---|---|---|---|",
        ]
        parts += [f"| {f.offset} | {f.size} | `{f.name}` | {f.kind} | {f.meaning} |" for f in fields]
        parts.append("")
    return "\n".join(parts)


def cli_reference() -> str:
    """Return the reference of the command line: the `--help` of each command."""
    parts = [
        "<!-- GENERATED from `testbed --help` by tools/generate.py; do not edit. -->",
        "# The command line",
        "",
        "Results go to standard output, progress to standard error. The help names the environment variables of the",
        "options; an option overrides its variable. `--json` prints exactly one document, also when the command fails.",
        "",
        "| exit code | meaning |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()),
        "",
    ]
    top = click.Context(cli, info_name="testbed", terminal_width=HELP_WIDTH, **cli.context_settings)
    for context in _contexts(top):
        parts += [f"## {context.command_path}", "", "```", context.command.get_help(context), "```", ""]
    return "\n".join(parts)


def _contexts(context: click.Context) -> Iterator[click.Context]:
    """Yield the context of a command and those of the commands below it."""
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            assert command is not None
            yield from _contexts(click.Context(command, info_name=name, parent=context, terminal_width=HELP_WIDTH))


def result_schema_json() -> str:
    """Return the JSON Schema of `result.json`."""
    return json.dumps(result_schema(), indent=2) + "\n"


def _type_name(annotation: object) -> str:
    text = annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
    return (
        re.sub(r"[\w.]+\.(?=\w)", "", text)
        .replace("Literal", "one of ")
        .replace(" | ", " or ")
        .replace("NoneType", "null")
    )


def _records_below(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return a record and the records that it contains, each once, in the order of their first use."""
    found: list[type[BaseModel]] = [model]
    for record in found:
        for info in record.model_fields.values():
            parts: list[object] = [info.annotation]
            for part in parts:
                parts += get_args(part)
                if isinstance(part, type) and issubclass(part, BaseModel) and part not in found:
                    found.append(part)
    return found


def _record_tables(model: type[BaseModel]) -> str:
    lines = []
    for record in _records_below(model):
        lines += [f"`{record.__name__}`: {record.__doc__}", "", "| key | type | meaning |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {_type_name(info.annotation)} | {info.description or ''} |"
            for name, info in record.model_fields.items()
        ]
        lines.append("")
    return "\n".join(lines)


def result_keys() -> str:
    """Return the tables of `result.json`."""
    return _record_tables(Result)


def cell_keys() -> str:
    """Return the tables of `cell.json`."""
    return _record_tables(CellRecord)


def findings_table() -> str:
    """Return the table of the findings."""
    lines = ["| finding | question | sources |", "|---|---|---|"]
    lines += [f"| `{rule.name}` | {rule.question} | {rule.looks_at} |" for rule in RULES.values()]
    return "\n".join(lines) + "\n"


def facts_table() -> str:
    """Return the table of the keys that the facts of the findings have."""
    lines = ["| finding | meaning | keys |", "|---|---|---|"]
    lines += [
        f"| `{rule.name}` | {' '.join((fact.__doc__ or '').split())} | {_fact_keys(fact)} |"
        for rule in RULES.values()
        for fact in rule.facts
    ]
    return "\n".join(lines) + "\n"


def _fact_keys(fact: type[Fact]) -> str:
    return ", ".join(f"`{name}`: {_fact_type(kind)}" for name, kind in get_type_hints(fact).items())


def _fact_type(kind: Any) -> str:  # noqa: ANN401 - any annotation
    """Return the type of a fact's field as it is in JSON."""
    if get_origin(kind) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        return f"list of {_fact_type(get_args(kind)[0])}"
    if get_args(kind):
        return " or ".join(_fact_type(part) for part in get_args(kind))
    if issubclass(kind, Enum):
        return " or ".join(f"`{each.value}`" for each in kind)
    if issubclass(kind, Fact):
        return f"object ({_fact_keys(kind)})"
    return "null" if kind is type(None) else str(kind.__name__)


GENERATED: dict[tuple[str, str | None], Callable[[], str]] = {
    ("app/c/wire_layout.h", None): wire_layout_h,
    ("app/c/contract.h", None): contract_h,
    ("app/c/option_rows.h", None): option_rows_h,
    ("docs/contracts.md", "endpoint-variables"): endpoint_variables,
    ("docs/contracts.md", "sidecar-variables"): sidecar_variables,
    ("docs/contracts.md", "sidecar-events"): sidecar_events,
    ("docs/programs.md", "options"): program_options,
    ("docs/wire-format.md", "wire-layout"): wire_table,
    ("docs/cli.md", None): cli_reference,
    ("docs/findings.md", "findings"): findings_table,
    ("docs/findings.md", "facts"): facts_table,
    ("docs/results-format.md", "result-keys"): result_keys,
    ("docs/results-format.md", "cell-keys"): cell_keys,
    ("app/testbed/result.schema.json", None): result_schema_json,
}


def _inserted(text: str, name: str, part: str) -> str:
    pattern = re.compile(rf"(<!-- generated: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"generate: no part named {name!r}")
    return pattern.sub(lambda match: f"{match[1]}{part}{match[2]}", text)


def expected() -> dict[Path, str]:
    """Return the expected content of every generated file."""
    wanted: dict[Path, str] = {}
    for (name, part), make in GENERATED.items():
        path = ROOT / name
        wanted[path] = make() if part is None else _inserted(wanted.get(path) or path.read_text(), part, make())
    return wanted


def main() -> None:
    """Write the generated files; with --check, write nothing and exit with 1 if one is stale."""
    stale = []
    for path, text in expected().items():
        if path.exists() and path.read_text() == text:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
    if stale:
        print("stale:" if "--check" in sys.argv[1:] else "written:", *stale)
    if stale and "--check" in sys.argv[1:]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
