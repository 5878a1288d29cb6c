"""The user engine against the raw bridge: bulk TCP, small datagrams, the error of the delay, the cost of the engine.

All measurements of a run alternate on separate networks. The engine impairs only what the client sends; the raw figure
is that of the same pair of namespaces without an impairment.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import docker
from docker.models.containers import Container

from benchmarks.figure import Figure, median
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import Images
from tests.support.link_traffic import wait_for_line
from tests.support.sidecar import Bed, Sidecar, bed

TOOLS: Final = Path(__file__).resolve().parents[1] / "tests" / "support" / "tools"
TOOLS_IMAGE: Final = "testbed-tshark"
PASSES: Final = 3
SECONDS: Final = 2
FAMILY_FLAGS: Final = {"ipv4": "-4", "ipv6": "-6"}
MUST_BULK_RATIO: Final = 0.6
GOAL_P50_MS: Final = 0.1
GOAL_P99_MS: Final = 0.5
IDLE_S: Final = 10
LOAD_MBIT: Final = 500
LOAD_FLOWS: Final = 4
"""One flow over 100 ms would need more than the 4 MB of tcp_wmem."""
IMPAIRED: Final = {
    "delay 10ms": (1, 8),
    "delay 50ms": (1, 8),
    "rate 1gbit": (8,),
    "delay 40ms 5ms loss 1%": (8,),
}
"""Impairments to measure in addition, and their numbers of flows; the engine alone does not limit their rate."""
DATAGRAMS: Final = 600
DATAGRAMS_PER_S: Final = 200

# Stamps the kernel's receive time, so that the error of the link is not that of this program's scheduling.
SINK: Final = """
import json, socket, struct, sys, time
sink = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sink.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
sink.setsockopt(socket.SOL_SOCKET, 35, 1)
sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
sink.bind(("::", 9000))
print("bound", flush=True)
sink.settimeout(5)
late, count = [], int(sys.argv[1])
try:
    while len(late) < count:
        data, ancillary, _, _ = sink.recvmsg(2048, 64)
        seconds, nanoseconds = struct.unpack("@qq", ancillary[0][2][:16])
        late.append(seconds * 10**9 + nanoseconds - struct.unpack_from("!q", data)[0])
except TimeoutError:
    pass
print(json.dumps(late))
"""
SOURCE: Final = """
import socket, struct, sys, time
count, gap_ns = int(sys.argv[1]), 10**9 // int(sys.argv[2])
address = socket.getaddrinfo("server", 9000, socket.AF_INET, socket.SOCK_DGRAM)[0][4]
source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
due = time.monotonic_ns()
for number in range(count):
    due += gap_ns
    time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
    source.sendto(struct.pack("!q", time.time_ns()) + bytes(92), address)
"""
FLOOD: Final = """
import socket, sys, time
address = socket.getaddrinfo("server", 9000, socket.AF_INET, socket.SOCK_DGRAM)[0][4]
source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
source.connect(address)
payload, sent, end = bytes(58), 0, time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    for _ in range(50):
        source.send(payload)
    sent += 50
print(sent)
"""


def measure() -> Iterator[Figure]:
    """Measure everything, in about six minutes."""
    client = docker.from_env()
    engine = DockerEngine()
    engine.connect()
    image = Images(engine, lambda _line: None).ours("netem")[0]
    engine.close()
    client.images.build(path=str(TOOLS), dockerfile="Dockerfile.tshark", tag=TOOLS_IMAGE)
    for part in (_bulk, _impaired, _small, _cost):
        with bed(client, image) as made:
            yield from part(made)
    yield from _delays(client, image)
    client.close()


def _pairs(made: Bed) -> dict[str, tuple[Sidecar, Sidecar]]:
    """Return a plain pair and one with the engine at the client's end, both on the network at the same time."""
    pairs = {}
    for name, engine in (("raw", "auto"), ("engine", "user")):
        server = made.sidecar(f"server-{name}", capture=0, sample_interval_ms=0)
        client = made.sidecar(f"client-{name}", capture=0, sample_interval_ms=0, engine=engine, probes=0)
        for each in (server, client):
            each.wait("ready")
        pairs[name] = (client, server)
    return pairs


def _bulk(made: Bed) -> Iterator[Figure]:
    pairs = _pairs(made)
    programs = {name: _iperf_ends(made, pair) for name, pair in pairs.items()}
    for control in ("bbr", "cubic"):
        for client, _ in pairs.values():
            _use_congestion_control(client, control)
        for family in FAMILY_FLAGS:
            for flows in (1, 8):
                rates: dict[str, list[float]] = {name: [] for name in pairs}
                for _ in range(PASSES):
                    for name, program in programs.items():
                        rates[name].append(_iperf(program, f"server-{name}", family, flows))
                ratios = [engine / raw for engine, raw in zip(rates["engine"], rates["raw"], strict=True)]
                label = f"{control}, {family}, {flows} flow{'s' * (flows > 1)}"
                yield median(f"bulk TCP, raw bridge, {label}", rates["raw"], "Gbit/s")
                yield median(f"bulk TCP, engine / raw, {label}", ratios, "", least=MUST_BULK_RATIO)


def _impaired(made: Bed) -> Iterator[Figure]:
    """Measure bulk TCP with impairments, cubic over IPv4."""
    server = made.sidecar("server-engine", capture=0, sample_interval_ms=0)
    client = made.sidecar("client-engine", capture=0, sample_interval_ms=0, engine="user", probes=0)
    for each in (server, client):
        each.wait("ready")
    _use_congestion_control(client, "cubic")
    program = _iperf_ends(made, (client, server))
    for text, counts in IMPAIRED.items():
        status, answer = client.netem("change", text)
        assert status == 0, answer
        for flows in counts:
            rate = _iperf(program, "server-engine", "ipv4", flows)
            yield Figure(f"bulk TCP, {text}, {flows} flow{'s' * (flows > 1)}", rate, "Gbit/s")


def _use_congestion_control(sidecar: Sidecar, name: str) -> None:
    """Set the congestion control on the routes: an unprivileged program may only use what the host allows."""
    for version in ("-4", "-6"):
        routes = sidecar.container.exec_run(["ip", version, "route", "show", "dev", "eth0", "proto", "kernel"]).output
        assert isinstance(routes, bytes)  # neither stream nor socket was requested
        for route in routes.decode().splitlines():
            words = route.split()
            if words[0].startswith("fe80"):
                continue
            command = ["ip", version, "route", "change", words[0], "dev", "eth0", "proto", "kernel"]
            sidecar.container.exec_run([*command, "congctl", name])


def _iperf_ends(made: Bed, pair: tuple[Sidecar, Sidecar]) -> Container:
    """Start iperf3's server; return a container at the other end to run its client in."""
    client, server = pair
    wait_for_line(made.program(server, ["iperf3", "-s", "--forceflush"], image=TOOLS_IMAGE), "listening")
    return made.program(client, ["sleep", "infinity"], image=TOOLS_IMAGE)


def _iperf(program: Container, server: str, family: str, flows: int, *more: str) -> float:
    words = ["iperf3", "-c", server, FAMILY_FLAGS[family], "-t", str(SECONDS), "-P", str(flows), "-J", *more]
    output = program.exec_run(words).output
    assert isinstance(output, bytes)  # neither stream nor socket was requested
    document: dict[str, Any] = json.loads(output)
    return float(document["end"]["sum_received"]["bits_per_second"]) / 1e9


def _small(made: Bed) -> Iterator[Figure]:
    """Measure packets per second, 100 bytes on the wire, as counted by the engine."""
    near, far = made.pair(capture=0, probes=0, sample_interval_ms=0, client_engine="user")
    far.start(SINK, 10**9)
    offered = int(near.run(FLOOD, SECONDS))
    counters = near.stop()["counters"]["link"]
    yield Figure("100-byte datagrams offered", offered / SECONDS, "1/s")
    yield Figure("100-byte datagrams through the engine", counters["measured"]["packets_out"] / SECONDS, "1/s")


def _delays(client: docker.DockerClient, image: str) -> Iterator[Figure]:
    """Measure the one-way delay minus the requested one; without an engine it is the noise of the machine."""
    for load in (False, True):
        for delay_ms in (None, 1, 10, 100):
            with bed(client, image) as made:
                yield from _delay(made, delay_ms, load=load)


def _delay(made: Bed, delay_ms: int | None, *, load: bool) -> Iterator[Figure]:
    settings: dict[str, object] = {"capture": 0, "probes": 0, "sample_interval_ms": 0}
    if delay_ms is not None:
        settings |= {"client_engine": "user", "client_impairment": f"delay {delay_ms}ms limit 100000"}
    near, far = made.pair(**settings)
    name = "no engine" if delay_ms is None else f"{delay_ms} ms"
    if load:
        name += f" with {LOAD_MBIT} Mbit/s"
        program = _iperf_ends(made, (near, far))
        each = f"{LOAD_MBIT // LOAD_FLOWS}M"
        words = ["iperf3", "-c", "server", "-4", "-t", "60", "-P", str(LOAD_FLOWS), "-b", each]
        program.exec_run(words, detach=True)
        time.sleep(1)  # slow start
    received_before = _received_bytes(far)
    began_s = time.monotonic()
    late_ms = sorted(each / 1e6 - (delay_ms or 0) for each in _late(near, far))
    if load:
        rate = (_received_bytes(far) - received_before) * 8 / (time.monotonic() - began_s)
        yield Figure(f"load, {name}", rate / 1e6, "Mbit/s")
    goals = {} if delay_ms is None else {"p50": GOAL_P50_MS, "p99": GOAL_P99_MS}
    p50, p99 = late_ms[len(late_ms) // 2], late_ms[len(late_ms) * 99 // 100]
    yield Figure(f"one-way delay error p50, {name}", p50, "ms", most=goals.get("p50"))
    yield Figure(f"one-way delay error p99, {name}", p99, "ms", most=goals.get("p99"))


def _received_bytes(sidecar: Sidecar) -> int:
    output = sidecar.container.exec_run(["cat", "/sys/class/net/eth0/statistics/rx_bytes"]).output
    assert isinstance(output, bytes)  # neither stream nor socket was requested
    return int(output)


def _late(near: Sidecar, far: Sidecar) -> list[int]:
    sink = far.start(SINK, DATAGRAMS)
    wait_for_line(sink, "bound")
    near.run(SOURCE, DATAGRAMS, DATAGRAMS_PER_S)
    sink.wait(timeout=60)
    late: list[int] = json.loads(sink.logs().decode().splitlines()[-1])
    return late


def _cost(made: Bed) -> Iterator[Figure]:
    """Measure the cost of all processes of a sidecar, idle and busy, and the lateness of this machine's timers."""
    near, far = made.pair(client_engine="user", client_impairment="delay 10ms limit 100000")
    lateness_ns = near.netem("doctor")[1]["timer_lateness_ns"]
    yield Figure("timers of this machine late, p50", lateness_ns["p50"] / 1e6, "ms")
    yield Figure("timers of this machine late, p99", lateness_ns["p99"] / 1e6, "ms")
    time.sleep(1)
    share, resident = _share_and_memory(near, lambda: time.sleep(IDLE_S))
    yield Figure("idle sidecar, share of a core", share, "%", most=1.0)
    yield Figure("idle sidecar, memory of its own", resident, "MB", most=30.0)
    program = _iperf_ends(made, (near, far))
    rates: list[float] = []
    share, resident = _share_and_memory(
        near, lambda: rates.append(_iperf(program, "server", "ipv4", LOAD_FLOWS, "-b", f"{1000 // LOAD_FLOWS}M"))
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
