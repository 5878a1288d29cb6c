"""The error of the delay, on a quiet machine and with four busy loops, beside the build before real time.

An error is the kernel's time of arrival minus the kernel's time of sending minus the requested delay. Both builds are
on one network and send alternately, both families at once. Quantiles are those of all passes; ratios compare them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import docker

from benchmarks.delay_error import LOAD_MBIT, Sent, quantile, send
from benchmarks.figure import Figure
from benchmarks.link_lab import (
    FAMILIES,
    TOOLS_IMAGE,
    Build,
    Pair,
    build_before,
    build_tools,
    busy_loops,
    netem_image,
    pair,
)
from tests.support.sidecar import Bed, Sidecar, bed

PASSES: Final = 2
DATAGRAMS: Final = 600
"""Per family and pass."""
DELAYS_MS: Final = (1, 10, 100)
BUSY_LOOPS: Final = 4
NO_WORSE_MS: Final = {"p50": 0.01, "p99": 0.05}
"""How far two quiet measurements of one build differ."""


@dataclass(frozen=True, slots=True)
class Case:
    """What else the machine does, and the goals then."""

    name: str
    loops: int
    load: bool
    most_ms: dict[str, float]


CASES: Final = (
    Case("quiet", 0, load=False, most_ms={"p50": 0.05, "p99": 0.2}),
    Case("quiet, 500 Mbit/s", 0, load=True, most_ms={"p50": 0.1, "p99": 0.5}),
    Case("4 busy loops", BUSY_LOOPS, load=False, most_ms={"p99": 0.5}),
    Case("4 busy loops, 500 Mbit/s", BUSY_LOOPS, load=True, most_ms={"p99": 0.5}),
)
MOST_OF_BEFORE: Final = 1 / 8
"""With busy loops: the p99 in shares of that of the build before."""


def name_of(what: str, case: str, delay_ms: int | None, family: str, build: str = "now") -> str:
    """Return the name of a figure; a delay of None is the plain network, the noise of this machine."""
    delay = "no engine" if delay_ms is None else f"{delay_ms} ms"
    return f"delay error {what}, {case}, {delay}, {family}" + (f", {build}" if build != "now" else "")


def measure() -> Iterator[Figure]:
    """Measure everything, in about six minutes."""
    client = docker.from_env()
    build_tools(client)
    now, before = Build(netem_image(), {}), build_before()
    with bed(client, now.image) as made:
        plain = pair(made, "plain", now)
        pairs = {"now": pair(made, "now", now, engine="user"), "before": pair(made, "before", before, engine="user")}
        yield Figure("engine under real time", float(pairs["now"].real_time), "", least=1)
        for each in (*pairs.values(), plain):
            made.program(each.server, ["iperf3", "-s", "--forceflush"], image=TOOLS_IMAGE)
        for case in CASES:
            with busy_loops(made, plain.server, case.loops):
                yield from _case(made, case, plain, pairs)
        yield from _lateness(pairs["now"].client)
    client.close()


def _case(made: Bed, case: Case, plain: Pair, pairs: dict[str, Pair]) -> Iterator[Figure]:
    noise = send(made, plain, DATAGRAMS, load=case.load)
    for family in FAMILIES:
        for what in ("p50", "p99"):
            yield _quantile(name_of(what, case.name, None, family), what, [noise.delays_ms[family]], 0)
    for delay_ms in DELAYS_MS:
        passes: dict[str, list[Sent]] = {name: [] for name in pairs}
        for each in pairs.values():
            each.change(f"delay {delay_ms}ms limit 100000")
        for _ in range(PASSES):
            for name, each in pairs.items():
                passes[name].append(send(made, each, DATAGRAMS, load=case.load))
        for family in FAMILIES:
            yield from _errors(case, delay_ms, family, passes)
        yield from _conditions(case, delay_ms, passes)


def _errors(case: Case, delay_ms: int, family: str, passes: dict[str, list[Sent]]) -> Iterator[Figure]:
    found = {name: [each.delays_ms[family] for each in sent] for name, sent in passes.items()}
    for what in ("p50", "p99", "max"):
        most = case.most_ms.get(what)
        now = _quantile(name_of(what, case.name, delay_ms, family), what, found["now"], delay_ms, most)
        before = _quantile(name_of(what, case.name, delay_ms, family, "before"), what, found["before"], delay_ms)
        yield now
        yield before
        if case.loops and what == "p99":
            ratio_name = name_of("p99, now / before", case.name, delay_ms, family)
            yield Figure(ratio_name, now.value / before.value, "", most=MOST_OF_BEFORE)
        if not case.loops and not case.load and what in NO_WORSE_MS:
            worse_name = name_of(f"{what}, now - before", case.name, delay_ms, family)
            yield Figure(worse_name, now.value - before.value, "ms", most=NO_WORSE_MS[what])


def _conditions(case: Case, delay_ms: int, passes: dict[str, list[Sent]]) -> Iterator[Figure]:
    """Report whether there was the load, and whether datagrams are missing from the quantiles."""
    for name, sent in passes.items():
        what = f"{case.name}, {delay_ms} ms, {name}"
        missing = sum(each.missing for each in sent) / (2 * DATAGRAMS * len(sent))
        yield Figure(f"datagrams missing, {what}", missing * 100, "%", most=1.0 if name == "now" else None)
        if case.load:
            least = min(each.mbit_per_s for each in sent)
            yield Figure(f"load, {what}", least, "Mbit/s", least=0.8 * LOAD_MBIT if name == "now" else None)


def _quantile(
    name: str, what: str, passes: Sequence[Sequence[float]], delay_ms: int, most: float | None = None
) -> Figure:
    """Return a quantile of all passes; the samples are those of each pass."""
    share = {"p50": 0.5, "p99": 0.99, "max": 1.0}[what]
    samples = [quantile(each, share) - delay_ms for each in passes]
    value = quantile([delay for each in passes for delay in each], share) - delay_ms
    return Figure(name, value, "ms", most=most, samples=samples)


def _lateness(client: Sidecar) -> Iterator[Figure]:
    """Report what the engine itself counted, over all cases."""
    measured = client.stop()["counters"]["link"]["measured"]
    lateness_ns = measured.get("lateness_ns") or {}
    for what in ("p50", "p99", "max"):
        if what in lateness_ns:
            yield Figure(f"engine late, all cases, {what}", lateness_ns[what] / 1e6, "ms")
