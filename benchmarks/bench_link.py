"""The user engine against the raw bridge: bulk TCP, small datagrams, the cost of the engine.

All measurements of a run alternate on separate networks. The engine impairs only what the client sends; the raw figure
is that of the same pair of namespaces without an impairment. What the engine's delay is worth: `bench_punctual.py`.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import docker

from benchmarks.figure import Figure, median
from benchmarks.link_lab import (
    FAMILIES,
    Build,
    build_tools,
    flood,
    iperf,
    iperf_ends,
    netem_image,
    pair,
    use_congestion_control,
)
from tests.support.sidecar import Bed, Sidecar, bed

PASSES: Final = 3
SECONDS: Final = 2
CONTROLS: Final = ("bbr", "cubic")
FLOWS: Final = (1, 8)
BULK_RATIO: Final = {1: 0.8, 8: 0.7}
"""The goals: what the engine leaves of the raw bridge's rate, by the number of flows."""
IMPAIRED: Final = {
    "delay 10ms": (1, 8),
    "delay 50ms": (1, 8),
    "rate 1gbit": (8,),
    "delay 40ms 5ms loss 1%": (8,),
}
"""Impairments to measure in addition, and their numbers of flows; the engine alone does not limit their rate."""
SMALL_BYTES: Final = 58
"""Payload of a datagram of 100 bytes on the wire."""
IDLE_S: Final = 10
BUSY_FLOWS: Final = 4


def measure() -> Iterator[Figure]:
    """Measure everything, in about four minutes."""
    client = docker.from_env()
    build = Build(netem_image(), {})
    build_tools(client)
    for part in (_bulk, _impaired, _small, _cost):
        with bed(client, build.image) as made:
            yield from part(made, build)
    client.close()


def flows_of(count: int) -> str:
    """Return how figures name a number of flows."""
    return f"{count} flow{'s' * (count > 1)}"


def _bulk(made: Bed, build: Build) -> Iterator[Figure]:
    """Compare a plain pair with one that has the engine, both on the network at the same time."""
    pairs = {"raw": pair(made, "raw", build, engine="auto"), "engine": pair(made, "engine", build, engine="user")}
    programs = {name: iperf_ends(made, ends) for name, ends in pairs.items()}
    for control in CONTROLS:
        for ends in pairs.values():
            use_congestion_control(ends.client, control)
        for family in FAMILIES:
            for flows in FLOWS:
                rates: dict[str, list[float]] = {name: [] for name in pairs}
                for _ in range(PASSES):
                    for name, program in programs.items():
                        rates[name].append(iperf(program, pairs[name].host, family, flows, SECONDS))
                ratios = [engine / raw for engine, raw in zip(rates["engine"], rates["raw"], strict=True)]
                label = f"{control}, {family}, {flows_of(flows)}"
                yield median(f"bulk TCP, raw bridge, {label}", rates["raw"], "Gbit/s")
                yield median(f"bulk TCP, engine / raw, {label}", ratios, "", least=BULK_RATIO[flows])


def _impaired(made: Bed, build: Build) -> Iterator[Figure]:
    """Measure bulk TCP with impairments, cubic over IPv4."""
    ends = pair(made, "impaired", build, engine="user")
    use_congestion_control(ends.client, "cubic")
    program = iperf_ends(made, ends)
    for text, counts in IMPAIRED.items():
        ends.change(text)
        for flows in counts:
            rate = iperf(program, ends.host, "ipv4", flows, SECONDS)
            yield Figure(f"bulk TCP, {text}, {flows_of(flows)}", rate, "Gbit/s")


def _small(made: Bed, build: Build) -> Iterator[Figure]:
    """Measure small datagrams per second, with a delay, so that every one passes the engine's queue."""
    ends = pair(made, "small", build, engine="user", impairment="delay 10ms limit 100000")
    rate = flood(ends, SMALL_BYTES, SECONDS)["packets_per_s"]
    yield Figure("100-byte datagrams, delay 10ms", rate, "1/s")


def _cost(made: Bed, build: Build) -> Iterator[Figure]:
    """Measure the cost of all processes of a sidecar, idle and busy, and the lateness of this machine's timers."""
    observing = {"capture": 1, "sample_interval_ms": 20}
    ends = pair(made, "cost", build, engine="user", impairment="delay 10ms limit 100000", **observing)
    yield Figure("idle sidecar, engine under real time", float(ends.real_time), "", least=1)
    lateness_ns = ends.client.netem("doctor")[1]["timer_lateness_ns"]
    yield Figure("timers of this machine late, p50", lateness_ns["p50"] / 1e6, "ms")
    yield Figure("timers of this machine late, p99", lateness_ns["p99"] / 1e6, "ms")
    time.sleep(1)
    share, resident = _share_and_memory(ends.client, lambda: time.sleep(IDLE_S))
    yield Figure("idle sidecar, share of a core", share, "%", most=1.0)
    yield Figure("idle sidecar, memory of its own", resident, "MB", most=30.0)
    program = iperf_ends(made, ends)
    rates: list[float] = []
    per_flow = ("-b", f"{1000 // BUSY_FLOWS}M")
    share, resident = _share_and_memory(
        ends.client, lambda: rates.append(iperf(program, ends.host, "ipv4", BUSY_FLOWS, SECONDS, *per_flow))
    )
    yield Figure("sidecar at 1 Gbit/s, rate", rates[0], "Gbit/s")
    yield Figure("sidecar at 1 Gbit/s, share of a core", share, "%")
    yield Figure("sidecar at 1 Gbit/s, memory of its own", resident, "MB")


def _share_and_memory(sidecar: Sidecar, work: Callable[[], object]) -> tuple[float, float]:
    """Return its CPU usage in percent of a core, and its memory afterwards in MB."""
    before = _stats(sidecar)
    work()
    after = _stats(sidecar)
    used_s = (after["cpu_stats"]["cpu_usage"]["total_usage"] - before["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9
    memory = after["memory_stats"]["stats"]
    share = used_s / (_seconds(after["read"]) - _seconds(before["read"]))
    return share * 100, memory.get("anon", memory.get("rss", 0)) / 1e6


def _stats(sidecar: Sidecar) -> dict[str, Any]:
    found = sidecar.container.stats(stream=False)
    assert isinstance(found, dict)  # no stream was requested
    return found


def _seconds(stamp: str) -> float:
    hours, minutes, seconds = stamp.partition("T")[2].rstrip("Z").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
