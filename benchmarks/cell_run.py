"""One `testbed run` over the user engine, and what its result reports about the link."""

import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from netem.contract.scheduling import is_realtime

WORDS: Final = ("--latency", "20ms", "--engine", "user", "--json")
_LATE: Final = "more than expected"
"""Part of the sentence of a link whose probes are late."""
_OF_THE_LINK: Final = re.compile(r"\blink\b")


@dataclass(frozen=True, slots=True)
class CellRun:
    """What became of a cell."""

    status: str
    reason: str
    timing_issues: tuple[str, ...]
    lateness_p99_ms: float | None
    """The worse of both engines; None if neither reports it."""
    real_time: bool
    """Whether both engines ran under real time."""

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


class Cell:
    """A cell that runs in a process of its own."""

    def __init__(self, folder: str, *, new_session: bool = False) -> None:
        """Start it, with a run folder of its own in `folder`."""
        output = tempfile.mkdtemp(prefix="cell-", dir=folder)
        argv = [sys.executable, "-m", "testbed", "run", *WORDS, "--output", output]
        self._process = subprocess.Popen(
            argv, text=True, start_new_session=new_session, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def interrupt(self) -> None:
        """Make it remove what it has made, and end."""
        self._process.send_signal(signal.SIGINT)

    def result(self, timeout_s: float | None = None) -> CellRun:
        """Wait for its end."""
        out, error = self._process.communicate(timeout=timeout_s)
        document: dict[str, Any] = json.loads(out) if out.startswith("{") else {}
        if "results" not in document:
            return CellRun("error", f"{out}{error}".strip()[-1000:], (), None, real_time=False)
        return from_result(document["results"][0])


def from_result(result: Mapping[str, Any]) -> CellRun:
    """Return what a result says about the link."""
    links = result["link"].values()
    late_ms = [float(late["ms"]["p99"]) for link in links if (late := link.get("engine_lateness"))]
    return CellRun(
        status=result["status"],
        reason=result["reason"],
        timing_issues=tuple(result["timing_issues"]),
        lateness_p99_ms=max(late_ms, default=None),
        real_time=bool(links) and all(is_realtime(link.get("scheduling")) for link in links),
    )
