"""The few words of qemu's machine protocol that are needed: store a state, resume it, tell why it stopped.

Events are passed over: qemu tells none of those that come before the first command, which may come late.
"""

import json
import shlex
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from testbed.vm.errors import GuestError

_ANSWER_S: Final = 10.0


class Qmp:
    """Hold the control connection to one qemu."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = b""
        self._greeted = False

    def _receive(self, deadline_s: float) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            self._sock.settimeout(max(0.01, deadline_s - time.monotonic()))
            data = self._sock.recv(1 << 16)
            if not data:
                raise ConnectionError("qemu has gone")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer = json.loads(line)
        return answer if isinstance(answer, dict) else {}

    def execute(self, name: str, /, **arguments: object) -> dict[str, Any]:
        """Carry out one command and return its answer; raises GuestError."""
        if not self._greeted and name != "qmp_capabilities":
            self._greeted = True
            self.execute("qmp_capabilities")
        deadline_s = time.monotonic() + _ANSWER_S
        try:
            self._sock.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
            while True:
                answer = self._receive(deadline_s)
                if "error" in answer:
                    raise GuestError(f"ask qemu to {name}", str(answer["error"].get("desc")))
                if "return" in answer:
                    return dict(answer["return"])
        except OSError as error:
            raise GuestError(f"ask qemu to {name}", str(error) or type(error).__name__) from error

    def _wait(self, is_over: Callable[[], bool], what: str, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not is_over():
            if time.monotonic() > deadline_s:
                raise GuestError(what, f"not done after {timeout_s:g} s")
            time.sleep(0.05)

    def _migrated(self) -> bool:
        answer = self.execute("query-migrate")
        if answer.get("status") in ("failed", "cancelled"):
            raise GuestError("move a guest's state", answer.get("error-desc", "qemu does not say why"))
        return bool(answer.get("status") == "completed")

    def store(self, path: Path, timeout_s: float) -> None:
        """Stop the machine and write its state to `path`."""
        self.execute("stop")
        self.execute("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.execute("migrate", uri=f"exec:cat > {shlex.quote(str(path))}")
        self._wait(self._migrated, "store a guest's state", timeout_s)

    def resume(self, path: Path, timeout_s: float) -> None:
        """Read a stored state into a machine that was started for it, and let it run."""
        self.execute("migrate-incoming", uri=f"exec:cat {shlex.quote(str(path))}")
        self._wait(self._migrated, "resume a guest's state", timeout_s)
        self.execute("cont")

    def explain(self) -> str:
        """Return why the machine stands still, or nothing; never raises."""
        try:
            status = self.execute("query-status").get("status", "")
        except GuestError:
            return ""
        if status == "io-error":  # it was told to stop for no other error of the disk
            return "the host's disk is full"
        return "" if status == "running" else f"qemu says {status}"
