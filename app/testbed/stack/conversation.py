"""Both directions of an attached container over one connection, in the engine's frames.

A frame is a header of 8 bytes (the stream, then the length) and the data; input has no frames.
"""

import socket
import struct
import threading
from collections.abc import Callable
from typing import Any, Final

from testbed.stack.docker_errors import docker_attempt, lost_connection
from testbed.stack.ports import Conversation, Exit, Stream

_HEADER: Final = struct.Struct(">BxxxL")
_STREAMS: Final[dict[int, Stream]] = {1: "stdout", 2: "stderr"}
_BLOCK_BYTES: Final = 1 << 16


class Frames:
    """Split what arrives into the data of both streams."""

    def __init__(self) -> None:
        self._buffered = bytearray()

    def feed(self, data: bytes) -> list[tuple[Stream, bytes]]:
        """Return the frames that are complete."""
        self._buffered += data
        found: list[tuple[Stream, bytes]] = []
        while len(self._buffered) >= _HEADER.size:
            number, length = _HEADER.unpack_from(self._buffered)
            end = _HEADER.size + length
            if len(self._buffered) < end:
                break
            if number in _STREAMS:
                found.append((_STREAMS[number], bytes(self._buffered[_HEADER.size : end])))
            del self._buffered[:end]
        return found


def conversation(
    name: str,
    stream: Any,  # noqa: ANN401 - docker-py returns a socket, or a file around one
    output: Callable[[Stream, bytes], None],
    read_exit: Callable[[], Exit],
) -> Conversation:
    """Return the conversation over an upgraded connection; `read_exit` returns how the container has exited."""
    connection: socket.socket = getattr(stream, "_sock", stream)
    connection.settimeout(None)
    sending = threading.Lock()

    def follow() -> Exit:
        frames = Frames()
        try:
            with docker_attempt(f"follow {name}"):
                while data := connection.recv(_BLOCK_BYTES):
                    for each in frames.feed(data):
                        output(*each)
        finally:
            # docker-py keeps the HTTP response in the file; each of the three holds the descriptor.
            for opened in (getattr(stream, "_response", None), stream, connection):
                if opened is not None:
                    opened.close()
        return read_exit()

    def send(data: bytes) -> None:
        what = f"write to {name}"
        with sending, docker_attempt(what), lost_connection(what):
            connection.sendall(data)

    def close() -> None:
        # `close` alone would not wake the thread that reads.
        with docker_attempt(f"end the input of {name}"):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    return Conversation(follow, send, close)
