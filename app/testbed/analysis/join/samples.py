"""Read `sockets.csv`: what the kernel reported of one connection, one column per field."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]

ABSENT: Final = -1
"""In place of a number that the kernel did not report."""

MAX_INT64: Final = (1 << 63) - 1

FIN_QUEUED: Final = ("FIN_WAIT1", "CLOSING", "LAST_ACK")
"""States in which the FIN is in the send queue and occupies one sequence number."""
FIN_ACKED: Final = ("FIN_WAIT2", "TIME_WAIT", "CLOSE")
FIN_RECEIVED: Final = ("CLOSE_WAIT", "LAST_ACK", "CLOSING", "TIME_WAIT")
UNSYNCHRONISED: Final = ("SYN_SENT", "SYN_RECV", "NEW_SYN_RECV", "LISTEN")


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one connection in order of time; `line` is the line of each in its file, `texts` its fields."""

    at_ns: Int64
    realtime_ns: Int64
    line: Int64
    state: tuple[str, ...]
    texts: Mapping[str, Sequence[str]]
    _numbers: dict[str, Int64] = field(default_factory=dict, init=False)

    def __len__(self) -> int:
        return len(self.at_ns)

    def column(self, name: str) -> Int64:
        """Return a field by its name in the file; ABSENT where the kernel did not report it."""
        found = self._numbers.get(name)
        if found is None:
            found = _column(self.texts.get(name), len(self))
            self._numbers[name] = found
        return found

    def last(self, name: str) -> int | None:
        """Return the last value that the kernel reported; None when it never did."""
        values = self.column(name)
        values = values[values != ABSENT]
        return int(values[-1]) if len(values) else None

    def most(self, name: str) -> int | None:
        """Return the largest value that the kernel reported; None when it never did."""
        values = self.column(name)
        return int(values.max()) if len(values) and values.max() != ABSENT else None

    def text(self, name: str) -> str:
        """Return the first value of a field that is no number; empty when there is none."""
        return next((value for value in self.texts.get(name, ()) if value), "")

    def has(self, name: str) -> bool:
        """Return whether the kernel reported this field in any sample."""
        return self.most(name) is not None

    def state_in(self, states: tuple[str, ...]) -> NDArray[np.bool_]:
        """Return for each sample whether the socket was in one of these states."""
        return np.array([state in states for state in self.state], np.bool_)


def _column(texts: Sequence[str] | None, count: int) -> Int64:
    if texts is None:
        return np.full(count, ABSENT, np.int64)
    return np.array([_number(text) for text in texts], np.int64)


def _number(text: str) -> int:
    try:
        return max(ABSENT, min(int(text), MAX_INT64))
    except ValueError:
        return ABSENT


def parse_samples(lines: Iterable[str], port: int | None = None) -> Samples | None:
    """Return the samples of the connection that moved most bytes; None when there is none.

    With `port`, only connections that use it on either side are looked at. Lines that cannot be read are left out.
    """
    rows: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for number, row in enumerate(csv.DictReader(lines), 2):
        times = _number(row.get("monotonic_ns") or ""), _number(row.get("realtime_ns") or "")
        if None in row or None in row.values() or ABSENT in times or _is_elsewhere(row, port):
            continue
        rows.setdefault(row.get("cookie", ""), []).append((number, row))
    if not rows:
        return None
    chosen = max(rows.values(), key=lambda found: (max(_moved(row) for _, row in found), len(found)))
    return _samples(chosen)


def _is_elsewhere(row: dict[str, str], port: int | None) -> bool:
    if port is None or "local_port" not in row:
        return False
    return str(port) not in (row["local_port"], row.get("remote_port"))


def _moved(row: dict[str, str]) -> int:
    return max(_number(row.get(name, "")) for name in ("bytes_acked", "bytes_received", "send_queue_bytes"))


def _samples(rows: list[tuple[int, dict[str, str]]]) -> Samples:
    texts = {name: [row[name] for _, row in rows] for name in rows[0][1]}
    return Samples(
        at_ns=_column(texts["monotonic_ns"], len(rows)),
        realtime_ns=_column(texts["realtime_ns"], len(rows)),
        line=np.array([number for number, _ in rows], np.int64),
        state=tuple(texts.get("state", [""] * len(rows))),
        texts=texts,
    )


def read_samples(path: Path, port: int | None = None) -> Samples | None:
    """Return the samples in a file; None when there is no such file or nothing in it."""
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        return parse_samples((line for line in file if "\0" not in line), port)
