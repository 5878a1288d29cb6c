"""The options of a program: the values of the table in contract.py, from arguments and environment.

Pure: `arguments` and `environment` come in, Options come out. An argument overrides the environment.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from testbed.peer.contract import OPTION_SPECS, OptionSpec
from testbed.peer.errors import UnsupportedError, UsageError
from testbed.wire import MAX_KEPT_BYTES, Caps

Role = Literal["client", "server"]

_MODES: Final = {"v4": "ipv4", "v6": "ipv6"}
_POSITIONAL: Final = ("family", "host", "port", "nodes", "content_bytes")
_BY_NAME: Final = {option.name: option for option in OPTION_SPECS}


@dataclass(frozen=True, slots=True)
class Options:
    """The values of all options; the fields are named as in the table, with underscores."""

    role: Role
    family: Literal["ipv4", "ipv6", "dual"]
    host: str
    port: int
    nodes: int
    content_bytes: int
    chunk_bytes: int
    read_delay_us: int
    read_bytes: int
    sndbuf_bytes: int
    rcvbuf_bytes: int
    nodelay: bool
    repeat: int
    events: str
    seed: int
    verbose: bool
    bind: str
    print: Literal["all", "some", "none"]
    content: Literal["keep", "digest"]
    max_nodes: int
    max_content_bytes: int
    max_total_bytes: int
    max_connections: int

    @property
    def caps(self) -> Caps:
        """The caps of a receiver."""
        return Caps(self.max_nodes, self.max_content_bytes, self.max_total_bytes)


def _read(option: OptionSpec, text: str, source: str) -> Any:  # noqa: ANN401 - int, bool or str, as the table says
    """Return the value of `text`; raise UsageError or UnsupportedError, which name its `source`."""
    if option.name in ("role", "family") and text not in option.choices:
        raise UnsupportedError(f"{source}: {text!r} is not supported, only {', '.join(option.choices)}")
    if option.is_switch:
        if text not in ("0", "1"):
            raise UsageError(f"{source}: {text!r} must be 0 or 1")
        return text == "1"
    if option.choices and text not in option.choices:
        raise UsageError(f"{source}: {text!r} must be one of {', '.join(option.choices)}")
    if option.high is None:
        return text
    value = _number(text)
    if value is None or not option.low <= value <= option.high:
        raise UsageError(f"{source}: {text!r} must be a number from {option.low} to {option.high}")
    return value


def _number(text: str) -> int | None:
    """Return the value of plain decimal digits, None for anything else or beyond 64 bits."""
    digits = text.lstrip("0")
    if not (text.isascii() and text.isdigit() and len(digits) <= 20):
        return None
    return int(digits or "0")


def read_options(role: Role, arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """Return the options of a program; raise UsageError or UnsupportedError, which name the argument."""
    given, words = _split(arguments)
    positional = _positional(role, words)
    twice = sorted(given.keys() & positional.keys())
    if twice:
        raise UsageError(f"--{twice[0].replace('_', '-')} is given both as an option and as an argument")
    for option in OPTION_SPECS:
        text = environment.get(option.variable, "")
        if text and role in option.roles and option.key not in given and option.key not in positional:
            given[option.key] = _read(option, text, option.variable)
    given |= positional
    if given.setdefault("role", role) != role:
        raise UnsupportedError(f"role {given['role']} is not supported: this is the {role}")
    values = {option.key: option.default_of(role) for option in OPTION_SPECS} | given
    if role == "client" and values["port"] == 0:
        raise UsageError("port: must not be 0 for a client")
    if values["content"] == "keep" and "max_total_bytes" not in given:
        values["max_total_bytes"] = MAX_KEPT_BYTES
    return Options(**values)


def _split(arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the options with their values, and the other arguments."""
    given: dict[str, Any] = {}
    words: list[str] = []
    rest: Iterator[str] = iter(arguments)
    for argument in rest:
        if argument == "--":
            words.extend(rest)
        elif not argument.startswith("--"):
            words.append(argument)
        else:
            name, equals, text = argument[2:].partition("=")
            option = _BY_NAME.get(name)
            if option is None:
                raise UsageError(f"--{name}: unknown option")
            if not equals:
                text = "1" if option.is_switch else next(rest, "")
                if not text:
                    raise UsageError(f"--{name}: requires a value")
            given[option.key] = _read(option, text, f"--{name}")
    return given, words


def _positional(role: Role, words: list[str]) -> dict[str, Any]:
    """Return the values of positional arguments: MODE HOST PORT NODES CONTENT, or PORT NODES."""
    if role == "server" and words:
        raise UsageError(f"unexpected argument {words[0]!r}: the server has options only")
    if len(words) == 2 and all(word.isascii() and word.isdigit() for word in words):
        words = ["v4", "localhost", *words]
    if len(words) > len(_POSITIONAL):
        raise UsageError(f"unexpected argument {words[len(_POSITIONAL)]!r}")
    if words and words[0] not in _MODES:
        raise UnsupportedError(f"mode {words[0]!r} is not supported, only {', '.join(_MODES)}")
    values: dict[str, Any] = {"family": _MODES[words[0]]} if words else {}
    for key, word in zip(_POSITIONAL[1:], words[1:], strict=False):
        option = _BY_NAME[key.replace("_", "-")]
        values[key] = _read(option, word, option.name)
    return values


_SYNOPSIS: Final = {
    "client": "client [v4|v6] [HOST] [PORT] [NODES] [CONTENT] [options]\n       client PORT NODES [options]",
    "server": "server [options]",
}


def help_text(role: Role) -> str:
    """Return the text of --help, with the defaults of this role."""
    defaults = read_options(role, [], {})
    lines = [
        f"usage: {_SYNOPSIS[role]}",
        "",
        "Each option can also be set in the environment: --read-bytes is TESTBED_READ_BYTES.",
        "",
    ]
    for option in OPTION_SPECS:
        if role not in option.roles:
            continue
        value = "" if option.is_switch else f" {'|'.join(option.choices) or ('N' if option.high else 'TEXT')}"
        default = getattr(defaults, option.key)
        shown = "" if option.is_switch or option.name == "role" or default == "" else f" ({default})"
        lines.append(f"  {f'--{option.name}{value}':<32} {option.meaning}{shown}")
    lines.append(f"  {'--help':<32} print this help")
    return "\n".join(lines) + "\n"


def help_requested(arguments: Sequence[str]) -> bool:
    """Return whether --help is among the options."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--help" in options


assert [field.name for field in fields(Options)] == [option.key for option in OPTION_SPECS]
