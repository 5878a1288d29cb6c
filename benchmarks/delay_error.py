"""Measure the one-way delay of datagrams between two sidecars, by the kernel's time stamps of both ends."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks.link_lab import FAMILIES, TOOLS_IMAGE, Pair, received_bytes
from benchmarks.link_programs import SINK, SOURCE
from tests.support.link_traffic import wait_for_line
from tests.support.sidecar import Bed

DATAGRAMS_PER_S: Final = 200
WARM_UP: Final = 40
"""The first datagrams of each family do not count: a socket that wants stamps has them some milliseconds later."""
LOAD_MBIT: Final = 500
LOAD_FLOWS: Final = 4
"""One flow over 100 ms would need more than the 4 MB of tcp_wmem."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of the datagrams of one pass."""

    delays_ms: dict[str, list[float]]
    """By family."""
    missing: int
    mbit_per_s: float
    """Of everything that arrived, the load included."""


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def matched(sent: Sequence[Sequence[int]], arrived: Sequence[Sequence[int]], datagrams: int) -> Sent:
    """Return the delays of datagrams; both sides list IP version, number and nanoseconds."""
    sent_ns = {(version, number): at_ns for version, number, at_ns in sent}
    delays_ms: dict[str, list[float]] = {family: [] for family in FAMILIES}
    for version, number, at_ns in arrived:
        if number >= WARM_UP and (version, number) in sent_ns:
            delays_ms[f"ipv{version}"].append((at_ns - sent_ns[version, number]) / 1e6)
    return Sent(delays_ms, len(FAMILIES) * datagrams - sum(map(len, delays_ms.values())), 0.0)


def send(made: Bed, ends: Pair, datagrams: int, *, load: bool) -> Sent:
    """Send so many datagrams of each family from client to server, perhaps beside a constant rate over TCP."""
    with ExitStack() as stack:
        if load:
            stack.enter_context(_load(made, ends))
        sink = ends.server.start(SINK, len(FAMILIES) * (WARM_UP + datagrams))
        wait_for_line(sink, "bound")
        began_s, began_bytes = time.monotonic(), received_bytes(ends.server)
        sent = json.loads(ends.client.run(SOURCE, ends.host, WARM_UP + datagrams, DATAGRAMS_PER_S, timeout_s=120))
        bits = (received_bytes(ends.server) - began_bytes) * 8
        elapsed_s = time.monotonic() - began_s
        sink.wait(timeout=120)
        arrived = json.loads(sink.logs().decode().splitlines()[-1])
    found = matched(sent, arrived, datagrams)
    return Sent(found.delays_ms, found.missing, bits / elapsed_s / 1e6)


@contextmanager
def _load(made: Bed, ends: Pair) -> Iterator[None]:
    words = ["iperf3", "-c", ends.host, "-4", "-t", "600", "-P", str(LOAD_FLOWS), "-b", f"{LOAD_MBIT // LOAD_FLOWS}M"]
    program = made.program(ends.client, words, image=TOOLS_IMAGE)
    try:
        time.sleep(1.5)  # slow start
        yield
    finally:
        program.kill("SIGTERM")  # ends the test at the server's end, too
        program.wait(timeout=60)
        program.remove(force=True)
