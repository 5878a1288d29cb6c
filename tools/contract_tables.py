"""The contracts of the programs and of the sidecar as Markdown tables, and as the tables of the C programs."""

from typing import Any

from netem.contract.events import EVENT_KINDS
from netem.contract.settings import variables
from testbed.peer.contract import DONE, FAILED, OPTION_SPECS, UNSUPPORTED, OptionSpec
from testbed.wire import MAX_KEPT_BYTES

_GENERATED = "/* GENERATED from app/testbed/peer/contract.py by tools/generate.py; do not edit. */"


def _shown(default: object) -> str:
    """Return a default as the environment would hold it."""
    if default in (None, (), ""):
        return ""
    if isinstance(default, bool):
        return str(int(default))
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, tuple):
        return f"`{' '.join(default)}`"
    return str(default) if isinstance(default, int) else f"`{default}`"


def sidecar_variables() -> str:
    """Return the table of the sidecar's environment variables."""
    lines = ["| name | default | allowed | meaning |", "|---|---|---|---|"]
    for variable, default in variables():
        lines.append(f"| `{variable.name}` | {_shown(default)} | {variable.allowed} | {variable.meaning} |")
    return "\n".join(lines) + "\n"


def sidecar_events() -> str:
    """Return the table of the sidecar's events."""
    recorded = {"": "", "last": "the last", "all": "all"}
    lines = ["| event | when | further keys | in `link.json` |", "|---|---|---|---|"]
    lines += [f"| `{kind.name}` | {kind.when} | {kind.keys} | {recorded[kind.recorded]} |" for kind in EVENT_KINDS]
    return "\n".join(lines) + "\n"


def _default(option: OptionSpec) -> str:
    if option.name == "role":
        return "the program's own"
    if option.server_default is not None:
        return f"client {_shown(option.default)}, server {_shown(option.server_default)}"
    return _shown(option.default)


def _range(option: OptionSpec) -> str:
    if option.is_switch:
        return "0, 1"
    if option.choices:
        return ", ".join(f"`{choice}`" for choice in option.choices)
    return "" if option.high is None else f"{option.low} to {option.high}"


def _options_table(first: str, names: dict[str, str]) -> list[str]:
    lines = [f"| {first} | client | server | default | range | meaning |", "|---|---|---|---|---|---|"]
    for option in OPTION_SPECS:
        uses = " | ".join("x" if role in option.roles else "" for role in ("client", "server"))
        meaning = f"{option.meaning}; {option.detail}" if option.detail else option.meaning
        lines.append(f"| `{names[option.name]}` | {uses} | {_default(option)} | {_range(option)} | {meaning} |")
    return lines


def program_options() -> str:
    """Return the table of the programs' options."""
    lines = _options_table("option", {option.name: f"--{option.name}" for option in OPTION_SPECS})
    return "\n".join([*lines, "| `--help` | x | x | | | print the options and exit |"]) + "\n"


def endpoint_variables() -> str:
    """Return the table of an endpoint's environment variables."""
    return "\n".join(_options_table("name", {option.name: option.variable for option in OPTION_SPECS})) + "\n"


def _c_kind(option: OptionSpec) -> str:
    if option.is_switch:
        return "SWITCH"
    if option.choices:
        return "CHOICE"
    return "TEXT" if option.high is None else "NUMBER"


def _c_text(value: Any) -> str:  # noqa: ANN401 - as the table has it
    return f'"{int(value) if isinstance(value, bool) else value}"'


def _c_row(option: OptionSpec) -> str:
    users = "BOTH" if len(option.roles) == 2 else option.roles[0].upper()
    parts = [_c_text(option.name), _c_kind(option), users, f"AT({option.key})"]
    if option.default not in (None, ""):
        parts.append(f".default_value = {_c_text(option.default)}")
    if option.server_default is not None:
        parts.append(f".server_default = {_c_text(option.server_default)}")
    if option.low:
        parts.append(f".min = {option.low}u")
    if option.is_switch:
        parts.append(".max = 1u")
    elif option.high is not None:
        parts.append(f".max = UINT64_C({option.high})")
    if option.choices:
        parts.append(f".choices = {{{', '.join(map(_c_text, option.choices))}}}")
    parts.append(f".help = {_c_text(option.meaning)}")
    return f"{{{', '.join(parts)}}},"


def option_rows_h() -> str:
    """Return the rows of the C programs' table of options."""
    note = "/* The rows of the table in options.c, which includes this file in the middle of it. */"
    return "\n".join([_GENERATED, note, *map(_c_row, OPTION_SPECS)]) + "\n"


def contract_h() -> str:
    """Return the constants of the contract for the C programs."""
    return "\n".join(
        [
            _GENERATED,
            "#ifndef TESTBED_CONTRACT_H",
            "#define TESTBED_CONTRACT_H",
            "",
            f"#define EXIT_DONE {DONE}",
            f"#define EXIT_FAILED {FAILED}",
            f"#define EXIT_UNSUPPORTED {UNSUPPORTED}",
            f"#define MAX_TOTAL_BYTES_KEPT {MAX_KEPT_BYTES}u",
            "",
            "#endif",
            "",
        ]
    )
