"""One end of many short transfers, one after another on port 8888: `cells.py client|server` and a list in JSON.

Both ends have the same list: objects with the family, and how that transfer writes and reads. The two families run side
by side. The server creates a new socket for each, because a buffer must be set before it listens.
"""

import json
import socket
import sys
import threading
import time

PORT = 8888
AT_ONCE_S = 30.0


def serve(cells: list) -> None:
    for cell in cells:
        six = cell["family"] == 6
        with socket.socket(socket.AF_INET6 if six else socket.AF_INET) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if six:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if cell.get("rcvbuf"):
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, cell["rcvbuf"])
            listener.bind(("", PORT))
            listener.listen()
            connection, _ = listener.accept()
        with connection:
            time.sleep(cell.get("pause_s", 0))
            while connection.recv(cell.get("read", 65536)):
                time.sleep(cell.get("delay_s", 0))


def send(cells: list) -> None:
    for cell in cells:
        with connect(socket.AF_INET6 if cell["family"] == 6 else socket.AF_INET) as sender:
            if cell.get("sndbuf"):
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, cell["sndbuf"])
            if cell.get("nodelay"):
                sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            chunk = b"a" * cell["chunk"]
            for _ in range(cell["bytes"] // cell["chunk"]):
                sender.sendall(chunk)
            sender.shutdown(socket.SHUT_WR)
            sender.recv(1)


def connect(family: int) -> socket.socket:
    """The server's next socket may not listen yet."""
    until = time.monotonic() + AT_ONCE_S
    while True:
        made = socket.socket(family)
        try:
            made.connect(("server", PORT))
        except OSError:
            made.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.005)
        else:
            return made


def main(role: str, cells: list) -> None:
    families = [[cell for cell in cells if cell["family"] == family] for family in (4, 6)]
    threads = [threading.Thread(target={"server": serve, "client": send}[role], args=(part,)) for part in families]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


main(sys.argv[1], json.loads(sys.argv[2]))
