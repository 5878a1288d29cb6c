"""One `testbed run` over the user engine, and what its result reports about the link."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

WORDS: Final = ("--latency", "20ms", "--engine", "user", "--json")
_LATE: Final = "more than expected"
"""Part of the sentence of a link whose probes are late."""
_OF_THE_LINK: Final = re.compile(r"\b(link|engine|frames?)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CellRun:
    """What became of a cell."""

    status: str
    reason: str
    timing_issues: tuple[str, ...]
    lateness_p99_ms: float | None
    """The worse of both engines; None if neither reports it."""

    @property
    def passed(self) -> bool:
        """Return whether the cell passed."""
        return self.status == "passed"

    @property
    def late(self) -> bool:
        """Return whether the link was late, by its probes or by its own count."""
        return _LATE in self.reason or bool(self.link_issues)

    @property
    def link_issues(self) -> list[str]:
        """Return the timing issues that are the link's."""
        return [issue for issue in self.timing_issues if _OF_THE_LINK.search(issue)]


def start_cell(folder: str, *more: str, new_session: bool = False) -> subprocess.Popen[str]:
    """Start a cell with a run folder of its own."""
    output = tempfile.mkdtemp(prefix="cell-", dir=folder)
    argv = [sys.executable, "-m", "testbed", "run", *WORDS, *more, "--output", output]
    return subprocess.Popen(
        argv, text=True, start_new_session=new_session, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finished(cell: "subprocess.Popen[str]", timeout_s: float | None = None) -> CellRun:
    """Wait for a cell and return its result."""
    out, error = cell.communicate(timeout=timeout_s)
    try:
        document: dict[str, Any] = json.loads(out)
    except ValueError:
        return CellRun("error", error.strip()[-1000:], (), None)
    records = Path(document["folder"]).glob("*/cell.json")
    return from_documents(document["results"][0], (json.loads(path.read_text()) for path in records))


def from_documents(result: Mapping[str, Any], records: Iterable[Mapping[str, Any]]) -> CellRun:
    """Return what a result and the records of its run say about the link."""
    late_ns = [
        lateness["p99"]
        for record in records
        for events in record["sidecars"].values()
        if (lateness := _measured(events).get("lateness_ns"))
    ]
    return CellRun(
        result["status"],
        result["reason"],
        tuple(result["timing_issues"]),
        max(late_ns) / 1e6 if late_ns else None,
    )


def _measured(events: Mapping[str, Any]) -> Mapping[str, Any]:
    counters = (events.get("stopped") or {}).get("counters") or {}
    return (counters.get("link") or {}).get("measured") or {}
