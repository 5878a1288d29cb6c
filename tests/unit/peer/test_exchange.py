"""Client and server, both in Python, over the loopback."""

import hashlib

import pytest

from testbed.wire import list_blocks
from tests.support.wire_programs import LOOPBACK, PY_CLIENT, PY_SERVER, read_events, run, serving

families = pytest.mark.parametrize("family", ["ipv4", "ipv6"])
MODE = {"ipv4": "v4", "ipv6": "v6"}


def printed(nodes: int, content_bytes: int) -> str:
    return "".join(
        f'Node: {i}, rating: {2 * i}, price: {3 * i}, title: "Book by {i}", content length: {content_bytes}\n'
        for i in range(nodes)
    )


@families
@pytest.mark.parametrize("listen", ["own", "dual"])
def test_the_exercise(family, listen, tmp_path):
    host = LOOPBACK[family]
    with serving(PY_SERVER, tmp_path, "--family", family if listen == "own" else "dual", "--verbose") as server:
        client = run(PY_CLIENT, tmp_path, MODE[family], host, str(server.port), "10", "1000")
        assert client.status == 0
        assert client.err == ""
        assert client.out == f"Will connect to {host} : {server.port}\nSending 12764 bytes!\nData sent\n"
        ended = server.stop()
    digest = hashlib.sha256(b"".join(list_blocks(10, 1000))).hexdigest()
    assert ended.out == printed(10, 1000) + f"List of 10 nodes, 12764 bytes, sha256 {digest}\nEnding connection\n"
    assert ended.status == 0
    assert ended.err.count("\n") == 1


def test_v6_only_accepts_no_v4(tmp_path):
    with serving(PY_SERVER, tmp_path, "--family", "ipv6") as server:
        client = run(PY_CLIENT, tmp_path, "v4", "127.0.0.1", str(server.port))
    assert client.status == 1
    assert client.err == f"client: connect to 127.0.0.1 port {server.port} over ipv4: Connection refused\n"


@pytest.mark.parametrize(("chunk_bytes", "read_bytes"), [(100, 8192), (10000, 100), (100000, 7)])
def test_chunks_and_reads_have_the_requested_size(chunk_bytes, read_bytes, tmp_path):
    total = 4 + 20 * 1276
    with serving(
        PY_SERVER, tmp_path, f"--read-bytes={read_bytes}", "--print=none", f"--events={tmp_path}/server.csv"
    ) as server:
        options = [f"--chunk-bytes={chunk_bytes}", f"--events={tmp_path}/client.csv", "--verbose"]
        client = run(PY_CLIENT, tmp_path, "v4", "127.0.0.1", str(server.port), "20", "1000", *options)
        assert server.stop().out == "Ending connection\n"
    sent = read_events(tmp_path / "client.csv")
    whole, rest = divmod(total, chunk_bytes)
    sizes = [chunk_bytes] * whole + [rest] * (rest > 0)
    assert [op for op, *_ in sent] == ["connect", *["write"] * len(sizes), "eof", "close"]
    assert [size for op, _, _, size, _ in sent if op == "write"] == sizes
    lines = [line.partition(" ms")[0].rsplit(" ", 1)[0] for line in client.out.splitlines() if line.endswith(" ms")]
    assert lines == [f"{size} B sent after" for size in sizes]
    got = read_events(tmp_path / "server.csv")
    assert got[0][0] == "accept"
    assert [op for op, *_ in got[-2:]] == ["eof", "close"]
    assert all(op == "read" and 0 < size <= read_bytes for op, _, _, size, _ in got[1:-2])
    assert got[-1][-1] == sent[-1][-1] == total


def test_the_pause_follows_every_read(tmp_path):
    options = ["--read-delay-us=3000", "--read-bytes=300", f"--events={tmp_path}/events.csv"]
    with serving(PY_SERVER, tmp_path, *options) as server:
        assert run(PY_CLIENT, tmp_path, "v4", "127.0.0.1", str(server.port), "4", "100").status == 0
        server.stop()
    events = read_events(tmp_path / "events.csv")
    ops = [op for op, *_ in events]
    assert ops[:1] + ops[-2:] == ["accept", "eof", "close"]
    assert ops[1:-2] == ["read", "sleep"] * ops.count("read")
    assert ops.count("read") >= 6
    assert all(end - start >= 3_000_000 for op, start, end, _, _ in events if op == "sleep")


@pytest.mark.parametrize("lists", [2, 40])
def test_repeat(lists, tmp_path):
    for expected in (lists, 0):
        with serving(PY_SERVER, tmp_path, f"--repeat={expected}", "--print=none", "--verbose") as server:
            client = run(PY_CLIENT, tmp_path, "v4", "127.0.0.1", str(server.port), "3", "50", f"--repeat={lists}")
            ended = server.stop()
        assert client.out.count("Sending 982 bytes!\n") == 1
        assert ended.out.count("List of 3 nodes, 982 bytes, sha256 ") == lists
        assert ended.out.endswith("Ending connection\n")
        assert ended.err.count("\n") == 1


def test_all_from_the_environment(tmp_path, monkeypatch):
    with serving(PY_SERVER, tmp_path) as server:
        monkeypatch.setenv("TESTBED_ROLE", "client")
        monkeypatch.setenv("TESTBED_FAMILY", "ipv6")
        monkeypatch.setenv("TESTBED_HOST", "::1")
        monkeypatch.setenv("TESTBED_PORT", str(server.port))
        monkeypatch.setenv("TESTBED_NODES", "3")
        monkeypatch.setenv("TESTBED_CONTENT_BYTES", "7")
        assert run(PY_CLIENT, tmp_path).status == 0
        assert server.stop().out == printed(3, 7) + "Ending connection\n"


def test_the_tour(tmp_path, monkeypatch):
    with serving(PY_SERVER, tmp_path, "--print=none") as server:
        monkeypatch.setenv("TESTBED_PORT", str(server.port))
        monkeypatch.setenv("TESTBED_HOST", "127.0.0.1,127.0.0.2")
        monkeypatch.setenv("TESTBED_FAMILY", "ipv4")
        command = [PY_CLIENT[0], "-m", "testbed.peer.tour"]
        done = run(command, tmp_path)
        assert (done.status, done.out.count("Data sent\n")) == (0, 2)
        monkeypatch.setenv("TESTBED_FAMILY", "dual")  # an IPv4 address is none over IPv6
        failed = run(command, tmp_path)
        assert (failed.status, failed.out.count("Data sent\n")) == (1, 2)
        assert failed.err.count("client: resolve 127.0.0.") == 2


def test_kept_content(tmp_path):
    with serving(PY_SERVER, tmp_path, "--content=keep", "--print=some", "--verbose") as server:
        assert run(PY_CLIENT, tmp_path, "v4", "127.0.0.1", str(server.port), "12", "3000").status == 0
        ended = server.stop()
    assert ended.out.startswith(printed(10, 3000) + "... and 2 more\nList of 12 nodes, ")


def test_buffers_and_nodelay(tmp_path):
    options = ["--sndbuf-bytes=20000", "--rcvbuf-bytes=20000", "--nodelay"]
    with serving(PY_SERVER, tmp_path, "--print=none", *options) as server:
        assert run(PY_CLIENT, tmp_path, "v4", "127.0.0.1", str(server.port), "500", "1000", *options).status == 0


@pytest.mark.parametrize(
    ("command", "own", "other"),
    [(PY_CLIENT, "--chunk-bytes", "--read-delay-us"), (PY_SERVER, "--read-delay-us", "--chunk-bytes")],
)
def test_help_and_statuses(command, own, other, tmp_path, monkeypatch):
    shown = run(command, tmp_path, "--help")
    assert (shown.status, shown.err) == (0, "")
    assert f"\n  {own} " in shown.out
    assert other not in shown.out
    assert run(command, tmp_path, "--port", "x").status == 1
    assert run(command, tmp_path, "--family", "ipx").status == 127
    monkeypatch.setenv("TESTBED_ROLE", "bystander")
    ended = run(command, tmp_path)
    assert ended.status == 127
    assert ended.err.count("\n") == 1
