"""The server alone, against peers that are not honest."""

import os
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time
from contextlib import ExitStack
from itertools import groupby

import pytest

from testbed.peer.options import read_options
from testbed.peer.output import Output
from testbed.peer.server import Server
from testbed.peer.stop import Stop
from testbed.wire import list_blocks
from tests.support.wire_programs import (
    PY_CLIENT,
    PY_SERVER,
    listed_options,
    read_events,
    run,
    serving,
)
from tests.support.wire_vectors import VECTORS

GROUPS = {
    options: list(vectors) for options, vectors in groupby(sorted(VECTORS, key=listed_options), key=listed_options)
}
HONEST_OUT = 'Node: 0, rating: 0, price: 0, title: "Book by 0", content length: 5\nEnding connection\n'
LIST = b"".join(list_blocks(3, 5))


def honest(server, tmp_path):
    """An honest client is served."""
    assert run(PY_CLIENT, tmp_path, "v4", "127.0.0.1", str(server.port), "1", "5").status == 0


@pytest.mark.parametrize("options", GROUPS, ids=" ".join)
def test_every_vector(options, tmp_path):
    with serving(PY_SERVER, tmp_path, "--verbose", *options) as server:
        for vector in GROUPS[options]:
            server.give(vector.stream)
        ended = server.stop()
    assert ended.out.splitlines() == [line for vector in GROUPS[options] for line in vector.out]
    errors = re.findall(r"^server: peer \S+ port \d+: (\S+ at [^:]*): .+$", ended.err, re.MULTILINE)
    bad = [vector for vector in GROUPS[options] if vector.kind != "ok"]
    assert errors == [f"{vector.kind} {vector.position}" for vector in bad]
    assert ended.err.count("\n") == 1 + len(bad)


def test_stuck_connections_block_no_other(tmp_path):
    with serving(PY_SERVER, tmp_path) as server, ExitStack() as stuck:
        for number in range(500):
            sock = stuck.enter_context(server.connect())
            sock.send(LIST[: number % 5])
        honest(server, tmp_path)
        assert server.out == HONEST_OUT
        ended = server.stop()
    assert ended.status == 0
    assert ended.err.count(": stopped at byte ") == 500


def test_a_reset_costs_one_line(tmp_path):
    with serving(PY_SERVER, tmp_path) as server:
        with server.connect() as sock:
            sock.send(LIST[:25])
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.wait_for(
            r"peer \S+ port \d+: reset at byte \d+, list 0, (node 0, )?field \w+: Connection reset by peer\n"
        )
        honest(server, tmp_path)
        ended = server.stop()
    assert ended.out == HONEST_OUT
    assert ended.err.count("\n") == 2


def test_connections_over_the_cap_are_refused(tmp_path):
    with serving(PY_SERVER, tmp_path, "--max-connections=2") as server, ExitStack() as stuck:
        for _ in range(2):
            stuck.enter_context(server.connect())
        with server.connect() as third:
            assert third.recv(1) == b""
        server.wait_for(r"peer \S+ port \d+: refused, 2 connections are open\n")
        stuck.close()
        server.wait_for(r"(?s)early-end.*early-end")
        honest(server, tmp_path)


def test_the_limit_of_open_files_is_a_cap(tmp_path):
    command = ["sh", "-c", 'ulimit -n 70; exec "$0" "$@"', *PY_SERVER]
    with serving(command, tmp_path) as server, ExitStack() as stuck:
        for _ in range(20):
            stuck.enter_context(server.connect())
        server.wait_for(r"refused, 6 connections are open\n")


def test_garbage(tmp_path):
    rng = random.Random(1)
    with serving(PY_SERVER, tmp_path) as server:
        for size in (1, 3, 4, 5, 279, 280, 281, 5000, 100_000):
            server.give(rng.randbytes(size))
        honest(server, tmp_path)
        ended = server.stop()
    assert ended.out == HONEST_OUT
    assert ended.err.count("\n") == 10


def test_nothing_raw_reaches_the_terminal(tmp_path):
    vector = next(vector for vector in VECTORS if vector.name == "valid-escaped-title")
    with serving(PY_SERVER, tmp_path) as server:
        server.give(vector.stream)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", server.stop().out)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("delay_us", [0, 90_000, 60_000_000])
def test_stopped_in_the_middle(number, delay_us, tmp_path):
    """A slow reader, a sender that fills every buffer: the log is complete, and the sender is notified."""
    options = [f"--read-delay-us={delay_us}", f"--events={tmp_path}/events.csv", "--repeat=0", "--print=none"]
    with serving(PY_SERVER, tmp_path, *options) as server, server.connect() as sock:
        sock.sendall(LIST)
        sock.setblocking(False)
        try:
            for _ in range(200):
                sock.send(LIST * 1000)
        except BlockingIOError:
            pass
        ended = server.stop(number)
    assert ended.status == 0
    assert re.search(r"peer \S+ port \d+: stopped at byte \d+, list \d+, (node \d, )?field \w+: ", ended.err)
    events = read_events(tmp_path / "events.csv")
    assert events[-1][0] == "close"
    at_byte = int(re.search(r"stopped at byte (\d+)", ended.err)[1])
    assert 0 <= events[-1][-1] - at_byte <= 8192


def test_stopped_with_nothing_to_do(tmp_path):
    with serving(PY_SERVER, tmp_path, f"--events={tmp_path}/events.csv") as server:
        ended = server.stop()
    assert (ended.status, ended.out) == (0, "")
    assert read_events(tmp_path / "events.csv") == []


def test_each_connection_has_its_log(tmp_path):
    with serving(PY_SERVER, tmp_path, f"--events={tmp_path}/events.csv", "--print=none") as server:
        for _ in range(18):
            server.give(LIST)
        server.stop()
    logs = sorted(path.name for path in tmp_path.glob("events*"))
    assert logs == sorted(["events.csv", *(f"events.csv.{n}" for n in range(2, 17))])
    for name in logs:
        assert read_events(tmp_path / name)[-1][-1] == len(LIST)


def test_lists_are_printed_in_one_piece(tmp_path):
    """Eight connections print long lists at the same time."""
    stream = b"".join(list_blocks(3000, 0))
    with serving(PY_SERVER, tmp_path, "--verbose") as server, ExitStack() as stack:
        socks = [stack.enter_context(server.connect()) for _ in range(8)]
        for sock in socks:
            sock.sendall(stream[:-1])
        for sock in socks:
            sock.sendall(stream[-1:])
            sock.shutdown(socket.SHUT_WR)
        for sock in socks:
            assert sock.recv(1) == b""
        out = server.stop().out
    numbers = [int(n) for n in re.findall(r"^Node: (\d+)", out, re.MULTILINE)]
    assert numbers == [*range(3000)] * 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bind=192.0.2.1", "--family=ipv4"], "server: listen on 192.0.2.1 port 8888 over ipv4: Cannot assign"),
        (["--bind=::1", "--family=ipv4"], "server: listen on ::1 port 8888 over ipv4: Address family"),
        (["--events=/none/events.csv"], "server: create event log /none/events.csv: No such file"),
        (["8888"], "server: unexpected argument '8888': the server has options only"),
    ],
)
def test_errors_name_the_attempt(options, message, tmp_path):
    ended = run(PY_SERVER, tmp_path, *options)
    assert ended.status == 1
    assert ended.err.startswith(message)
    assert ended.err.count("\n") == 1


def test_a_port_in_use(tmp_path):
    with serving(PY_SERVER, tmp_path) as server:
        ended = run(PY_SERVER, tmp_path, f"--port={server.port}")
    assert ended.status == 1
    assert ended.err == f"server: listen on :: port {server.port} over dual: Address already in use\n"


def test_standard_output_that_is_gone():
    read_fd, write_fd = os.pipe()
    process = subprocess.Popen(
        [*PY_SERVER, "--port=0"], stdin=subprocess.DEVNULL, stdout=write_fd, stderr=subprocess.PIPE, text=True
    )
    os.close(write_fd)
    os.close(read_fd)
    with process:
        port = int(re.search(r"port (\d+)", process.stderr.readline())[1])
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(LIST)
            assert process.wait(20) == 1
        assert process.stderr.read() == "server: write to standard output: Broken pipe\n"


def test_a_stop_while_the_thread_of_a_connection_starts(tmp_path, monkeypatch):
    """The stop looks at all connections just before the thread of the newest one has started."""
    options = read_options("server", ["--host=127.0.0.1", "--port=0", f"--events={tmp_path}/events.csv"], {})
    stop = Stop()
    server = Server(options, Output(), stop)
    listener = server._listener
    errors = []

    def end():
        try:
            server._end_connections(time.monotonic() + 60)
        except RuntimeError as error:
            errors.append(error)

    ender = threading.Thread(target=end)

    class Late(threading.Thread):
        def start(self):
            ender.start()
            ender.join(0.3)  # it ends only if it has not waited for this thread to start
            super().start()

    monkeypatch.setattr("testbed.peer.server.threading.Thread", Late)
    with listener, socket.create_connection(listener.getsockname()[:2]):
        while not server._accept():
            pass
        ender.join()
    assert errors == []
    assert not server._receivers
