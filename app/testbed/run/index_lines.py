"""The lines of `results.jsonl`, the index of a run: one for each finished attempt, appended when it ends. No I/O."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from testbed.result import cell_folder
from testbed.run.summary import Summary

NAME: Final = "results.jsonl"

_ABSENT: Final[Mapping[str, Any]] = {
    "reason": "",
    "failure_kind": "",
    "timing_reliable": None,
    "machine_name": "",
    "inputs": "",
    "reused_from": "",
    "isolation": "fresh",
    "duration_s": None,
    "goodput_bytes_per_s": None,
    "bytes": 0,
    "ended_ns": 0,
}
"""The values of keys that a line may lack: whoever wrote it did not know them."""

_KEYS: Final = tuple(field.name for field in fields(Summary))
_STATUSES: Final = ("passed", "failed", "error", "unsupported")


@dataclass(frozen=True, slots=True)
class Index:
    """The finished attempts of a run by the name of their folder, in the order in which they first ended."""

    by_folder: Mapping[str, Summary]
    bad_lines: int = 0
    """Complete lines that are not of this format."""

    whole_bytes: int = 0
    """Length of the complete lines; what follows was torn by a crash, or is being written."""

    def last_attempts(self) -> dict[tuple[str, int], Summary]:
        """Return the last attempt of each cell and repetition, which is the one that counts."""
        found: dict[tuple[str, int], Summary] = {}
        for summary in self.by_folder.values():
            key = summary.cell, summary.repetition
            if key not in found or found[key].attempt < summary.attempt:
                found[key] = summary
        return found


@dataclass(slots=True)
class IndexBuilder:
    """An index in the making, for readers that pass its bytes in parts."""

    by_folder: dict[str, Summary] = field(default_factory=dict)
    bad_lines: int = 0
    whole_bytes: int = 0
    _rest: bytes = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.whole_bytes += len(line) + 1
            summary = parse_line(line)
            if summary is None:
                self.bad_lines += bool(line)
            else:
                self.by_folder[summary.folder] = summary

    def index(self) -> Index:
        """Return the index of all complete lines so far."""
        return Index(self.by_folder, self.bad_lines, self.whole_bytes)


def line_of(summary: Summary) -> bytes:
    """Return the line of an attempt, with its line feed."""
    return json.dumps(asdict(summary), separators=(",", ":"), allow_nan=False).encode() + b"\n"


def parse_line(line: bytes) -> Summary | None:
    """Return the attempt of a line without its line feed; None if it is not such a line.

    Keys of later versions are ignored. A folder that does not follow from the cell is invalid: readers open, and
    `--resume` removes, what is there.
    """
    try:
        document = json.loads(line)
        known = {**_ABSENT, **{key: document[key] for key in _KEYS if key in document}}
        summary = Summary(**known)
        expected = cell_folder(summary.cell, summary.repetition, summary.attempt)
    except (ValueError, TypeError):
        return None
    valid = summary.folder == expected and "/" not in expected and summary.status in _STATUSES
    return summary if valid and not expected.startswith(".") else None


def parse_index(data: bytes) -> Index:
    """Return the index of a file: of lines with the same folder the last one counts, a torn last one is ignored."""
    builder = IndexBuilder()
    builder.feed(data)
    return builder.index()


def index_text(summaries: Iterable[Summary]) -> str:
    """Return the text of an index with these attempts."""
    return b"".join(map(line_of, summaries)).decode()
