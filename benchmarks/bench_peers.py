"""The programs compared: speed of Python over C, cost of the event log, memory, time to stop.

Everything runs on the loopback. This process sends to a server from one prepared buffer, and reads from a client into
one large buffer, so that the other end does not limit the measurement. Python and C alternate, and the best of each
counts: disturbances only make a run slower.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figure import Figure
from testbed.wire import list_blocks

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5
LISTED_NODES = 1000
"""A list of 1.3 MB, sent repeatedly."""
SERVER_LISTS = 300
LOOP_NODES = 666
LOOP_LISTS = 900
"""The exercise: several hundred kB in a loop; 765 MB in all."""
LONG_NODES = 600_000
"""The same number of bytes in one list of distinct nodes: no goal, since this mostly measures encoding."""
LOGGED_CHUNK_BYTES = 100
PAUSE_US = 5000
"""The exercise's list in chunks of 100 B to a reader with a read delay: 8500 writes, 104 reads, half a second."""
EVENT_NODES = 20_000
SMALL_BYTES = 10_000_000
LARGE_BYTES = 10_000_000_000
NODE_CONTENT_BYTES = 10_000_000
STUCK = 50
"""Connections that are idle within a list when the server is stopped."""
PYTHON_SERVER = [sys.executable, "-m", "testbed.peer.server"]
PYTHON_CLIENT = [sys.executable, "-m", "testbed.peer.client"]

Command = Sequence[str | Path]


def measure() -> Iterator[Figure]:
    with TemporaryDirectory() as folder:
        built = Path(folder)
        subprocess.run(["make", "-s", "-C", ROOT / "app" / "c", f"OUT={built}", "all"], check=True)
        servers: dict[str, Command] = {"Python": PYTHON_SERVER, "C": [built / "cserver"]}
        clients: dict[str, Command] = {"Python": PYTHON_CLIENT, "C": [built / "cclient"]}
        yield from _ratio("server, 1 kB contents, digested", servers, _server_rate)
        yield from _ratio("client, 10 kB chunks, a list in a loop", clients, _looping_client_rate)
        yield from _ratio("client, 10 kB chunks, one long list", clients, _long_client_rate, goal=None)
        for language, client in clients.items():
            yield _log_cost(language, client, servers[language], built)
            yield _event_cost(language, client, built)
        for language, server in servers.items():
            yield _growth(language, server)
            yield _time_to_stop(language, server, built)


def _ratio(
    name: str, programs: dict[str, Command], rate: Callable[[Command], float], goal: float | None = 0.7
) -> Iterator[Figure]:
    rates: dict[str, list[float]] = {language: [] for language in programs}
    for _ in range(ROUNDS):
        for language, program in programs.items():
            rates[language].append(rate(program))
    for language, samples in rates.items():
        yield Figure(f"{language} {name}", max(samples) / 1e6, "MB/s", samples=samples)
    yield Figure(f"Python/C {name}", max(rates["Python"]) / max(rates["C"]), "ratio", least=goal)


@contextmanager
def _serving(program: Command, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    command = [*program, "--port=0", "--family=ipv4", "--bind=127.0.0.1", "--print=none", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as server:
        assert server.stderr is not None
        port = int(server.stderr.readline().split()[5])
        try:
            yield server, port
        finally:
            server.terminate()


def _feed(port: int, block: bytes, times: int, head: bytes = b"") -> None:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(head)
        for _ in range(times):
            sock.sendall(block)
        sock.shutdown(socket.SHUT_WR)
        if sock.recv(1):
            raise RuntimeError("a server sends nothing")


def _server_rate(program: Command) -> float:
    block = b"".join(list_blocks(LISTED_NODES, 1000))
    with _serving(program, "--repeat=0") as (_, port):
        start_s = time.perf_counter()
        _feed(port, block, SERVER_LISTS)
        return len(block) * SERVER_LISTS / (time.perf_counter() - start_s)


def _drain(program: Command, nodes: int, *options: str) -> tuple[int, float, float]:
    """Receive from a client; return the bytes, the seconds from accept to the end, and those of the whole process."""
    buffer = bytearray(1 << 20)
    total = 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        words = ["v4", "127.0.0.1", str(listener.getsockname()[1]), str(nodes), "1000"]
        began_s = time.perf_counter()
        with subprocess.Popen([*program, *words, *options], stdout=subprocess.DEVNULL) as client:
            sock, _ = listener.accept()
            start_s = time.perf_counter()
            with sock:
                while size := sock.recv_into(buffer):
                    total += size
                end_s = time.perf_counter()
            if client.wait():
                raise RuntimeError(f"{program} failed")
        return total, end_s - start_s, time.perf_counter() - began_s


def _looping_client_rate(program: Command) -> float:
    total, seconds, _ = _drain(program, LOOP_NODES, "--chunk-bytes=10000", f"--repeat={LOOP_LISTS}")
    return total / seconds


def _long_client_rate(program: Command) -> float:
    total, seconds, _ = _drain(program, LONG_NODES, "--chunk-bytes=10000")
    return total / seconds


def _log_cost(language: str, client: Command, server: Command, folder: Path) -> Figure:
    """Compare whole runs with a slow reader, with a log on both sides and without."""
    seconds: dict[str, list[float]] = {"": [], "logged": []}
    for _ in range(ROUNDS):
        for kind, samples in seconds.items():
            log = [f"--events={folder / kind}"] if kind else []
            with _serving(server, f"--read-delay-us={PAUSE_US}", *log) as (_, port):
                words = ["v4", "127.0.0.1", str(port), str(LOOP_NODES), "1000", f"--chunk-bytes={LOGGED_CHUNK_BYTES}"]
                start_s = time.perf_counter()
                subprocess.run([*client, *words, *log], stdout=subprocess.DEVNULL, check=True)
                samples.append(time.perf_counter() - start_s)
    value = (min(seconds["logged"]) / min(seconds[""]) - 1) * 100
    return Figure(f"{language} event log, of a run with a slow reader", value, "%", most=2)


def _event_cost(language: str, client: Command, folder: Path) -> Figure:
    """Compare unthrottled clients, from start to exit, so that writing the log at the end counts."""
    chunk = f"--chunk-bytes={LOGGED_CHUNK_BYTES}"
    plain, logged = [], []
    for _ in range(ROUNDS):
        plain.append(_drain(client, EVENT_NODES, chunk)[2])
        logged.append(_drain(client, EVENT_NODES, chunk, f"--events={folder / 'events.csv'}")[2])
    events = EVENT_NODES * 1276 / LOGGED_CHUNK_BYTES
    return Figure(f"{language} event log, for each event", (min(logged) - min(plain)) / events * 1e9, "ns")


def _growth(language: str, program: Command) -> Figure:
    """Send the same node repeatedly, up to 10 MB, then up to 10 GB, and compare the peaks of resident memory."""
    block = b"".join(list_blocks(1, NODE_CONTENT_BYTES))
    peaks = []
    for total_bytes in (SMALL_BYTES, LARGE_BYTES):
        with _serving(program, "--repeat=0") as (server, port):
            _feed(port, block, total_bytes // NODE_CONTENT_BYTES)
            status = Path(f"/proc/{server.pid}/status").read_text()
        peaks.append(next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024)
    return Figure(f"{language} server, resident, 10 MB to 10 GB", peaks[1] - peaks[0], "MiB", most=5, samples=peaks)


def _time_to_stop(language: str, program: Command, folder: Path) -> Figure:
    """Measure from SIGTERM to the end of the process, with its log written, while connections are idle."""
    block = b"".join(list_blocks(LISTED_NODES, 1000))[:-1]
    samples = []
    for _ in range(ROUNDS):
        with _serving(program, f"--events={folder / 'events.csv'}") as (server, port), ExitStack() as connections:
            for _ in range(STUCK):
                connections.enter_context(socket.create_connection(("127.0.0.1", port))).sendall(block)
            start_s = time.perf_counter()
            server.terminate()
            if server.wait():
                raise RuntimeError(f"{program} failed")
            samples.append(time.perf_counter() - start_s)
    return Figure(f"{language} server, SIGTERM to exit", max(samples), "s", most=1, samples=samples)
