"""The kernel's TCP counters of this namespace, under the names of nstat(8).

/proc/net/snmp and /proc/net/netstat hold pairs of lines: names, then values. They count both families and never
decrease, so the difference of two readings covers the time between them.
"""

from collections.abc import Mapping
from pathlib import Path

FILES = (Path("/proc/net/snmp"), Path("/proc/net/netstat"))
TABLES = frozenset({"Tcp", "TcpExt"})
GAUGES = frozenset({"TcpRtoAlgorithm", "TcpRtoMin", "TcpRtoMax", "TcpMaxConn", "TcpCurrEstab"})
"""Current values instead of counters."""


def parse(text: str) -> dict[str, int]:
    """Return the TCP counters of one file; a table whose two lines do not match is left out."""
    found: dict[str, int] = {}
    lines = text.splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        table, _, rest = names.partition(":")
        numbers = values.removeprefix(f"{table}:").split()
        keys = rest.split()
        if table in TABLES and len(keys) == len(numbers):
            found |= {table + key: int(value) for key, value in zip(keys, numbers, strict=True)}
    return {name: value for name, value in found.items() if name not in GAUGES}


def read(files: tuple[Path, ...] = FILES) -> dict[str, int]:
    """Read the counters now; those of a missing file are left out."""
    found: dict[str, int] = {}
    for file in files:
        try:
            found |= parse(file.read_text())
        except OSError:
            continue
    return found


def difference(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return the counters that changed between two readings, and by how much."""
    return {name: value - before[name] for name, value in after.items() if value != before.get(name, value)}
