"""Run the programs against independent tools, ncat and OpenBSD's nc, over both families."""

import hashlib
import random
import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import docker
import pytest

from testbed.stack.images import Images
from tests.support.peer_lab import EVENTS, FLAG, Peer, PeerLab, connection_errors, peer_lab
from tests.support.wire_programs import listed_options, parse_events
from tests.support.wire_vectors import VECTORS, Vector, decode

pytestmark = pytest.mark.docker

STRUCT = Path(__file__).resolve().parents[1] / "support" / "struct_list.c"
STAYS_S = 0.5
"""Long enough for a program that does not wait to exit."""

# Both tools shut down their side at the end of their input and then wait until the peer closes.
SENDERS = {"ncat": "ncat", "nc": "nc.openbsd -N"}

# Sends each file in a list to its host and port, and prints the answer, which should be empty.
SEND_ALL = """
while read -r host file; do
  $1 $2 "$host" 8888 <"/tmp/$file" 2>/tmp/error || grep -q -E 'reset by peer|Broken pipe' /tmp/error || cat /tmp/error
done </tmp/list
"""
LISTEN = {
    # ncat shuts down its own direction at once: a client that takes that for the end would exit before the kernel has
    # sent all data, which is lost with the client's network namespace.
    "ncat": "exec ncat -l $1 --recv-only $2 >/tmp/$2.bytes",
    "nc": "exec nc.openbsd -l -d $1 $2 >/tmp/$2.bytes",
}
AWAIT_END = "while [ -d /proc/$(cat /tmp/$1.pid) ]; do sleep 0.02; done"
AWAIT_LISTENERS = "until [ $(ss -Hltn | grep -c ':9[0-9]* ') -ge $1 ]; do sleep 0.02; done"


@pytest.fixture
def lab(testbed_images: Images) -> Iterator[PeerLab]:
    client = docker.from_env()
    with peer_lab(client, testbed_images) as made:
        yield made
    assert not made.left()
    client.close()


def garbage() -> list[Vector]:
    """Return streams of other protocols, with their violations."""
    rng = random.Random(7)
    streams = {
        "http": b"GET / HTTP/1.1\r\nHost: server\r\n\r\n",
        "tls": bytes.fromhex("16030100a5010000a10303") + rng.randbytes(160),
        "ssh": b"SSH-2.0-OpenSSH_9.9\r\n",
        "line": b"hello\n",
        "ones": b"\xff" * 5000,
        "long": rng.randbytes(1_000_000),
        **{f"random-{size}": rng.randbytes(size) for size in (1, 3, 4, 5, 279, 280, 281, 5000)},
    }
    made = [Vector(name, stream=stream) for name, stream in streams.items()]
    for vector in made:
        result = decode(vector.decoder(), [vector.stream])
        assert result.error is not None
        assert not result.lists
        vector.kind, vector.position = result.end
    return made


def by_options() -> dict[tuple[str, ...], list[Vector]]:
    everything = sorted([*VECTORS, *garbage()], key=listed_options)
    return {options: list(vectors) for options, vectors in groupby(everything, key=listed_options)}


def check(options: tuple[str, ...], server: Peer, vectors: list[Vector], turns: int) -> None:
    """Stop the server and compare its errors with the vectors."""
    ended = server.stop()
    assert ended.status == 0, options
    assert ended.out.splitlines() == [line for vector in vectors for line in vector.out] * turns, options
    bad = [f"{vector.kind} {vector.position}" for vector in vectors if vector.kind != "ok"]
    assert [position for _, position in connection_errors(ended.err)] == bad * turns, options


@pytest.mark.parametrize("program", ["py", "c"])
def test_a_server_reads_the_streams_of_other_tools(lab: PeerLab, program: str, family: str) -> None:
    groups = by_options()
    names = {options: f"server{number}" for number, options in enumerate(groups)}
    with ThreadPoolExecutor(4) as pool:
        started = pool.map(lambda options: lab.server(program, family, *options, alias=names[options]), groups)
        tools = lab.tools()
        servers = dict(zip(groups, started, strict=True))
    every = [(names[options], vector) for options, vectors in groups.items() for vector in vectors]
    lines = "".join(f"{host} {vector.name}\n" for host, vector in every)
    tools.put({"list": lines.encode(), **{vector.name: vector.stream for _, vector in every}})
    for sender in SENDERS.values():
        assert tools.run(SEND_ALL, sender, FLAG[family]) == ""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda options: check(options, servers[options], groups[options], len(SENDERS)), groups))


@dataclass(frozen=True)
class Sent:
    """The list of a client and its chunk size."""

    nodes: int
    content_bytes: int
    repeat: int = 1
    chunk_bytes: int = 10_000

    @property
    def list_bytes(self) -> int:
        return 4 + self.nodes * (276 + self.content_bytes)

    @property
    def options(self) -> tuple[str, ...]:
        return (
            f"--nodes={self.nodes}",
            f"--content-bytes={self.content_bytes}",
            f"--repeat={self.repeat}",
            f"--chunk-bytes={self.chunk_bytes}",
        )


# Ratings exceed 16 bits at node 16384; chunks that are smaller than a field, and larger than a list.
SENT = (Sent(10, 1000), Sent(0, 0), Sent(3, 5, repeat=4, chunk_bytes=7), Sent(1, 3_000_000), Sent(33_000, 0))


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sent], bytes]:
    """Return a function that builds the clients' stream with a C compiler and a struct."""
    program = tmp_path_factory.mktemp("struct") / "struct_list"
    subprocess.run(["gcc", "-O1", "-Wall", "-Werror", "-o", program, STRUCT], check=True)

    def make(sent: Sent) -> bytes:
        arguments = map(str, (sent.nodes, sent.content_bytes, sent.repeat))
        return subprocess.run([program, *arguments], capture_output=True, check=True).stdout

    return make


def listen(tools: Peer, family: str, *listeners: str) -> list[int]:
    """Start listeners that store their input, each on its own port."""
    ports = list(range(9000, 9000 + len(listeners)))
    for port, listener in zip(ports, listeners, strict=True):
        tools.begin(f"echo $$ >/tmp/$2.pid; {LISTEN[listener]}", FLAG[family], str(port))
    tools.run(AWAIT_LISTENERS, str(len(listeners)))
    return ports


@pytest.mark.parametrize("program", ["py", "c"])
def test_a_listening_tool_stores_the_stream_of_a_client(
    lab: PeerLab, compiled: Callable[[Sent], bytes], program: str, family: str
) -> None:
    tools = lab.tools()
    ports = listen(tools, family, *(["ncat", "nc"] * len(SENT))[: len(SENT)])
    clients = [
        lab.client(program, family, "--host=tools", f"--port={port}", *sent.options)
        for port, sent in zip(ports, SENT, strict=True)
    ]
    for port, sent, client in zip(ports, SENT, clients, strict=True):
        ended = client.join()
        assert (ended.status, ended.err) == (0, "")
        first, *lines = [line for line in ended.out.splitlines() if "sent after" not in line]
        assert [first, *lines] == [
            f"Will connect to tools : {port}",
            f"Sending {sent.list_bytes} bytes!",
            "Data sent",
        ]
        expected = compiled(sent)
        assert len(expected) == sent.list_bytes * sent.repeat
        tools.run(AWAIT_END, str(port))
        stored = tools.file(f"/tmp/{port}.bytes")
        assert hashlib.sha256(stored).hexdigest() == hashlib.sha256(expected).hexdigest()
        assert stored == expected


def test_the_list_of_the_exercise_has_12764_bytes(compiled: Callable[[Sent], bytes]) -> None:
    assert len(compiled(Sent(10, 1000))) == 12_764


@pytest.mark.parametrize("program", ["py", "c"])
def test_a_client_stays_until_the_tool_has_read_everything(
    lab: PeerLab, compiled: Callable[[Sent], bytes], program: str, family: str
) -> None:
    sent = Sent(100, 1000)
    tools = lab.tools()
    (port,) = listen(tools, family, "ncat")
    tools.run("kill -STOP $(cat /tmp/9000.pid)")
    client = lab.client(program, family, "--host=tools", f"--port={port}", *sent.options)
    client.wait_for("Data sent\n", where="out")
    assert not client.ends_within(STAYS_S)
    tools.run("kill -CONT $(cat /tmp/9000.pid)")
    ended = client.join()
    assert (ended.status, ended.err) == (0, "")
    assert tools.file(f"/tmp/{port}.bytes") == compiled(sent)


@pytest.mark.parametrize("program", ["py", "c"])
def test_a_client_discards_what_the_tool_sends(
    lab: PeerLab, compiled: Callable[[Sent], bytes], program: str, family: str
) -> None:
    """The tool sends before, during and after its input, and closes after the end of input."""
    sent = Sent(100, 1000)
    tools = lab.tools()
    tools.begin(
        "{ head -c 300000 /dev/urandom; exec sleep 60; } | ncat $1 -l 9000 >/tmp/9000.bytes",
        FLAG[family],
    )
    tools.run(AWAIT_LISTENERS, "1")
    ended = lab.client(program, family, "--host=tools", "--port=9000", *sent.options).join()
    assert (ended.status, ended.err) == (0, "")
    assert tools.file("/tmp/9000.bytes") == compiled(sent)


@pytest.mark.parametrize("program", ["py", "c"])
def test_a_client_whose_tool_is_killed_reports_it(lab: PeerLab, program: str, family: str) -> None:
    tools = lab.tools()
    (port,) = listen(tools, family, "ncat")
    tools.run("kill -STOP $(cat /tmp/9000.pid)")
    client = lab.client(program, family, "--host=tools", f"--port={port}", "--nodes=100000")
    client.wait_for("Sending", where="out")
    tools.run("until ss -Htn | grep -q '^ESTAB *[1-9]'; do sleep 0.02; done; kill -KILL $(cat /tmp/9000.pid)")
    ended = client.join()
    assert ended.status == 1
    assert "Data sent" not in ended.out
    reason = "(Connection reset by peer|Broken pipe)"
    assert re.fullmatch(rf"client: send to tools port {port} over {family}: {reason}\n", ended.err)


# Sends a file and stays connected until a signal ends it.
SEND_AND_STAY = """
{ cat /tmp/$2; exec sleep 600; } | sh -c 'echo $$ >/tmp/$2.pid; exec ncat $1 server 8888' sh "$1" "$2"
"""
AWAIT_ACKED = 'until ss -Htni dport = :8888 | grep -q "bytes_acked:$(($1 + 1)) "; do sleep 0.02; done'


@pytest.mark.parametrize("program", ["py", "c"])
def test_a_tool_that_never_ends_its_stream_and_vanishes(
    lab: PeerLab, compiled: Callable[[Sent], bytes], program: str, family: str
) -> None:
    stream_bytes = compiled(Sent(1, 5))
    cut = {"killed": stream_bytes[:100], "unplugged": stream_bytes[:282]}
    server = lab.server(program, family)
    tools = lab.tools()
    tools.put({"whole": stream_bytes, **cut})
    tools.begin(SEND_AND_STAY, FLAG[family], "whole")
    server.wait_for("List of 1 nodes, 285 bytes, sha256", where="out")
    for name, stream in cut.items():
        tools.begin(SEND_AND_STAY, FLAG[family], name)
        tools.run(AWAIT_ACKED, str(len(stream)))
    assert "Ending connection" not in server.out
    assert server.err.count("\n") == 1
    tools.run("kill -KILL $(cat /tmp/whole.pid)")  # its kernel ends the stream
    server.wait_for("Ending connection\n", where="out")
    tools.run("kill -KILL $(cat /tmp/killed.pid)")
    server.wait_for("early-end at byte 100, list 0, node 0, field title: ")
    lab.bed.network.disconnect(tools.container, force=True)
    ended = server.stop()
    assert ended.status == 0
    assert ended.out.splitlines()[2:] == ["Ending connection"]
    assert [position for _, position in connection_errors(ended.err)] == [
        "early-end at byte 100, list 0, node 0, field title",
        "stopped at byte 282, list 0, node 0, field content",
    ]
    for number, stream in ((1, stream_bytes), (2, cut["killed"]), (3, cut["unplugged"])):
        path = EVENTS if number == 1 else f"{EVENTS}.{number}"
        events = parse_events(server.file(path).decode())
        assert (events[0][0], events[-1][0], events[-1][-1]) == ("accept", "close", len(stream))
