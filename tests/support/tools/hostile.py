"""Bad peers for a server, and one honest, slow peer; standard library only, run in a container.

Arguments: host, port, family, and the folder with `plan.json`. Each attack of the plan names a file, the size of the
pieces to send it in, and how it ends. Prints one JSON document a line: the slow peer's port, then (when the file
`go` is there) the port of each bad peer by the name of its attack. Stuck connections stay until this is killed.
"""

import contextlib
import json
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHURN_WAVE = 500
"""Fewer than wait in a server's queue: one that does not fit there may never be accepted."""
RESET = struct.pack("ii", 1, 0)
FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
HOST, PORT, FAMILY = sys.argv[1], int(sys.argv[2]), FAMILIES[sys.argv[3]]
FOLDER = Path(sys.argv[4])
ADDRESS = socket.getaddrinfo(HOST, PORT, FAMILY, socket.SOCK_STREAM)[0][4]


def connect() -> socket.socket:
    sock = socket.socket(FAMILY, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(30)
    sock.connect(ADDRESS)
    return sock


def port_of(sock: socket.socket) -> int:
    port: int = sock.getsockname()[1]
    return port


def await_close(sock: socket.socket) -> None:
    """Wait for the end of the stream or a reset; fail on anything else."""
    with contextlib.suppress(ConnectionResetError):
        received = sock.recv(1)
        assert not received, "a server sends nothing"


def end(sock: socket.socket, how: str) -> None:
    if how == "half-close":
        with contextlib.suppress(OSError):  # it may be closed already
            sock.shutdown(socket.SHUT_WR)
    if how == "urgent":
        sock.send(b"!", socket.MSG_OOB)
        sock.shutdown(socket.SHUT_WR)
    if how in ("half-close", "await", "urgent"):
        await_close(sock)
    if how == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


def attack(stream: bytes, piece: int, how: str) -> int:
    """Run one attack; return the peer's port."""
    sock = connect()
    port = port_of(sock)
    piece = piece or len(stream) or 1
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        for at in range(0, len(stream), piece):
            sock.sendall(stream[at : at + piece])
    end(sock, how)
    return port


def churn(count: int) -> Iterator[tuple[str, int]]:
    """Connect and close at once, every second time with a reset."""
    for number in range(count):
        name = ("close", "reset")[number % 2]
        yield f"churn-{name}", attack(b"", 0, name)
        if number % CHURN_WAVE == CHURN_WAVE - 1:
            yield "churn-close", attack(b"", 0, "half-close")


class SlowPeer:
    """An honest peer that sends a few bytes now and then, and the rest at the end."""

    def __init__(self, stream: bytes, turns: int) -> None:
        self._sock = connect()
        self._rest = memoryview(stream)
        self._step = max(1, len(stream) // (turns + 1))

    def send(self) -> None:
        self._sock.sendall(self._rest[: self._step])
        self._rest = self._rest[self._step :]

    def finish(self) -> None:
        self._sock.sendall(self._rest)
        end(self._sock, "half-close")

    @property
    def port(self) -> int:
        return port_of(self._sock)


def report(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def stick(streams: list[str]) -> list[tuple[socket.socket, str]]:
    held = []
    for name in streams:
        sock = connect()
        sock.sendall((FOLDER / name).read_bytes())
        held.append((sock, name))
    return held


def main() -> None:
    plan = json.loads((FOLDER / "plan.json").read_text())
    slow_peer = SlowPeer((FOLDER / plan["slow_peer"]).read_bytes(), len(plan["attacks"]))
    report(slow_peer=slow_peer.port)
    while not (FOLDER / "go").exists():
        time.sleep(0.01)
    stuck = stick(plan["stuck"])
    peers = []
    for one in plan["attacks"]:
        peers.append((one["name"], attack((FOLDER / one["file"]).read_bytes(), one["piece"], one["end"])))
        slow_peer.send()
    peers += churn(plan["churn"])
    slow_peer.finish()
    report(peers=peers, stuck=[(name, port_of(sock)) for sock, name in stuck])
    time.sleep(600)


if __name__ == "__main__":
    main()
