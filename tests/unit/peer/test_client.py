"""The client alone, against sockets of the test."""

import signal
import socket

import pytest

from testbed.peer.client import Transfer
from testbed.peer.options import read_options
from testbed.peer.output import Output
from testbed.wire import list_blocks
from tests.support.wire_programs import PY_CLIENT, read_events, run, running


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(20)
        yield sock


def drain(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


def arguments(listener, *more):
    return ["v4", "127.0.0.1", str(listener.getsockname()[1]), *more]


def test_the_exit_means_that_everything_was_read(listener, tmp_path):
    with running([*PY_CLIENT, *arguments(listener, "5", "10")], tmp_path) as client:
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(20)
            assert drain(sock) == b"".join(list_blocks(5, 10))
            client.wait_for("Data sent\n", where="out")
            assert client.process.poll() is None
            sock.sendall(b"unexpected bytes" * 1000)
        assert client.join().status == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("repeat", ["1", "0"])
def test_stopped_while_blocked(listener, tmp_path, number, repeat):
    """The bytes in the log equal the bytes that arrive."""
    options = [f"--repeat={repeat}", f"--events={tmp_path}/events.csv", "--chunk-bytes=7777"]
    with running([*PY_CLIENT, *arguments(listener, "50", "1000000", *options)], tmp_path) as client:
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(20)
            got = len(sock.recv(1))
            ended = client.stop(number)
            got += len(drain(sock))
    assert ended.status == 0
    assert ended.err == ""
    events = read_events(tmp_path / "events.csv")
    assert events[-1][0] == "close"
    assert events[-1][-1] == got


def test_stopped_while_waiting_for_the_close(listener, tmp_path):
    with running([*PY_CLIENT, *arguments(listener)], tmp_path) as client:
        sock, _ = listener.accept()
        with sock:
            client.wait_for("Data sent\n", where="out")
            ended = client.stop()
    assert (ended.status, ended.err) == (0, "")


def test_stopped_while_connecting(tmp_path):
    """A full backlog never answers the SYN."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, socket.socket() as filler:
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        with running([*PY_CLIENT, *arguments(listener)], tmp_path) as client:
            client.wait_for("Will connect", where="out")
            ended = client.stop()
    assert ended.status == 0


def test_a_server_that_resets(listener, tmp_path):
    options = [f"--events={tmp_path}/events.csv"]
    with running([*PY_CLIENT, *arguments(listener, "50", "1000000", *options)], tmp_path) as client:
        sock, _ = listener.accept()
        sock.recv(1)
        sock.close()
        ended = client.join()
    assert ended.status == 1
    assert ended.err.startswith(f"client: send to 127.0.0.1 port {listener.getsockname()[1]} over ipv4: ")
    assert ended.err.count("\n") == 1
    assert [op for op, *_ in read_events(tmp_path / "events.csv")[-2:]] == ["write", "close"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["v4", "name.invalid"], "client: resolve name.invalid over ipv4: "),
        (["v6", "127.0.0.1"], "client: resolve 127.0.0.1 over ipv6: "),
        (["v4", "a" * 70 + ".invalid"], "client: resolve aaaaa"),
        (["v4", "--events=/none/events.csv"], "client: create event log /none/events.csv: No such file or directory"),
    ],
)
def test_errors_name_the_attempt(words, message, tmp_path):
    ended = run(PY_CLIENT, tmp_path, *words)
    assert ended.status == 1
    assert ended.err.startswith(message)
    assert ended.err.count("\n") == 1


class TakesLess:
    """A socket whose send takes at most 30 bytes."""

    def __init__(self):
        self.sent = []

    def send(self, data):
        self.sent.append(bytes(data[:30]))
        return len(self.sent[-1])


def test_a_short_send_is_resumed_and_logged_as_what_it_was(tmp_path, capfd):
    words = ["v4", "h", "1", "1", "0", "--chunk-bytes=100", f"--events={tmp_path}/events.csv", "--verbose"]
    transfer = Transfer(read_options("client", words, {}), Output())
    sock = TakesLess()
    transfer._send(sock)
    transfer._recorder.close()
    assert b"".join(sock.sent) == b"".join(list_blocks(1, 0))
    assert [len(part) for part in sock.sent] == [30, 30, 30, 10, 30, 30, 30, 10, 30, 30, 20]
    assert [size for _, _, _, size, _ in read_events(tmp_path / "events.csv")] == [len(part) for part in sock.sent]
    assert [line.split(" sent")[0] for line in capfd.readouterr().out.splitlines()] == ["100 B", "100 B", "80 B"]


def test_a_host_that_is_not_utf8(tmp_path):
    with running([*PY_CLIENT, "v4", b"\xffhost", "1"], tmp_path) as client:
        ended = client.process.wait(20)
    assert ended == 1
    assert (tmp_path / "0.out").read_bytes() == b"Will connect to \xffhost : 1\n"
    assert (tmp_path / "0.err").read_bytes() == b"client: resolve \xffhost over ipv4: invalid host name\n"
