"""The C pair as programs on the loopback: against one another, the Python pair, honest and hostile peers."""

import hashlib
import os
import random
import re
import signal
import socket
import struct
import subprocess
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

import pytest

from testbed.wire import list_blocks
from tests.support.wire_programs import (
    LOOPBACK,
    PY_CLIENT,
    PY_SERVER,
    listed_options,
    read_events,
    run,
    running,
    serving,
)
from tests.support.wire_vectors import VECTORS

SOURCES = Path(__file__).resolve().parents[3] / "app" / "c"
GROUPS = {
    options: list(vectors) for options, vectors in groupby(sorted(VECTORS, key=listed_options), key=listed_options)
}
LIST = b"".join(list_blocks(3, 5))
HONEST_OUT = 'Node: 0, rating: 0, price: 0, title: "Book by 0", content length: 5\nEnding connection\n'


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The programs, made by this machine's compiler."""
    folder = tmp_path_factory.mktemp("c")
    made = subprocess.run(["make", "-C", SOURCES, f"OUT={folder}"], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="session")
def client(built):
    return (str(built / "cclient"),)


@pytest.fixture(scope="session")
def server(built):
    return (str(built / "cserver"),)


def printed(nodes, content_bytes):
    """What a server prints of the clients' list with --verbose."""
    stream = b"".join(list_blocks(nodes, content_bytes))
    lines = [
        f'Node: {i}, rating: {(2 * i + 2**15) % 2**16 - 2**15}, price: {3 * i % 2**32}, title: "Book by {i}", '
        f"content length: {content_bytes}"
        for i in range(nodes)
    ]
    digest = hashlib.sha256(stream).hexdigest()
    lines.append(f"List of {nodes} nodes, {len(stream)} bytes, sha256 {digest}")
    return "\n".join([*lines, "Ending connection", ""])


def sent(size, chunk_bytes, total=None):
    """The output of the C client, with times masked."""
    total = total or size
    chunks = [chunk_bytes] * (total // chunk_bytes) + [total % chunk_bytes] * (total % chunk_bytes > 0)
    return "".join([f"Sending {size} bytes!\n", *(f"{chunk} B sent after N ms\n" for chunk in chunks), "Data sent\n"])


def masked(out):
    """The client's output without its first line and its times."""
    return re.sub(r"after \d+ ms", "after N ms", out.partition("\n")[2])


class Sink:
    """A scripted peer of the client."""

    def __init__(self, family="ipv4"):
        kind = socket.AF_INET if family == "ipv4" else socket.AF_INET6
        self.listener = socket.create_server((LOOPBACK[family], 0), family=kind, backlog=1)
        self.port = str(self.listener.getsockname()[1])
        self.arguments = ["v4" if family == "ipv4" else "v6", LOOPBACK[family], self.port]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        self.listener.settimeout(20)
        return self.listener.accept()[0]


# One another, and the Python pair


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("listening", ["single", "dual"])
@pytest.mark.parametrize("pair", ["C to C", "Python to C", "C to Python"])
def test_pairings(pair, family, listening, client, server, tmp_path):
    sender = PY_CLIENT if pair.startswith("Python") else client
    receiver = PY_SERVER if pair.endswith("Python") else server
    mode = {"ipv4": "v4", "ipv6": "v6"}[family]
    with serving(receiver, tmp_path, "--verbose", "--family", family if listening == "single" else "dual") as at:
        ended = run(sender, tmp_path, mode, LOOPBACK[family], str(at.port), "10", "1000", "--chunk-bytes=4000")
        out = at.stop().out
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(f"Will connect to {LOOPBACK[family]} : {at.port}\nSending 12764 bytes!\n")
    assert ended.out.endswith("Data sent\n")
    assert out == printed(10, 1000)


@pytest.mark.parametrize(("nodes", "content_bytes"), [(0, 9), (1, 0), (20000, 0), (40000, 3), (3, 1_000_000)])
def test_sizes(nodes, content_bytes, client, server, tmp_path):
    with serving(server, tmp_path, "--verbose", "--read-bytes=70000") as at:
        options = [f"--nodes={nodes}", f"--content-bytes={content_bytes}", "--chunk-bytes=100000"]
        assert run(client, tmp_path, f"--port={at.port}", *options).status == 0
        assert at.stop().out == printed(nodes, content_bytes)


# The client


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize(("chunk_bytes", "repeat"), [(1, 1), (100, 1), (100, 7), (10**6, 3)])
def test_bytes_and_lines_of_the_client(family, chunk_bytes, repeat, client, tmp_path):
    log = tmp_path / "events.csv"
    options = [f"--chunk-bytes={chunk_bytes}", f"--repeat={repeat}", f"--events={log}"]
    received = b""
    with Sink(family) as sink, running([*client, *sink.arguments, "3", "5", *options], tmp_path) as program:
        with sink.accept() as sock:
            while data := sock.recv(65536):
                received += data
        ended = program.join()
    assert (ended.status, ended.err) == (0, "")
    assert received == LIST * repeat
    assert ended.out.startswith(f"Will connect to {LOOPBACK[family]} : {sink.port}\n")
    assert masked(ended.out) == sent(len(LIST), chunk_bytes, len(LIST) * repeat)
    events = read_events(log)
    assert [event[0] for event in events] == ["connect", *["write"] * (len(events) - 3), "eof", "close"]
    writes = [event[3] for event in events if event[0] == "write"]
    assert sum(writes) == len(received)
    assert writes[:-1] == [chunk_bytes] * (len(writes) - 1)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_dual_client_uses_the_addresses_of_the_name(family, client, server, tmp_path):
    with serving(server, tmp_path, "--verbose", "--family", family) as at:
        ended = run(client, tmp_path, "--family=dual", "--host", LOOPBACK[family], "--port", str(at.port))
        assert at.stop().out == printed(10, 1000)
    assert ended.status == 0


def test_the_short_form(client, server, tmp_path):
    with serving(server, tmp_path, "--verbose") as at:
        ended = run(client, tmp_path, str(at.port), "2")
        assert at.stop().out == printed(2, 1000)
    assert ended.out.startswith(f"Will connect to localhost : {at.port}\nSending 2556 bytes!\n")


def test_the_client_waits_until_all_was_read(client, tmp_path):
    """The client discards what the peer sends; the close of the peer is the end."""
    with Sink() as sink, running([*client, *sink.arguments, "1"], tmp_path) as program, sink.accept() as sock:
        program.wait_for("Data sent\n", where="out")
        sock.sendall(b"x" * 100_000)
        assert program.process.poll() is None
        while sock.recv(65536):
            pass
        sock.shutdown(socket.SHUT_WR)
        assert program.join().status == 0


STAYS_S = 0.3
"""Long enough for a program that does not wait to exit."""


@pytest.mark.parametrize("language", ["C", "Python"])
def test_the_client_waits_for_a_peer_that_closed_its_direction_first(language, client, tmp_path):
    """The end of the peer's stream says nothing about ours: in a container, unsent data would be lost with the exit."""
    sender = client if language == "C" else PY_CLIENT
    with Sink() as sink:
        sink.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with running([*sender, *sink.arguments, "1", "300000"], tmp_path) as program, sink.accept() as sock:
            sock.shutdown(socket.SHUT_WR)
            program.wait_for("Data sent\n", where="out")
            with pytest.raises(subprocess.TimeoutExpired):
                program.process.wait(STAYS_S)
            received = sum(iter(lambda: len(sock.recv(65536)), 0))
            assert program.join().status == 0
    assert received == 4 + 276 + 300_000


@pytest.mark.parametrize("language", ["C", "Python"])
def test_a_peer_that_resets_after_its_end_fails_the_client(language, client, tmp_path):
    sender = client if language == "C" else PY_CLIENT
    with Sink() as sink:
        sink.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with running([*sender, *sink.arguments, "1", "300000"], tmp_path) as program:
            with sink.accept() as sock:
                sock.shutdown(socket.SHUT_WR)
                program.wait_for("Data sent\n", where="out")
                with pytest.raises(subprocess.TimeoutExpired):
                    program.process.wait(STAYS_S)
            ended = program.join()
    assert ended.status == 1
    where = f"127.0.0.1 port {sink.port} over ipv4"
    reason = "(Connection reset by peer|Broken pipe)"
    assert re.fullmatch(f"client: wait for the acknowledgement of {where}: {reason}\n", ended.err)


def test_a_peer_that_resets_fails_the_client(client, tmp_path):
    with Sink() as sink, running([*client, *sink.arguments, "1000", "100000"], tmp_path) as program:
        with sink.accept() as sock:
            sock.recv(1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ended = program.join()
    assert ended.status == 1
    where = f"127.0.0.1 port {sink.port} over ipv4"
    assert re.fullmatch(f"client: send to {where}: (Connection reset by peer|Broken pipe)\n", ended.err)
    assert "Data sent" not in ended.out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("repeat", [0, 1])
def test_the_client_is_stopped_while_it_is_blocked(number, repeat, client, tmp_path):
    log = tmp_path / "events.csv"
    options = [f"--repeat={repeat}", f"--events={log}", "--sndbuf-bytes=65536"]
    sink = Sink()
    command = [*client, *sink.arguments, "1000", "100000", *options]
    with sink, running(command, tmp_path) as program, sink.accept() as sock:
        sock.recv(1)
        ended = program.stop(number)
    assert ended.status == 0
    assert ended.err == ""
    events = read_events(log)
    assert events[0][0] == "connect"
    assert events[-1][0] == "close"
    assert events[-1][-1] > 0


def test_the_client_is_stopped_while_it_connects(client, tmp_path):
    """The queue of the listener is full, so that the SYN is not answered."""
    with Sink() as sink, ExitStack() as stack:
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", int(sink.port)))
        with running([*client, *sink.arguments], tmp_path) as program:
            program.wait_for("Will connect", where="out")
            ended = program.stop()
    assert ended.status == 0
    assert "Sending" not in ended.out


def test_no_listener(client, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        ended = run(client, tmp_path, "v4", "127.0.0.1", str(port))
    assert ended.status == 1
    assert ended.err == f"client: connect to 127.0.0.1 port {port} over ipv4: Connection refused\n"
    assert ended.out == f"Will connect to 127.0.0.1 : {port}\n"


@pytest.mark.parametrize("chunk_bytes", [100_000, 1])
def test_an_output_that_accepts_nothing(chunk_bytes, client, server, tmp_path):
    """With a line a byte the output fails while it is printed on, not only when it is flushed."""
    with serving(server, tmp_path) as at, Path("/dev/full").open("wb") as full:
        options = ["v4", "127.0.0.1", str(at.port), "3", "5", f"--chunk-bytes={chunk_bytes}"]
        ended = subprocess.run([*client, *options], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "client: write to standard output: No space left on device\n"


# Options, environment, exit status


def test_options_win_over_the_environment(client, tmp_path, monkeypatch):
    monkeypatch.setenv("TESTBED_NODES", "7")
    monkeypatch.setenv("TESTBED_CONTENT_BYTES", "0")
    monkeypatch.setenv("TESTBED_PORT", "1")
    with Sink() as sink:
        monkeypatch.setenv("TESTBED_HOST", "127.0.0.1")
        with running([*client, f"--port={sink.port}", "--content-bytes", "2"], tmp_path) as program:
            with sink.accept() as sock:
                while sock.recv(65536):
                    pass
            ended = program.join()
    assert ended.out.startswith(f"Will connect to 127.0.0.1 : {sink.port}\nSending {4 + 7 * 278} bytes!\n")


@pytest.mark.parametrize(
    ("role", "arguments", "status"),
    [
        ("client", ["--help"], 0),
        ("server", ["--help"], 0),
        ("client", ["v5", "localhost", "8888", "1", "1"], 127),
        ("client", ["localhost"], 127),
        ("client", ["8888"], 127),
        ("client", ["--family=ipx"], 127),
        ("client", ["--role=server"], 127),
        ("server", ["--role=client"], 127),
        ("client", ["--nodes=-1"], 1),
        ("client", ["v4", "localhost", "8888", "1", "1", "1"], 1),
        ("client", ["--port=0"], 1),
        ("client", ["--no-such"], 1),
        ("client", ["--events=/none/events.csv"], 1),
        ("client", ["--repeat=2147483647", "--nodes=2147483647", "--content-bytes=4294967295"], 1),
        ("server", ["8888"], 1),
        ("server", ["--events=/none/events.csv"], 1),
        ("server", ["--family=ipv4", "--bind=192.0.2.1"], 1),
    ],
)
def test_exit_status(role, arguments, status, built, tmp_path):
    ended = run([built / f"c{role}"], tmp_path, *arguments)
    assert ended.status == status
    if status == 0:
        assert ended.out.startswith(f"usage: {role} ")
        assert ended.err == ""
    else:
        assert re.fullmatch(rf"{role}: [^\n]+\n", ended.err)


@pytest.mark.parametrize(("role", "status"), [("client", 0), ("server", 0), ("proxy", 127), ("", 127)])
def test_the_entry_of_the_image(role, status, built, tmp_path, monkeypatch):
    monkeypatch.setenv("TESTBED_ROLE", role)
    monkeypatch.setenv("PATH", str(built), prepend=os.pathsep)
    ended = run([built / "endpoint"], tmp_path, "--help")
    assert ended.status == status
    if status == 0:
        assert ended.out.startswith(f"usage: {role} ")
    else:
        assert ended.out == ""
        assert ended.err


# The server


@pytest.mark.parametrize("options", GROUPS, ids=" ".join)
@pytest.mark.parametrize("content", ["digest", "keep"])
def test_every_vector(options, content, server, tmp_path):
    with serving(server, tmp_path, "--verbose", f"--content={content}", *options) as at:
        for vector in GROUPS[options]:
            at.give(vector.stream)
        ended = at.stop()
    assert ended.out.splitlines() == [line for vector in GROUPS[options] for line in vector.out]
    errors = re.findall(r"^server: peer \S+ port \d+: (\S+ at [^:]*): .+$", ended.err, re.MULTILINE)
    bad = [vector for vector in GROUPS[options] if vector.kind != "ok"]
    assert errors == [f"{vector.kind} {vector.position}" for vector in bad]
    assert ended.err.count("\n") == 1 + len(bad)


def honest(client, at, tmp_path):
    """An honest client is served."""
    assert run(client, tmp_path, "v4", "127.0.0.1", str(at.port), "1", "5").status == 0


def test_stuck_connections_block_no_other(client, server, tmp_path):
    with serving(server, tmp_path) as at, ExitStack() as stuck:
        for number in range(500):
            sock = stuck.enter_context(at.connect())
            sock.send(LIST[: number % 5])
        honest(client, at, tmp_path)
        assert at.out == HONEST_OUT
        ended = at.stop()
    assert ended.status == 0
    assert ended.err.count(": stopped at byte ") == 500


def test_a_slow_connection_blocks_no_other(client, server, tmp_path):
    """Each connection has a read delay of an hour, but the others are read all the same."""
    with serving(server, tmp_path, "--read-delay-us=3600000000") as at, ExitStack() as stuck:
        for number in range(3):
            stuck.enter_context(at.connect()).sendall(b"".join(list_blocks(1, number)))
            at.wait_for(f"content length: {number}\n", where="out")
        ended = at.stop()
    assert ended.status == 0


def test_a_reset_costs_one_line(client, server, tmp_path):
    with serving(server, tmp_path) as at:
        with at.connect() as sock:
            sock.send(LIST[:25])
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        at.wait_for(r"peer \S+ port \d+: reset at byte \d+, list 0, (node 0, )?field \w+: Connection reset by peer\n")
        honest(client, at, tmp_path)
        ended = at.stop()
    assert ended.out == HONEST_OUT
    assert ended.err.count("\n") == 2


def test_connections_over_the_cap_are_refused(client, server, tmp_path):
    with serving(server, tmp_path, "--max-connections=2") as at, ExitStack() as stuck:
        for _ in range(2):
            stuck.enter_context(at.connect())
        with at.connect() as third:
            assert third.recv(1) == b""
        at.wait_for(r"peer \S+ port \d+: refused, 2 connections are open\n")
        stuck.close()
        at.wait_for(r"(?s)early-end.*early-end")
        honest(client, at, tmp_path)


def test_running_out_of_descriptors_is_survived(client, server, tmp_path):
    command = ["sh", "-c", 'ulimit -n 20; exec "$0" "$@"', *server]
    with serving(command, tmp_path) as at, ExitStack() as stuck:
        for _ in range(30):
            stuck.enter_context(at.connect())
        at.wait_for(r"server: accept a connection: Too many open files\n")
        stuck.close()
        honest(client, at, tmp_path)
        assert at.stop().out == HONEST_OUT


def test_garbage(client, server, tmp_path):
    rng = random.Random(1)
    with serving(server, tmp_path) as at:
        for size in (1, 3, 4, 5, 279, 280, 281, 5000, 100_000):
            at.give(rng.randbytes(size))
        honest(client, at, tmp_path)
        ended = at.stop()
    assert ended.out == HONEST_OUT
    assert ended.err.count("\n") == 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("delay_us", [0, 90_000, 60_000_000])
def test_stopped_in_the_middle(number, delay_us, server, tmp_path):
    """A slow reader, a sender that fills every buffer: the log is complete, and the sender is notified."""
    options = [f"--read-delay-us={delay_us}", f"--events={tmp_path}/events.csv", "--repeat=0", "--print=none"]
    with serving(server, tmp_path, *options) as at, at.connect() as sock:
        sock.sendall(LIST)
        sock.setblocking(False)
        try:
            for _ in range(200):
                sock.send(LIST * 1000)
        except BlockingIOError:
            pass
        ended = at.stop(number)
    assert ended.status == 0
    events = read_events(tmp_path / "events.csv")
    assert events[0][0] == "accept"
    assert events[-1][0] == "close"
    at_byte = int(re.search(r"stopped at byte (\d+)", ended.err)[1])
    assert 0 <= events[-1][-1] - at_byte <= 8192


def test_read_delays_have_the_requested_length(client, server, tmp_path):
    log = tmp_path / "events.csv"
    options = ["--read-delay-us=20000", "--read-bytes=1000", f"--events={log}", "--print=none"]
    with serving(server, tmp_path, *options) as at:
        assert run(client, tmp_path, "--port", str(at.port), "--nodes=10").status == 0
        at.stop()
    events = read_events(log)
    reads = [event for event in events if event[0] == "read"]
    sleeps = [event for event in events if event[0] == "sleep"]
    assert len(sleeps) == len(reads) >= 13
    assert max(event[3] for event in reads) <= 1000
    assert min(end_ns - start_ns for _, start_ns, end_ns, _, _ in sleeps) >= 20_000_000


def test_stopped_with_nothing_to_do(server, tmp_path):
    with serving(server, tmp_path, f"--events={tmp_path}/events.csv") as at:
        ended = at.stop()
    assert (ended.status, ended.out) == (0, "")
    assert read_events(tmp_path / "events.csv") == []


def test_each_connection_has_its_log(server, tmp_path):
    with serving(server, tmp_path, f"--events={tmp_path}/events.csv", "--print=none") as at:
        for _ in range(18):
            at.give(LIST)
        at.stop()
    logs = sorted(path.name for path in tmp_path.glob("events*"))
    assert logs == sorted(["events.csv", *(f"events.csv.{n}" for n in range(2, 17))])
    for name in logs:
        assert read_events(tmp_path / name)[-1][-1] == len(LIST)


def test_lists_are_printed_in_one_piece(server, tmp_path):
    """Eight connections print long lists at the same time."""
    stream = b"".join(list_blocks(3000, 0))
    with serving(server, tmp_path, "--verbose") as at, ExitStack() as stack:
        socks = [stack.enter_context(at.connect()) for _ in range(8)]
        for sock in socks:
            sock.sendall(stream[:-1])
        for sock in socks:
            sock.sendall(stream[-1:])
            sock.shutdown(socket.SHUT_WR)
        for sock in socks:
            assert sock.recv(1) == b""
        out = at.stop().out
    numbers = [int(n) for n in re.findall(r"^Node: (\d+)", out, re.MULTILINE)]
    assert numbers == [*range(3000)] * 8


def test_memory_does_not_grow_with_content(server, tmp_path):
    block = b"".join(list_blocks(1, 10_000_000))
    peaks = []
    for times in (1, 8):
        with serving(server, tmp_path, "--repeat=0", "--print=none") as at:
            at.give(block * times)
            status = Path(f"/proc/{at.process.pid}/status").read_text()
            peaks.append(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]))
    assert peaks[1] - peaks[0] < 1000


def test_a_port_in_use(server, tmp_path):
    with serving(server, tmp_path) as at:
        ended = run(server, tmp_path, f"--port={at.port}")
    assert ended.status == 1
    assert ended.err == f"server: listen on :: port {at.port} over dual: Address already in use\n"


def test_families_keep_apart(server, tmp_path):
    with serving(server, tmp_path, "--family=ipv6") as at, pytest.raises(ConnectionRefusedError):
        at.connect("ipv4")
    with serving(server, tmp_path, "--family=ipv4") as at, pytest.raises(ConnectionRefusedError):
        at.connect("ipv6")


def test_standard_output_that_is_gone(server):
    read_fd, write_fd = os.pipe()
    process = subprocess.Popen(
        [*server, "--port=0"], stdin=subprocess.DEVNULL, stdout=write_fd, stderr=subprocess.PIPE, text=True
    )
    os.close(write_fd)
    os.close(read_fd)
    with process:
        port = int(re.search(r"port (\d+)", process.stderr.readline())[1])
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(LIST)
            assert process.wait(20) == 1
        assert process.stderr.read() == "server: write to standard output: Broken pipe\n"
