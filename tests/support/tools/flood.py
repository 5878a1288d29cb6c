"""Peers that never stop, from many threads at once; standard library only, run in a container.

Arguments: host, port, family, mode, number of threads. Modes: `churn` connects and closes, `lists` sends lists without
nodes, `bytes` sends a list byte by byte, `long` sends a list of 3000 nodes and stays. Prints a line
when every thread is running.
"""

import contextlib
import socket
import sys
import threading
from collections.abc import Callable

FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
HOST, PORT, FAMILY = sys.argv[1], int(sys.argv[2]), FAMILIES[sys.argv[3]]
ADDRESS = socket.getaddrinfo(HOST, PORT, FAMILY, socket.SOCK_STREAM)[0][4]
COUNT = int(sys.argv[5])
LISTS = bytes(1 << 16)
running = threading.Semaphore(0)


def connect() -> socket.socket:
    sock = socket.socket(FAMILY, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.connect(ADDRESS)
    return sock


def churn() -> None:
    for turn in range(1_000_000):
        connect().close()
        if turn == 20:
            running.release()


def lists() -> None:
    sock = connect()
    sock.sendall(LISTS)
    running.release()
    while True:
        sock.sendall(LISTS)


def single_bytes() -> None:
    sock = connect()
    sock.sendall((100_000).to_bytes(4, "little"))
    running.release()
    while True:
        sock.send(b"\0")


def long() -> None:
    sock = connect()
    nodes = [
        number.to_bytes(4, "little") + (number + 1 if number < 2999 else 0xFFFFFFFF).to_bytes(4, "little") + bytes(268)
        for number in range(3000)
    ]
    sock.sendall((3000).to_bytes(4, "little") + b"".join(nodes))
    running.release()
    sock.recv(1)


def forever(mode: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        mode()


def main() -> None:
    mode = {"churn": churn, "lists": lists, "bytes": single_bytes, "long": long}[sys.argv[4]]
    for _ in range(COUNT):
        threading.Thread(target=forever, args=(mode,), daemon=True).start()
    for _ in range(COUNT):
        running.acquire()
    sys.stdout.write("all are running\n")
    sys.stdout.flush()
    threading.Event().wait(600)


if __name__ == "__main__":
    main()
