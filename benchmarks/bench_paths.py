"""The data path in C against the Python path: what each forwards with jitter and loss.

The Python path is the same image without the library. Datagrams come faster than either path forwards them, so that the
rate is the engine's; TCP reacts to loss and reordering. Both pairs alternate. Only the time in user space has a goal:
on both paths, the kernel takes several times as long to read and send a frame as C takes to decide about it, so that a
ratio of 2 is about the most that frames per second can have.
"""

from collections.abc import Iterator
from typing import Final

import docker

from benchmarks.figure import Figure, median
from benchmarks.link_lab import (
    Build,
    Pair,
    build_tools,
    cpu_s,
    flood,
    iperf,
    iperf_ends,
    netem_image,
    pair,
    python_image,
)
from tests.support.sidecar import Bed, bed

PASSES: Final = 3
SECONDS: Final = 2
IMPAIRMENT: Final = "delay 10ms 1ms loss 0.1% limit 100000"
TEXT: Final = IMPAIRMENT.partition(" limit")[0]
SIZES: Final = {"100-byte datagrams": 58, "1514-byte datagrams": 1472}
"""By what they are on the wire: the payload in bytes."""
TCP_FLOWS: Final = 32
PYTHON_OVER_C: Final = 3.0
PATHS: Final = {"c": "C path", "python": "Python path"}
RATIO: Final = "C / Python path"


def name_of(what: str, path: str) -> str:
    """Return the name of a figure."""
    return f"{TEXT}, {what}, {path}"


def measure() -> Iterator[Figure]:
    """Measure everything, in about a minute and a half."""
    client = docker.from_env()
    build_tools(client)
    image = netem_image()
    builds = {"c": Build(image, {}), "python": Build(python_image(client, image), {})}
    for part in (_datagrams, _tcp):
        with bed(client, image) as made:
            pairs = {
                name: pair(made, name, build, engine="user", impairment=IMPAIRMENT) for name, build in builds.items()
            }
            yield from part(made, pairs)
    client.close()


def _datagrams(_made: Bed, pairs: dict[str, Pair]) -> Iterator[Figure]:
    for what, payload_bytes in SIZES.items():
        found: dict[str, list[dict[str, float]]] = {name: [] for name in pairs}
        for _ in range(PASSES):
            for name, ends in pairs.items():
                found[name].append(flood(ends, payload_bytes, SECONDS))
        for name, path in PATHS.items():
            yield median(name_of(f"{what}, frames", path), [each["packets_per_s"] for each in found[name]], "1/s")
            gbits = [each["bits_per_s"] / 1e9 for each in found[name]]
            yield median(name_of(f"{what}, rate", path), gbits, "Gbit/s")
        both = zip(found["c"], found["python"], strict=True)
        ratios = [ours["packets_per_s"] / theirs["packets_per_s"] for ours, theirs in both]
        yield median(name_of(what, RATIO), ratios, "")
    yield from _cpu_time(pairs)


def _cpu_time(pairs: dict[str, Pair]) -> Iterator[Figure]:
    """Report what a frame of the datagrams has cost: most of it is the kernel's share, the same on both paths."""
    user_us = {}
    for name, ends in pairs.items():
        times_s = cpu_s(ends.client)
        frames = ends.client.stop()["counters"]["link"]["measured"]["packets_in"]
        user_us[name], kernel_us = (each_s * 1e6 / frames for each_s in times_s)
        yield Figure(name_of("CPU time per frame, user", PATHS[name]), user_us[name], "us")
        yield Figure(name_of("CPU time per frame, kernel", PATHS[name]), kernel_us, "us")
    ratio = user_us["python"] / user_us["c"]
    yield Figure(name_of("CPU time per frame, user", "Python / C path"), ratio, "", least=PYTHON_OVER_C)


def _tcp(made: Bed, pairs: dict[str, Pair]) -> Iterator[Figure]:
    programs = {name: iperf_ends(made, ends) for name, ends in pairs.items()}
    rates: dict[str, list[float]] = {name: [] for name in pairs}
    for _ in range(PASSES):
        for name, program in programs.items():
            rates[name].append(iperf(program, pairs[name].host, "ipv4", TCP_FLOWS, SECONDS))
    what = f"TCP, {TCP_FLOWS} flows"
    for name, path in PATHS.items():
        yield median(name_of(what, path), rates[name], "Gbit/s")
    ratios = [ours / theirs for ours, theirs in zip(rates["c"], rates["python"], strict=True)]
    yield median(name_of(what, RATIO), ratios, "")
