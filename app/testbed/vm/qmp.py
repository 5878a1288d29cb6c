"""The commands of the QEMU Machine Protocol that guests need: save a state, restore it, query the stop reason.

Events are ignored: qemu sends none before the first command, which may come late.
"""

import json
import shlex
import socket
import time
from collections.abc import Callable
from operator import not_
from pathlib import Path
from typing import Any, Final

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_exponential

from testbed.vm.errors import GuestError

_REPLY_S: Final = 10.0
_FIRST_PAUSE_S: Final = 0.01
_MAX_PAUSE_S: Final = 0.05
"""A restore takes 0.3 s when the host is idle, so a longer pause would be noticeable."""


class Qmp:
    """Hold the control connection to one qemu."""

    def __init__(self, sock: socket.socket, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sock = sock
        self._sleep = sleep
        self._buffer = b""
        self._greeted = False

    def _receive(self, deadline_s: float) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            self._sock.settimeout(max(0.01, deadline_s - time.monotonic()))
            data = self._sock.recv(1 << 16)
            if not data:
                raise ConnectionError("qemu closed the connection")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        reply = json.loads(line)
        return reply if isinstance(reply, dict) else {}

    def execute(self, name: str, /, **arguments: object) -> dict[str, Any]:
        """Execute one command and return its reply; raises GuestError."""
        if not self._greeted and name != "qmp_capabilities":
            self._greeted = True
            self.execute("qmp_capabilities")
        deadline_s = time.monotonic() + _REPLY_S
        try:
            self._sock.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
            while True:
                reply = self._receive(deadline_s)
                if "error" in reply:
                    raise GuestError(f"execute {name} in qemu", str(reply["error"].get("desc")))
                if "return" in reply:
                    return dict(reply["return"])
        except OSError as error:
            raise GuestError(f"execute {name} in qemu", str(error) or type(error).__name__) from error

    def _wait_until(self, is_over: Callable[[], bool], what: str, timeout_s: float) -> None:
        retrying = Retrying(
            stop=stop_after_delay(timeout_s),
            wait=wait_exponential(_FIRST_PAUSE_S, max=_MAX_PAUSE_S),
            retry=retry_if_result(not_),
            sleep=self._sleep,
        )
        try:
            retrying(is_over)
        except RetryError as error:
            raise GuestError(what, f"not done after {timeout_s:g} s") from error

    def _migrated(self) -> bool:
        reply = self.execute("query-migrate")
        if reply.get("status") in ("failed", "cancelled"):
            raise GuestError("migrate a guest's state", reply.get("error-desc", "qemu reports no reason"))
        return bool(reply.get("status") == "completed")

    def store(self, path: Path, timeout_s: float) -> None:
        """Stop the machine and write its state to `path`."""
        self.execute("stop")
        self.execute("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.execute("migrate", uri=f"exec:cat > {shlex.quote(str(path))}")
        self._wait_until(self._migrated, "save a guest's state", timeout_s)

    def resume(self, path: Path, timeout_s: float) -> None:
        """Load a saved state into a machine that was started for it, and run it."""
        self.execute("migrate-incoming", uri=f"exec:cat {shlex.quote(str(path))}")
        self._wait_until(self._migrated, "restore a guest's state", timeout_s)
        self.execute("cont")

    def stop_reason(self) -> str:
        """Return why the machine is stopped, or nothing; never raises."""
        try:
            status = self.execute("query-status").get("status", "")
        except GuestError:
            return ""
        if status == "io-error":  # the machine is configured to stop on no other disk error
            return "the host's disk is full"
        return "" if status == "running" else f"qemu reports {status}"
