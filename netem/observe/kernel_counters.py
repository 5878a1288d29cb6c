"""The kernel's own counters of TCP in this namespace, under the names that nstat(8) gives them.

/proc/net/snmp and /proc/net/netstat hold pairs of lines: names, then values. They count both families, and nothing
sets them back, so a difference of two readings is what happened between them.
"""

from collections.abc import Mapping
from pathlib import Path

FILES = (Path("/proc/net/snmp"), Path("/proc/net/netstat"))
TABLES = frozenset({"Tcp", "TcpExt"})
STATES = frozenset({"TcpRtoAlgorithm", "TcpRtoMin", "TcpRtoMax", "TcpMaxConn", "TcpCurrEstab"})
"""What is a state and no count."""


def parse(text: str) -> dict[str, int]:
    """Return the counters of TCP in one file; a table whose two lines do not fit is left out."""
    found: dict[str, int] = {}
    lines = text.splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        table, _, rest = names.partition(":")
        told = values.removeprefix(f"{table}:").split()
        keys = rest.split()
        if table in TABLES and len(keys) == len(told):
            found |= {table + key: int(value) for key, value in zip(keys, told, strict=True)}
    return {name: value for name, value in found.items() if name not in STATES}


def read(files: tuple[Path, ...] = FILES) -> dict[str, int]:
    """Return the counters of now; those of a file that is not there are missing."""
    found: dict[str, int] = {}
    for file in files:
        try:
            found |= parse(file.read_text())
        except OSError:
            continue
    return found


def difference(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return what was counted between two readings, without what was not."""
    return {name: value - before[name] for name, value in after.items() if value != before.get(name, value)}
