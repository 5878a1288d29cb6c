"""The contract of the four programs as data: one table of options, and the exit codes.

Pure, and below everything that keeps it or relies on it: the Python programs read their options by this table, the
orchestrator takes its ranges and its port, and tools/generate.py writes the table of the C programs
(app/c/option_rows.h) and those of docs/programs.md and docs/contracts.md.
"""

from dataclasses import dataclass
from typing import Any, Final

from testbed.wire import MAX_KEPT_BYTES, Caps

DONE: Final = 0
FAILED: Final = 1
UNSUPPORTED: Final = 127
"""The program does not support what is requested: its role, an address family, a mode."""

PORT: Final = 8888
I32_MAX: Final = 2**31 - 1
U32_MAX: Final = 2**32 - 1
MAX_CALL_BYTES: Final = 1 << 26
"""A chunk and a read are held in memory whole."""
MAX_BUFFER_BYTES: Final = I32_MAX // 2
"""The kernel doubles SO_SNDBUF and SO_RCVBUF, which are of the type int."""
MAX_READ_DELAY_US: Final = 3_600_000_000

BOTH: Final = ("client", "server")
CLIENT: Final = ("client",)
SERVER: Final = ("server",)
_CAPS: Final = Caps()


@dataclass(frozen=True, slots=True)
class Option:
    """One option: a number from `low` to `high`, one of `choices`, a switch (0 or 1) or any text.

    `meaning` is what --help prints; the pages add `detail`.
    """

    name: str
    default: Any
    meaning: str
    roles: tuple[str, ...] = BOTH
    low: int = 0
    high: int | None = None
    choices: tuple[str, ...] = ()
    server_default: Any = None
    """The default of a server, where it differs."""
    detail: str = ""

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

    def default_of(self, role: str) -> Any:  # noqa: ANN401 - int, bool, str or None, as the table says
        """Return the default of a program of this role."""
        return self.server_default if role == "server" and self.server_default is not None else self.default


OPTIONS: Final = (
    Option(
        "role",
        None,
        "must be the program's own role",
        choices=BOTH,
        detail=f"any other ends the program with {UNSUPPORTED}",
    ),
    Option(
        "family",
        "ipv4",
        "address family",
        choices=("ipv4", "ipv6", "dual"),
        server_default="dual",
        detail="client: families requested of the resolver; server: the socket's",
    ),
    Option("host", "localhost", "name or address to connect to", CLIENT),
    Option("port", PORT, "TCP port; a server takes 0 for a free one", high=65535, detail="and prints which"),
    Option("nodes", 10, "nodes of the list", CLIENT, high=I32_MAX),
    Option("content-bytes", 1000, "content of each node", CLIENT, high=U32_MAX),
    Option("chunk-bytes", 10000, "size of one send call", CLIENT, low=1, high=MAX_CALL_BYTES),
    Option("read-delay-us", 0, "pause after each read that brought bytes", SERVER, high=MAX_READ_DELAY_US),
    Option("read-bytes", 8192, "size requested of one receive call", SERVER, low=1, high=MAX_CALL_BYTES),
    Option(
        "sndbuf-bytes",
        0,
        "SO_SNDBUF; 0 = the kernel's",
        high=MAX_BUFFER_BYTES,
        detail="set before connect or listen",
    ),
    Option(
        "rcvbuf-bytes",
        0,
        "SO_RCVBUF; 0 = the kernel's",
        high=MAX_BUFFER_BYTES,
        detail="set before connect or listen",
    ),
    Option("nodelay", False, "TCP_NODELAY"),
    Option(
        "repeat",
        1,
        "lists on one connection; 0 = any number",
        high=I32_MAX,
        detail="until the client is stopped; until a server reads the end of the stream",
    ),
    Option("events", "", "path of the event log"),
    Option("seed", 0, "accepted; nothing is random at present", high=2**64 - 1),
    Option("verbose", False, "print more"),
    Option(
        "bind", "", "address to listen on; every address when empty", SERVER, detail="`0.0.0.0` or `::`, by the family"
    ),
    Option("print", "all", "nodes to print", SERVER, choices=("all", "some", "none")),
    Option(
        "content",
        "digest",
        "what to do with contents",
        SERVER,
        choices=("digest", "keep"),
        detail="`keep` holds the contents of a list until it is complete; `digest` hashes and drops them",
    ),
    Option("max-nodes", _CAPS.max_nodes, "cap on the nodes of a list", SERVER, high=I32_MAX),
    Option("max-content-bytes", _CAPS.max_content_bytes, "cap on one content", SERVER, high=U32_MAX),
    Option(
        "max-total-bytes",
        _CAPS.max_total_bytes,
        "cap on one list",
        SERVER,
        high=2**63 - 1,
        detail=f"its header included; {MAX_KEPT_BYTES} by default with `--content keep`",
    ),
    Option("max-connections", 1024, "connections served at a time", SERVER, low=1, high=65535),
)
