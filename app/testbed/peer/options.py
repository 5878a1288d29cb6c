"""What a program is told to do: one table of options, read from arguments and environment (docs/programs.md).

Pure: `arguments` and `environment` come in, Settings come out. An argument wins over the environment.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from testbed.peer.errors import UnsupportedError, UsageError
from testbed.wire import MAX_KEPT_BYTES, Caps

Role = Literal["client", "server"]

_BOTH: Final = ("client", "server")
_FAMILIES: Final = ("ipv4", "ipv6", "dual")
_MODES: Final = {"v4": "ipv4", "v6": "ipv6"}
_POSITIONAL: Final = ("family", "host", "port", "nodes", "content_bytes")
_DEFAULT_CAPS: Final = Caps()
_LARGEST_BUFFER: Final = 64 * 1024 * 1024
"""A chunk and a read are held in memory whole."""
_I32: Final = 2**31 - 1
_U32: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Option:
    """One option: a number from `low` to `high`, one of `choices`, a switch (`choices` 0 and 1) or any text."""

    name: str
    default: Any
    meaning: str
    roles: tuple[str, ...] = _BOTH
    low: int = 0
    high: int | None = None
    choices: tuple[str, ...] = ()

    @property
    def is_switch(self) -> bool:
        """Whether it is 0 or 1, and may stand without a value."""
        return isinstance(self.default, bool)

    @property
    def key(self) -> str:
        """The name in Settings."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The name in the environment."""
        return f"TESTBED_{self.key.upper()}"

    def read(self, text: str, source: str) -> Any:  # noqa: ANN401 - int, bool or str, as the table says
        """Return the value that `text` means; UsageError or UnsupportedError name the `source` of it."""
        if self.name in ("role", "family") and text not in self.choices:
            raise UnsupportedError(f"{source}: {text!r} is not supported, only {', '.join(self.choices)}")
        if self.is_switch:
            if text not in ("0", "1"):
                raise UsageError(f"{source}: {text!r} is neither 0 nor 1")
            return text == "1"
        if self.choices and text not in self.choices:
            raise UsageError(f"{source}: {text!r} is none of {', '.join(self.choices)}")
        if self.high is None:
            return text
        value = _number(text)
        if value is None or not self.low <= value <= self.high:
            raise UsageError(f"{source}: {text!r} is not a whole number from {self.low} to {self.high}")
        return value


def _number(text: str) -> int | None:
    """Return the value of plain decimal digits, None of anything else or beyond 64 bits."""
    digits = text.lstrip("0")
    if not (text.isascii() and text.isdigit() and len(digits) <= 20):
        return None
    return int(digits or "0")


_CLIENT: Final = ("client",)
_SERVER: Final = ("server",)

OPTIONS: Final = (
    Option("role", None, "must be the program's own role", choices=_BOTH),
    Option("family", None, "client: families asked of the resolver; server: socket", choices=_FAMILIES),
    Option("host", "localhost", "name or address to connect to", _CLIENT),
    Option("port", 8888, "TCP port; a server takes 0 for a free one", high=65535),
    Option("nodes", 10, "nodes of the list", _CLIENT, high=_I32),
    Option("content-bytes", 1000, "content of each node", _CLIENT, high=_U32),
    Option("chunk-bytes", 10000, "size of one send call", _CLIENT, low=1, high=_LARGEST_BUFFER),
    Option("read-delay-us", 0, "pause after each read", _SERVER, high=3_600_000_000),
    Option("read-bytes", 8192, "size of one receive call", _SERVER, low=1, high=_LARGEST_BUFFER),
    Option("sndbuf-bytes", 0, "SO_SNDBUF; 0 = the kernel's", high=_I32 // 2),
    Option("rcvbuf-bytes", 0, "SO_RCVBUF; 0 = the kernel's", high=_I32 // 2),
    Option("nodelay", False, "TCP_NODELAY"),
    Option("repeat", 1, "lists on a connection; 0 = any number", high=_I32),
    Option("events", "", "path of the event log"),
    Option("seed", 0, "nothing is drawn by chance at present", high=2**64 - 1),
    Option("verbose", False, "print more"),
    Option("bind", "", "address to listen on; all when not given", _SERVER),
    Option("print", "all", "nodes to print", _SERVER, choices=("all", "some", "none")),
    Option("content", "digest", "what to do with contents", _SERVER, choices=("keep", "digest")),
    Option("max-nodes", _DEFAULT_CAPS.max_nodes, "cap on the nodes of a list", _SERVER, high=_I32),
    Option("max-content-bytes", _DEFAULT_CAPS.max_content_bytes, "cap on one content", _SERVER, high=_U32),
    Option("max-total-bytes", None, "cap on one list", _SERVER, high=2**63 - 1),
    Option("max-connections", 1024, "connections served at a time", _SERVER, low=1, high=65535),
)
_BY_NAME: Final = {option.name: option for option in OPTIONS}


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of all options; the names are those of the table with underscores."""

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


def read_settings(role: Role, arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Return what the program is to do; raise UsageError or UnsupportedError, whose text names the argument."""
    given, words = _split(arguments)
    positional = _positional(role, words)
    twice = sorted(given.keys() & positional.keys())
    if twice:
        raise UsageError(f"--{twice[0].replace('_', '-')} is given as an option and by its place")
    for option in OPTIONS:
        text = environment.get(option.variable, "")
        if text and role in option.roles and option.key not in given and option.key not in positional:
            given[option.key] = option.read(text, option.variable)
    values = {option.key: option.default for option in OPTIONS} | given | positional
    if values["role"] not in (None, role):
        raise UnsupportedError(f"this is the {role}, the role asked for is {values['role']}")
    if role == "client" and values["port"] == 0:
        raise UsageError("port: a client cannot connect to 0")
    return Settings(**(values | _derived(role, values)))


def _derived(role: Role, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values whose default depends on another."""
    total = values["max_total_bytes"]
    if total is None:
        total = MAX_KEPT_BYTES if values["content"] == "keep" else _DEFAULT_CAPS.max_total_bytes
    family = values["family"] or ("ipv4" if role == "client" else "dual")
    return {"role": role, "family": family, "max_total_bytes": total}


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
                raise UsageError(f"--{name}: there is no such option")
            if not equals:
                text = "1" if option.is_switch else next(rest, "")
                if not text:
                    raise UsageError(f"--{name}: the value is missing")
            given[option.key] = option.read(text, f"--{name}")
    return given, words


def _positional(role: Role, words: list[str]) -> dict[str, Any]:
    """Return the values given by their place: MODE HOST PORT NODES CONTENT, or PORT NODES."""
    if role == "server" and words:
        raise UsageError(f"{words[0]!r}: a server takes options only")
    if len(words) == 2 and all(word.isascii() and word.isdigit() for word in words):
        words = ["v4", "localhost", *words]
    if len(words) > len(_POSITIONAL):
        raise UsageError(f"{words[len(_POSITIONAL)]!r}: one argument too many")
    if words and words[0] not in _MODES:
        raise UnsupportedError(f"mode {words[0]!r} is not supported, only {', '.join(_MODES)}")
    values: dict[str, Any] = {"family": _MODES[words[0]]} if words else {}
    for key, word in zip(_POSITIONAL[1:], words[1:], strict=False):
        option = _BY_NAME[key.replace("_", "-")]
        values[key] = option.read(word, option.name)
    return values


_SYNOPSIS: Final = {
    "client": "client [v4|v6] [HOST] [PORT] [NODES] [CONTENT] [options]\n       client PORT NODES [options]",
    "server": "server [options]",
}


def help_text(role: Role) -> str:
    """Return what --help prints; the defaults are those that this role would run with."""
    defaults = read_settings(role, [], {})
    lines = [
        f"usage: {_SYNOPSIS[role]}",
        "",
        "Every option has an environment name: --read-bytes is TESTBED_READ_BYTES; an option wins.",
        "",
    ]
    for option in OPTIONS:
        if role not in option.roles:
            continue
        value = "" if option.is_switch else f" {'|'.join(option.choices) or ('N' if option.high else 'TEXT')}"
        default = getattr(defaults, option.key)
        shown = "" if option.is_switch or option.name == "role" or default == "" else f" ({default})"
        lines.append(f"  {f'--{option.name}{value}':<32} {option.meaning}{shown}")
    lines.append(f"  {'--help':<32} print this")
    return "\n".join(lines) + "\n"


def asks_for_help(arguments: Sequence[str]) -> bool:
    """Return whether --help is among the options."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--help" in options


assert [field.name for field in fields(Settings)] == [option.key for option in OPTIONS]
