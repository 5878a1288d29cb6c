"""TCP over both engines: the same cell of the testbed in one guest VM, compared by verdict and goodput.

A slow reader behind a delay of 50 ms in each direction and 1 % loss. It reads one kilobyte every tenth of a second, an
eighth of the window per round trip, so that queued data hides the cost of a lost frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.fidelity.judge import Finding
from benchmarks.fidelity.rows import ENGINES
from testbed.run.machines import Guests
from testbed.run.run import Run
from testbed.run.site import LocalSite
from testbed.scenario.expand import Scenario, expand
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import Images

PASSES: Final = 3
GOODPUT_SHARE: Final = 0.1
LINK: Final = "delay 50ms loss 1%"
_CELL: Final[dict[str, object]] = {
    "client": "c",
    "server": "c",
    "netem": LINK,
    "nodes": 60,
    "delay": "100ms",
    "read_size": "1k",
    "rcvbuf": "8k",
    "sndbuf": "8k",
}


@dataclass(frozen=True, slots=True)
class Transfer:
    """The result of one transfer: the start of the verdict, and the goodput in bytes per second."""

    verdict: str
    goodput: float


class _Silent:
    """A silent observer."""

    def note(self, sentence: str) -> None: ...
    def phase(self, attempt: object, name: str) -> None: ...
    def progress(self, attempt: object, bytes_written: int, bytes_read: int) -> None: ...
    def begin(self, attempt: object, number: int, count: int) -> None: ...
    def end(self, attempt: object, result: object) -> None: ...


def transfer(kernel: str, output: Path) -> dict[str, list[Transfer]]:
    """Run the cell over each engine alternately."""
    done: dict[str, list[Transfer]] = {name: [] for name in ENGINES}
    engine = DockerEngine()
    engine.connect()
    images = Images(engine, lambda _line: None)
    with Guests(engine, images, print) as guests:
        for name in ENGINES * PASSES:
            scenario = Scenario("tcp", "", tuple(expand(_CELL | {"kernel": kernel, "engine": name})))
            site = LocalSite(engine, images, _Silent(), machines=guests)
            result = Run(site, _Silent(), output=output).run(scenario).results[0]
            assert result.status == "passed", result.reason
            assert result.metrics.goodput_bytes_per_s is not None
            done[name].append(Transfer(result.verdict.partition(" (")[0], result.metrics.goodput_bytes_per_s))
    engine.close()
    return done


def judge(done: dict[str, list[Transfer]]) -> Sequence[Finding]:
    """Compare verdicts and goodputs."""
    verdicts = {name: sorted({each.verdict for each in transfers}) for name, transfers in done.items()}
    kernel, user = (median(each.goodput for each in done[name]) for name in ENGINES)
    text = f"TCP, {LINK}, slow reader"
    verdict_pair = " / ".join(verdicts["kernel"]), " / ".join(verdicts["user"])
    alike = verdicts["kernel"] == verdicts["user"] and len(verdicts["kernel"]) == 1
    figures = f"{kernel:.0f} B/s", f"{user:.0f} B/s"
    same = abs(user / kernel - 1) <= GOODPUT_SHARE
    statistic = f"ratio {user / kernel:.3f}, within {GOODPUT_SHARE:.0%}"
    return [
        Finding(text, "verdict", *verdict_pair, f"{PASSES} transfers each", None, alike),
        Finding(text, "goodput", *figures, statistic, None, same),
    ]
