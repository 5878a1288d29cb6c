"""The control socket: `python3 -m netem change TEXT` talks to the running supervisor through it.

One connection, one JSON line each way.
"""

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from netem.contract.errors import SidecarError, from_os_error
from netem.sidecar.ports import Handler
from netem.system.reactor import Reactor

RUN_FOLDER = Path("/run/netem")
CONTROL_SOCKET = RUN_FOLDER / "control"
READY_FILE = RUN_FOLDER / "ready"
_MAX_LINE_BYTES = 65_536
_TIMEOUT_S = 10.0


class ControlServer:
    """Answer requests with `handle`; a SidecarError becomes the answer."""

    def __init__(self, reactor: Reactor, path: Path, handle: Handler) -> None:
        """Listen. Raises SidecarError."""
        self._reactor = reactor
        self._path = path
        self._handle = handle
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            self._socket.bind(str(path))
            self._socket.listen(4)
        except OSError as error:
            self._socket.close()
            raise from_os_error(f"listen on {path}", error, "mount a tmpfs on /run") from error
        reactor.add_reader(self._socket.fileno(), self._accept)

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._reactor.remove_reader(self._socket.fileno())
        self._socket.close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            # The client writes its line at once; one that does not must not block the supervisor.
            connection.settimeout(0.2)
            connection.sendall(json.dumps(self._answer(connection.recv(_MAX_LINE_BYTES))).encode() + b"\n")

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            return self._handle(dict(json.loads(line)))
        except SidecarError as error:
            return {"error": error.facts()}
        except (ValueError, TypeError) as error:
            return {"error": {"attempt": "read the request", "message": str(error), "hint": ""}}


def send_request(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Send one request to the supervisor and return its answer. Raises SidecarError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT_S)
        try:
            connection.connect(os.fspath(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as file:
                line = file.readline(_MAX_LINE_BYTES)
        except OSError as error:
            raise from_os_error("contact the sidecar", error, "run this inside a running sidecar") from error
    if not line:
        raise SidecarError("contact the sidecar", "it closed the connection without an answer")
    answer: dict[str, Any] = json.loads(line)
    return answer
