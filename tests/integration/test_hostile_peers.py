"""Attack both servers over both families during honest transfers: one line for each bad peer, and nothing else."""

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest

from testbed.stack.images import Images
from testbed.wire import list_blocks
from tests.support.peer_lab import EVENTS, FLAG, Ended, Peer, PeerLab, connection_errors, peer_lab
from tests.support.sidecar import START_S
from tests.support.waiting import wait_until
from tests.support.wire_programs import parse_events
from tests.support.wire_vectors import VECTORS, decode, parse

pytestmark = pytest.mark.docker
STOPS_WITHIN_S = 5.0
"""The contract is a second, which benchmarks/bench_peers.py measures; a loaded machine takes its time as well."""

TOOLS = Path(__file__).resolve().parents[1] / "support" / "tools"
FLOOD = TOOLS / "flood.py"
OTHER = {"py": "c", "c": "py"}
LOGS = 16
STUCK = 500
PEERS = 50
CHURN = 2000
ROOM = "--max-connections=4000"
"""Enough for all of them at once: the thread of a closed connection may still exist when the next one starts."""
HONEST = ("--host=server", "--nodes=50", "--content-bytes=1000", "--chunk-bytes=4000")
HONEST_LOOP = 'until [ -e /tmp/stop ]; do "$PROGRAM" "$@" || exit 1; done'
HOSTILE = 'exec python3 /tmp/hostile.py server 8888 "$1" /tmp'
HONEST_STREAM = b"".join(list_blocks(50, 1000))
# Pipes that stay open and are never read.
UNREAD = """
mkfifo /tmp/out /tmp/err; exec 3<>/tmp/out 4<>/tmp/err
exec "$PROGRAM" "$@" >/tmp/out 2>/tmp/err
"""
# Connects and continues until the errors fill the pipe, and no connection is closed any more.
FILL_STDERR = """exec python3 -c '
import socket, sys
for _ in range(3000):
    with socket.create_connection((sys.argv[1], 8888), timeout=2) as peer:
        peer.sendall(b"!")
        peer.shutdown(socket.SHUT_WR)
        try:
            peer.recv(1)
        except ConnectionResetError:
            continue
        except TimeoutError:
            break
print("no answer")
' "$@"
"""
# Established connections to port 22B8 that a process has accepted: until then a socket has no inode.
ACCEPTED = """cat /proc/net/tcp /proc/net/tcp6 | awk '$2 ~ /:22B8$/ && $4 == "01" && $10 != 0' | wc -l"""
SLOW_STREAM = b"".join(list_blocks(20, 500))
SHORT = b"".join(list_blocks(2, 3))
MEMORY_BYTES = 200 * 2**20
"""The worst list takes 60 MB, the first sixteen event logs 32 MB, a thread 0.1 MB."""


@pytest.fixture
def lab(testbed_images: Images) -> Iterator[PeerLab]:
    client = docker.from_env()
    with peer_lab(client, testbed_images) as made:
        yield made
    assert not made.left()
    client.close()


def block(stream: bytes, nodes: int, content_bytes: int) -> str:
    """Return what a server prints of a client's list."""
    lines = [
        f'Node: {i}, rating: {2 * i}, price: {3 * i}, title: "Book by {i}", content length: {content_bytes}'
        for i in range(nodes)
    ]
    digest = hashlib.sha256(stream).hexdigest()
    return "\n".join([*lines, f"List of {nodes} nodes, {len(stream)} bytes, sha256 {digest}"])


def blocks(out: str) -> tuple[Counter[str], int]:
    """Return the lists in a server's output, and how many connections ended regularly."""
    found: Counter[str] = Counter()
    lines: list[str] = []
    ends = 0
    for line in out.splitlines():
        if line == "Ending connection":
            assert not lines, "within a list"
            ends += 1
            continue
        lines.append(line)
        if line.startswith("List of "):
            found["\n".join(lines)] += 1
            lines = []
    assert not lines, "an incomplete list"
    return found, ends


@dataclass
class Plan:
    """Hold the attacks by name, the expected error of each, and its expected output."""

    attacks: list[dict[str, object]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    costs: dict[str, str] = field(default_factory=dict)
    prints: Counter[str] = field(default_factory=Counter)
    ends: int = 0
    stuck: list[str] = field(default_factory=list)

    def add(self, name: str, stream: bytes, end: str = "await", piece: int = 0, out: Sequence[str] = ()) -> None:
        """Add an attack; the expected error follows from its bytes and its end, `out` is the expected output."""
        lists, ends = blocks("\n".join(out))
        self.prints += lists
        self.ends += ends
        self.files[name] = stream
        self.attacks.append({"name": name, "file": name, "piece": piece, "end": end})
        decoder = parse(name, "").decoder()
        result = decode(decoder, [stream])
        if end == "reset":
            self.costs[name] = "reset"
        elif result.error is not None:
            self.costs[name] = f"{result.error.kind} {result.error.position}"
        assert (end == "await") == (result.error is not None and result.error.kind != "early-end"), name

    def stick(self, name: str, stream: bytes, count: int) -> None:
        """Add connections that send this and then nothing, until the server is stopped."""
        decoder = parse(name, "").decoder()
        list(decoder.feed(stream))
        self.files[name] = stream
        self.costs[name] = f"stopped {decoder.position}"
        self.stuck += [name] * count

    def document(self) -> dict[str, bytes]:
        self.files["slow_peer"] = SLOW_STREAM
        plan = {"slow_peer": "slow_peer", "attacks": self.attacks, "stuck": self.stuck, "churn": CHURN}
        return {"hostile.py": (TOOLS / "hostile.py").read_bytes(), "plan.json": json.dumps(plan).encode(), **self.files}


def many_tiny_nodes() -> bytes:
    """Return the default maximum of nodes in one circle, which only the last node reveals."""
    stream = bytearray(b"".join(list_blocks(100_000, 0)))
    stream[-276 + 4 : -276 + 8] = bytes(4)
    return bytes(stream)


@pytest.fixture(scope="session")
def one_family(request: pytest.FixtureRequest) -> str:
    """Provide one family for tests that do not depend on it."""
    chosen = str(request.config.getoption("--family"))
    return "ipv6" if chosen == "both" else chosen


@pytest.fixture(scope="session")
def plan() -> Plan:
    made = Plan()
    rng = random.Random(3)
    for vector in (vector for vector in VECTORS if vector.lists == 1 and not vector.caps):
        end = "half-close" if vector.kind in ("ok", "early-end") else "await"
        made.add(vector.name, vector.stream, end, out=vector.out)
        if len(vector.stream) < 600:
            made.add(f"{vector.name}-by-bytes", vector.stream, end, piece=1, out=vector.out)
    for size in range(len(SHORT)):
        made.add(f"cut-{size}", SHORT[:size], "half-close")
        if size % 10 == 0:
            made.add(f"closed-{size}", SHORT[:size], "close")
            made.add(f"reset-{size}", SHORT[:size], "reset")
    made.add("urgent", b"\1\0\0", "urgent")
    for size in (4, 5, 279, 281, 5000, 1_000_000):
        stream = rng.randbytes(size)
        early = decode(parse("", "").decoder(), [stream]).end[0] == "early-end"
        made.add(f"random-{size}", stream, "half-close" if early else "await")
    made.add("tiny-nodes", many_tiny_nodes())
    made.costs["churn-close"] = "early-end at byte 0, list 0, field count"
    made.costs["churn-reset"] = "reset"
    announced = (100_000).to_bytes(4, "little")
    made.stick("stuck-at-nothing", b"", STUCK // 4)
    made.stick("stuck-at-count", announced, STUCK // 4)
    made.stick("stuck-at-record", announced + SHORT[4:200], STUCK // 4)
    huge = announced + SHORT[4:276] + (16 << 20).to_bytes(4, "little") + b"a"
    made.stick("stuck-at-content", huge, STUCK // 4)
    return made


def read_report(peer: Peer, key: str) -> dict[str, Any]:
    """Wait for the document with this key among the hostile program's lines."""
    found: dict[str, Any] = json.loads(peer.wait_for(rf'(?m)^\{{"{key}": .*\}}$', where="out")[0])
    return found


def logs_of(server: Peer, count: int) -> list[list[tuple[str, int, int, int, int]]]:
    """Return the events of the first connections; each log must be complete, from accept to close."""
    logs = []
    for number in range(1, count + 1):
        events = parse_events(server.file(EVENTS if number == 1 else f"{EVENTS}.{number}").decode())
        assert (events[0][0], events[-1][0]) == ("accept", "close")
        logs.append(events)
    return logs


def check_errors(ended: Ended, plan: Plan, peers: list[tuple[str, int]]) -> None:
    """Each bad peer has exactly one line, with its violation."""
    found = connection_errors(ended.err)
    observed = Counter((port, "reset" if position.startswith("reset at ") else position) for port, position in found)
    assert observed == Counter((port, plan.costs[name]) for name, port in peers if name in plan.costs)


@pytest.mark.parametrize("program", ["py", "c"])
def test_an_honest_transfer_completes_during_attacks(lab: PeerLab, plan: Plan, program: str, family: str) -> None:
    memory = {"mem_limit": 2 * MEMORY_BYTES, "memswap_limit": 2 * MEMORY_BYTES}
    server = lab.server(program, family, ROOM, **memory)
    tools = lab.tools(family, script=HOSTILE, files=plan.document())
    read_report(tools, "slow_peer")
    honest = lab.client(OTHER[program], family, *HONEST, script=HONEST_LOOP)
    honest.wait_for("Data sent\n", where="out")
    tools.run("touch /tmp/go")
    peers = read_report(tools, "peers")
    honest.run("touch /tmp/stop")
    client = honest.join()
    assert (client.status, client.err) == (0, "")
    assert server.memory_peak_bytes() < MEMORY_BYTES
    ended = server.stop()
    assert ended.status == 0
    assert ended.seconds_to_stop < STOPS_WITHIN_S
    transfers = client.out.count("Data sent\n")
    printed, ends = blocks(ended.out)
    lists = {block(HONEST_STREAM, 50, 1000): transfers, block(SLOW_STREAM, 20, 500): 1}
    assert printed == plan.prints + Counter(lists)
    assert ends == plan.ends + transfers + 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", ended.out + ended.err)
    check_errors(ended, plan, [*peers["peers"], *peers["stuck"]])
    assert logs_of(server, LOGS)[0][-1][-1] == len(SLOW_STREAM)


def flood(lab: PeerLab, family: str, mode: str, threads: int) -> Peer:
    """Start peers that never stop; return when all are running."""
    script = 'exec python3 /tmp/flood.py server 8888 "$@"'
    tools = lab.tools(family, mode, str(threads), script=script, files={"flood.py": FLOOD.read_bytes()})
    tools.wait_for("all are running\n", where="out")
    return tools


def await_accepted(server: Peer, connected: int) -> None:
    """Wait until a server has accepted all of its connections, and as many as have logs: peers connect without it."""
    wait_until(lambda: int(server.run(ACCEPTED)) >= connected, START_S)
    wait_until(lambda: server.run(f"ls {EVENTS}.{LOGS} 2>/dev/null || true"), START_S)


@pytest.mark.parametrize("program", ["py", "c"])
@pytest.mark.parametrize("mode", ["churn", "lists", "bytes"])
def test_a_server_stops_under_attack(lab: PeerLab, mode: str, program: str, one_family: str) -> None:
    server = lab.server(program, one_family, "--repeat=0", "--print=none", "--verbose=0")
    flood(lab, one_family, mode, 4 if mode == "churn" else PEERS)
    await_accepted(server, 0 if mode == "churn" else PEERS)
    ended = server.stop()
    assert (ended.status, ended.seconds_to_stop < STOPS_WITHIN_S) == (0, True)
    positions = [position for _, position in connection_errors(ended.err)]
    assert [position for position in positions if not position.startswith("stopped at byte ")] == []
    assert mode == "churn" or len(positions) == PEERS
    logs_of(server, LOGS)


@pytest.mark.parametrize("program", ["py", "c"])
def test_a_server_stops_when_its_outputs_are_not_read(lab: PeerLab, program: str, one_family: str) -> None:
    """Block some connections at standard output, others and the accepting thread at standard error."""
    server = lab.server(program, one_family, "--max-connections=50", script=UNREAD)
    flood(lab, one_family, "long", 2)
    peers = lab.start(lab.program("client", "py"), "peers", "server", script=FILL_STDERR, files={})
    peers.wait_for("no answer", where="out")
    ended = server.stop()
    assert (ended.status, ended.seconds_to_stop < STOPS_WITHIN_S) == (0, True)
    for events in logs_of(server, 2):
        assert events[-1][-1] == 4 + 3000 * 276


@pytest.mark.parametrize("program", ["py", "c"])
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_nothing_is_printed_into_sockets_and_logs(lab: PeerLab, closed: str, program: str, one_family: str) -> None:
    """If a standard descriptor is closed, the next opened descriptor would get its number."""
    server = lab.server(program, one_family, script=f'exec "$PROGRAM" "$@" {closed}')
    tools = lab.tools(files={"list": SHORT})
    assert tools.run("ncat $1 server 8888 </tmp/list", FLAG[one_family]) == ""
    ended = server.join()
    assert (ended.status, ended.out) == (1, "")
    if "2>" not in closed:
        assert ended.err.endswith("\nserver: write to standard output: Bad file descriptor\n")
    assert logs_of(server, 1)[0][-1][-1] == len(SHORT)


@pytest.mark.parametrize("program", ["py", "c"])
def test_an_unwritable_log_costs_one_line(lab: PeerLab, program: str, one_family: str) -> None:
    """Give the disk less space than one log needs."""
    server = lab.server(program, one_family, "--read-bytes=20", tmpfs={"/testbed": "size=16k,uid=65532"})
    for number in range(2):
        honest = lab.client(OTHER[program], one_family, *HONEST, alias=f"client{number}").join()
        assert (honest.status, honest.err) == (0, "")
    ended = server.stop()
    assert ended.status == 0
    assert blocks(ended.out) == ({block(HONEST_STREAM, 50, 1000): 2}, 2)
    _, first, second = ended.err.splitlines()
    assert re.fullmatch("server: write event log .*: No space left on device", first)
    assert second == f"server: create event log {EVENTS}.2: No space left on device"


@pytest.mark.parametrize("program", ["py", "c"])
def test_threads_that_cannot_start_cost_a_line_each(lab: PeerLab, program: str, one_family: str) -> None:
    server = lab.server(program, one_family, pids_limit=20)
    tools = flood(lab, one_family, "bytes", 40)
    server.wait_for("(?s)(refused, .*){20}")
    tools.container.kill("SIGKILL")
    server.wait_for("(?s)((reset|early-end) at .*){10}")
    honest = lab.client(OTHER[program], one_family, *HONEST).join()
    assert (honest.status, honest.err) == (0, "")
    ended = server.stop()
    assert ended.status == 0
    assert blocks(ended.out) == ({block(HONEST_STREAM, 50, 1000): 1}, 1)
    assert len(ended.err.splitlines()) == 41
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("program", ["py", "c"])
def test_a_list_that_exceeds_memory_costs_one_line(lab: PeerLab, program: str, one_family: str) -> None:
    caps = ("--content=keep", "--max-content-bytes=4000000000", "--max-total-bytes=8000000000")
    server = lab.server(program, one_family, *caps, script='ulimit -v 200000; exec "$PROGRAM" "$@"')
    head = (1).to_bytes(4, "little") + SHORT[4:276] + (3_000_000_000).to_bytes(4, "little")
    tools = lab.tools(files={"head": head})
    tools.run("{ cat /tmp/head; head -c 500000000 /dev/zero; } | ncat $1 server 8888 2>&1 || true", FLAG[one_family])
    honest = lab.client(OTHER[program], one_family, *HONEST).join()
    assert (honest.status, honest.err) == (0, "")
    ended = server.stop()
    assert ended.status == 0
    assert blocks(ended.out) == ({block(HONEST_STREAM, 50, 1000): 1}, 1)
    ((_, position),) = connection_errors(ended.err)
    assert re.fullmatch(r"no-memory at byte \d+, list 0, node 0, field content", position)
