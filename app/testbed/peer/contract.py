"""The contract of the four programs as data: one table of options, and the exit codes.

Pure, without imports from the programs: the Python programs read their options by this table, the orchestrator uses its
ranges and its port, and tools/generate.py writes the table of the C programs (app/c/option_rows.h) and those of
docs/programs.md and docs/contracts.md.
"""

from dataclasses import dataclass
from typing import Any, Final

from testbed.wire import MAX_KEPT_BYTES, Caps

DONE: Final = 0
FAILED: Final = 1
UNSUPPORTED: Final = 127
"""The program does not support the requested role, address family or mode."""

PORT: Final = 8888
I32_MAX: Final = 2**31 - 1
U32_MAX: Final = 2**32 - 1
MAX_CALL_BYTES: Final = 1 << 26
"""A chunk and a read buffer are allocated as a whole."""
MAX_BUFFER_BYTES: Final = I32_MAX // 2
"""The kernel doubles SO_SNDBUF and SO_RCVBUF, which are of the type int."""
MAX_READ_DELAY_US: Final = 3_600_000_000

BOTH: Final = ("client", "server")
CLIENT: Final = ("client",)
SERVER: Final = ("server",)
_CAPS: Final = Caps()


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """One option: a number from `low` to `high`, one of `choices`, a switch (0 or 1) or any text.

    `meaning` is the text in --help; the pages add `detail`.
    """

    name: str
    default: Any
    meaning: str
    roles: tuple[str, ...] = BOTH
    low: int = 0
    high: int | None = None
    choices: tuple[str, ...] = ()
    server_default: Any = None
    """The default of the server, if it differs."""
    detail: str = ""

    @property
    def is_switch(self) -> bool:
        """Return whether it is a switch, whose value may be omitted."""
        return isinstance(self.default, bool)

    @property
    def key(self) -> str:
        """The name of its field in Options."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The name of its environment variable."""
        return f"TESTBED_{self.key.upper()}"

    def default_of(self, role: str) -> Any:  # noqa: ANN401 - int, bool, str or None, as the table says
        """Return the default of a program of this role."""
        return self.server_default if role == "server" and self.server_default is not None else self.default


OPTION_SPECS: Final = (
    OptionSpec(
        "role",
        None,
        "role of the program",
        choices=BOTH,
        detail=f"any other ends the program with {UNSUPPORTED}",
    ),
    OptionSpec(
        "family",
        "ipv4",
        "address family",
        choices=("ipv4", "ipv6", "dual"),
        server_default="dual",
        detail="client: families for the resolver; server: see Listening",
    ),
    OptionSpec("host", "localhost", "name or address to connect to", CLIENT),
    OptionSpec(
        "port",
        PORT,
        "TCP port; server: 0 = any free port",
        high=65535,
        detail="its number is printed on stderr",
    ),
    OptionSpec("nodes", 10, "number of nodes in the list", CLIENT, high=I32_MAX),
    OptionSpec("content-bytes", 1000, "content of each node", CLIENT, high=U32_MAX),
    OptionSpec("chunk-bytes", 10000, "bytes per send()", CLIENT, low=1, high=MAX_CALL_BYTES),
    OptionSpec("read-delay-us", 0, "read delay, after each read that brought bytes", SERVER, high=MAX_READ_DELAY_US),
    OptionSpec("read-bytes", 8192, "bytes per recv()", SERVER, low=1, high=MAX_CALL_BYTES),
    OptionSpec(
        "sndbuf-bytes",
        0,
        "SO_SNDBUF; 0 = the kernel's",
        high=MAX_BUFFER_BYTES,
        detail="set before connect or listen",
    ),
    OptionSpec(
        "rcvbuf-bytes",
        0,
        "SO_RCVBUF; 0 = the kernel's",
        high=MAX_BUFFER_BYTES,
        detail="set before connect or listen",
    ),
    OptionSpec("nodelay", False, "TCP_NODELAY"),
    OptionSpec(
        "repeat",
        1,
        "lists per connection; 0 = any number",
        high=I32_MAX,
        detail="client: until it is stopped; server: until the end of the stream",
    ),
    OptionSpec("events", "", "path of the event log"),
    OptionSpec("seed", 0, "accepted and ignored", high=2**64 - 1),
    OptionSpec("verbose", False, "print more"),
    OptionSpec("bind", "", "address to listen on; default: all", SERVER, detail="`0.0.0.0` or `::`, by the family"),
    OptionSpec("print", "all", "nodes to print", SERVER, choices=("all", "some", "none")),
    OptionSpec(
        "content",
        "digest",
        "digest or keep contents",
        SERVER,
        choices=("digest", "keep"),
        detail="`keep` keeps the contents of a list until it is complete; `digest` hashes and discards them",
    ),
    OptionSpec("max-nodes", _CAPS.max_nodes, "max nodes of a list", SERVER, high=I32_MAX),
    OptionSpec("max-content-bytes", _CAPS.max_content_bytes, "max bytes of one content", SERVER, high=U32_MAX),
    OptionSpec(
        "max-total-bytes",
        _CAPS.max_total_bytes,
        "max bytes of one list",
        SERVER,
        high=2**63 - 1,
        detail=f"header included; {MAX_KEPT_BYTES} by default with `--content keep`",
    ),
    OptionSpec("max-connections", 1024, "max concurrent connections", SERVER, low=1, high=65535),
)
