"""Connect this terminal to a guest's second serial line."""

import os
import select
import socket
import sys
import termios
import tty
from typing import Final

EXIT_KEY: Final = b"\x1d"  # Ctrl-], as in telnet


def bridge(line: socket.socket, in_fd: int, out_fd: int) -> None:
    """Relay bytes in both directions until Ctrl-] is typed or either side closes."""
    while True:
        readable, _, _ = select.select([in_fd, line.fileno()], [], [])
        if line.fileno() in readable:
            data = line.recv(4096)
            if not data:
                return
            os.write(out_fd, data)
        if in_fd in readable:
            data = os.read(in_fd, 4096)
            line.sendall(data.partition(EXIT_KEY)[0])
            if not data or EXIT_KEY in data:
                return


def attach(line: socket.socket) -> None:
    """Send every key of this terminal to the guest, except Ctrl-]."""
    in_fd, out_fd = sys.stdin.fileno(), sys.stdout.fileno()
    before = termios.tcgetattr(in_fd)
    size = os.get_terminal_size(out_fd)
    tty.setraw(in_fd)
    try:
        line.sendall(f" stty rows {size.lines} cols {size.columns}; clear\n".encode())
        bridge(line, in_fd, out_fd)
    finally:
        termios.tcsetattr(in_fd, termios.TCSADRAIN, before)
