"""The cost of observation: goodput of a fast transfer with and without capture and samples, and the sampler's CPU time.

Both pairs of sidecars run at the same time, and the transfers of the same C programs alternate between them.
"""

import csv
import io
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import docker

from benchmarks.figure import Figure, median
from testbed.run.contract import endpoint_environment
from testbed.scenario.model import Cell
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import Images
from tests.support.sidecar import LABEL, Bed, Sidecar, bed

PASSES: Final = 5
FAST: Final = Cell.model_validate(
    {"client": "c", "server": "c", "nodes": 1000, "content": 1_000_000, "chunk": 65_536, "read_size": 65_536}
)
WATCHED_S: Final = 10.0
LEAST_RATIO: Final = 0.95
MOST_SHARE_PERCENT: Final = 2.0

# An idle connection: the remaining cost is the observation.
LISTEN: Final = """
import socket, time
server = socket.create_server(("", 8888))
held = server.accept()
time.sleep(120)
"""
CONNECT: Final = """
import socket, time
for _ in range(100):
    try:
        held = socket.create_connection(("server", 8888))
        break
    except OSError:
        time.sleep(0.1)
time.sleep(120)
"""


def measure() -> Iterator[Figure]:
    """Measure everything."""
    client = docker.from_env()
    engine = DockerEngine()
    engine.connect()
    images = Images(engine, lambda _line: None)
    image = images.ours("netem")[0]
    programs = {role: images.program("c", role)[0] for role in ("client", "server")}
    engine.close()
    with bed(client, image) as made:
        yield from _goodput(made, programs)
    for interval_ms in (0, 20, 1):
        with bed(client, image) as made:
            yield from _sampler(made, interval_ms)
    client.close()


def _goodput(made: Bed, programs: dict[str, str]) -> Iterator[Figure]:
    clients: dict[str, Sidecar] = {}
    blind: dict[str, Any] = {"capture": 0, "sample_interval_ms": 0}
    for name, settings in (("blind", blind), ("observed", dict[str, Any]())):
        server = made.sidecar(f"server-{name}", **settings)
        clients[name] = made.sidecar(f"client-{name}", probes=0, **settings)
        for each in (server, clients[name]):
            each.wait("ready")
        _program(made, server, programs["server"], endpoint_environment(FAST, "server"))
        server.wait("listening")
    rates: dict[str, list[float]] = {name: [] for name in clients}
    for _ in range(PASSES):
        for name, sidecar in clients.items():
            environment = endpoint_environment(FAST, "client") | {"TESTBED_HOST": f"server-{name}"}
            started = _program(made, sidecar, programs["client"], environment)
            assert started.wait(timeout=120)["StatusCode"] == 0, started.logs().decode()
            rates[name].append(FAST.total_bytes / _lasted_s(started) / 1e9)
            started.remove()
            made.containers.remove(started)
    ratios = [observed / blind for observed, blind in zip(rates["observed"], rates["blind"], strict=True)]
    yield median("goodput without capture and samples", rates["blind"], "GB/s")
    yield median("goodput with capture and samples / without", ratios, "", least=LEAST_RATIO)


def _program(made: Bed, sidecar: Sidecar, image: str, environment: dict[str, str]) -> Any:
    container = made.client.containers.create(
        image,
        environment=environment | {"TESTBED_EVENTS": "", "TESTBED_VERBOSE": "0", "TESTBED_PRINT": "none"},
        labels={LABEL: made.name},
        user="65532:65532",
        cap_drop=["ALL"],
        network_mode=f"container:{sidecar.container.id}",
        pid_mode=f"container:{sidecar.container.id}",
        read_only=True,
    )
    made.containers.append(container)
    container.start()
    return container


def _lasted_s(container: Any) -> float:
    container.reload()
    state = container.attrs["State"]
    return _seconds(state["FinishedAt"]) - _seconds(state["StartedAt"])


def _seconds(stamp: str) -> float:
    whole, _, rest = stamp.partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{rest.rstrip('Z') or '0'}")


def _sampler(made: Bed, interval_ms: int) -> Iterator[Figure]:
    near, far = made.pair(capture=0, probes=0, sample_interval_ms=interval_ms)
    _script(made, far, LISTEN)
    far.wait("listening")
    _script(made, near, CONNECT)
    near.wait("progress")
    before_s, began_s = _cpu_s(near), time.monotonic()
    time.sleep(WATCHED_S)
    used_s, passed_s = _cpu_s(near) - before_s, time.monotonic() - began_s
    what = f"a connection sampled every {interval_ms} ms" if interval_ms else "a connection without samples"
    goal = MOST_SHARE_PERCENT if interval_ms == 20 else None
    yield Figure(f"{what}, share of a core", used_s / passed_s * 100, "%", most=goal)
    if interval_ms:
        near.stop()
        yield Figure(f"{what}, median gap", _median_gap_ms(near.file("sockets.csv").decode()), "ms")


def _script(made: Bed, sidecar: Sidecar, code: str) -> None:
    container = made.client.containers.create(
        made.image,
        ["-c", code],
        entrypoint=["python3"],
        labels={LABEL: made.name},
        user="65532:65532",
        network_mode=f"container:{sidecar.container.id}",
        pid_mode=f"container:{sidecar.container.id}",
    )
    made.containers.append(container)
    container.start()


def _cpu_s(sidecar: Sidecar) -> float:
    stats: Any = sidecar.container.stats(stream=False)
    return float(stats["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


def _median_gap_ms(text: str) -> float:
    times = [int(row["monotonic_ns"]) for row in csv.DictReader(io.StringIO(text))]
    gaps = sorted(after - before for before, after in pairwise(times))
    return gaps[len(gaps) // 2] / 1e6
