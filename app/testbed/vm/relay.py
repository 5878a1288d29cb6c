"""The host's end of one guest: a thread that runs qemu, relays Docker's connections and records the console.

The thread starts qemu itself: qemu dies with its parent (PR_SET_PDEATHSIG), which to the kernel is the thread.
"""

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import Popen
from typing import Any, Final

from testbed.vm.errors import GuestError
from testbed.vm.mux import FrameType, MuxError, MuxEvent
from testbed.vm.pump import PortClosedError, Pump

CONSOLE_LINES: Final = 200
_TAIL_LINES: Final = 15
_MAX_LINE_BYTES: Final = 4096
_JOIN_S: Final = 10.0
WATCHDOG_S: Final = 180.0
"""A guest replies within seconds, on a host with a load of 15 within a minute; after three minutes it has hung."""
_PING_S: Final = 10.0
_PING: Final = {"do": "ping"}


class Console:
    """Record the last lines that a guest writes to its console."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=CONSOLE_LINES)
        self._partial = b""

    def feed(self, data: bytes) -> None:
        """Append bytes; control characters are dropped."""
        *lines, partial = (self._partial + data).split(b"\n")
        self._lines.extend(_printable(line) for line in lines)
        self._partial = partial[-_MAX_LINE_BYTES:]

    def tail(self, count: int = _TAIL_LINES) -> list[str]:
        """Return the last lines that are not empty."""
        lines = [*self._lines, _printable(self._partial)]
        return [line for line in lines if line.strip()][-count:]


def _printable(line: bytes) -> str:
    return "".join(char for char in line.decode(errors="replace").strip("\r") if char.isprintable())


class Relay(threading.Thread):
    """Run one guest's qemu and exchange messages with its agent; `spawn` redirects qemu's own output to `log`."""

    def __init__(
        self,
        spawn: Callable[[], Popen[bytes]],
        *,
        port: socket.socket,
        console: socket.socket,
        listener: socket.socket,
        log: Path,
    ) -> None:
        super().__init__(name="guest", daemon=True)
        self.console = Console()
        self._spawn = spawn
        self._port = port
        self._console = console
        self._listener = listener
        self._log = log
        self._pump = Pump(port.fileno(), self._on_event)
        self._changed = threading.Condition()
        self._wake_read, self._wake_write = os.pipe()
        self._pending: deque[Callable[[], None]] = deque()
        self._messages: deque[dict[str, Any]] = deque()
        self._stopping = False
        self._exited = False
        self._process: Popen[bytes] | None = None
        self._failure = ""
        self._watchdog_s: float | None = None
        self._received_s = self._pinged_s = 0.0
        self.stop_reason: Callable[[], str] = lambda: ""

    # Called by other threads.

    def launch(self) -> int:
        """Start the thread and qemu; return qemu's process id; raises GuestError."""
        self.start()
        with self._changed:
            self._changed.wait_for(lambda: self._process is not None or self._failure, _JOIN_S)
            if self._process is None:
                raise GuestError("start qemu", self._failure or "it did not start in time")
            return self._process.pid

    def hello(self) -> None:
        """Start a session with the guest's agent, which replies with `ready` when Docker is available."""
        self._submit(self._pump.mux.hello)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to the guest's agent."""
        self._submit(lambda: self._pump.mux.message(message))

    @property
    def failure(self) -> str:
        """Return why the guest has stopped; empty while it runs."""
        return self._failure

    def set_watchdog(self, timeout_s: float | None = WATCHDOG_S) -> None:
        """From now on kill a guest that sends nothing for so long; `stop_reason` explains it. None: no watchdog."""

        def start() -> None:
            self._received_s = self._pinged_s = time.monotonic()
            self._watchdog_s = timeout_s

        self._submit(start)

    def expect(self, event: str, timeout_s: float, attempt: str) -> dict[str, Any]:
        """Return the next message with this event; raises GuestError when the guest stops or the deadline passes."""
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for message in list(self._messages):
                    self._messages.remove(message)
                    if message.get("event") == event:
                        return message
                left_s = deadline_s - time.monotonic()
                if self._failure or left_s <= 0:
                    reason = self._failure or f"no reply within {timeout_s:g} s"
                    raise GuestError(attempt, reason, console=self.console.tail())
                self._changed.wait(left_s)

    def wait_exit(self, timeout_s: float) -> bool:
        """Wait for the exit of qemu; return whether it has exited."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._failure, timeout_s))

    def stop(self) -> None:
        """Stop qemu and the thread."""
        if self.ident is None:
            return
        self.abort()
        self.join(_JOIN_S)

    def abort(self) -> None:
        """Begin to stop, without waiting for the end; whoever expects a message gets the failure."""
        self._stopping = True
        self._submit(lambda: None)

    def _submit(self, call: Callable[[], None]) -> None:
        self._pending.append(call)
        with suppress(OSError):
            os.write(self._wake_write, b"\0")

    # Called in the thread.

    def run(self) -> None:
        """Serve until stopped or until qemu has exited."""
        try:
            process = self._spawn()
        except OSError as error:
            self._fail(str(error))
            self._close()
            return
        with self._changed:
            self._process = process
            self._changed.notify_all()
        exit_fd = os.pidfd_open(process.pid)
        try:
            self._serve(exit_fd)
        finally:
            process.kill()
            status = process.wait()
            self._console_readable()
            self._fail(self._describe(status))
            os.close(exit_fd)
            self._close()

    def _serve(self, exit_fd: int) -> None:
        self._console.setblocking(False)
        self._pump.watch(self._wake_read, self._run_pending)
        self._pump.watch(self._listener.fileno(), self._accept)
        self._pump.watch(self._console.fileno(), self._console_readable)
        self._pump.watch(exit_fd, self._note_exit)
        with suppress(PortClosedError):
            while not self._stopping and not self._exited:
                try:
                    self._pump.step(60 if self._watchdog_s is None else self._watchdog_s / 10)
                    self._check_heartbeat()
                except MuxError as error:
                    self._fail(f"protocol error from guest agent: {error}")
                    return

    def _check_heartbeat(self) -> None:
        if self._watchdog_s is None or self._exited:
            return
        now_s = time.monotonic()
        idle_s = now_s - self._received_s
        if idle_s > self._watchdog_s:
            reason = self.stop_reason()
            self._fail(f"the guest has sent nothing for {idle_s:.0f} s" + (f": {reason}" if reason else ""))
            self._stopping = True
        elif min(idle_s, now_s - self._pinged_s) > min(_PING_S, self._watchdog_s / 4):
            self._pinged_s = now_s
            self._pump.mux.message(_PING)

    def _note_exit(self) -> None:
        self._exited = True

    def _run_pending(self) -> None:
        os.read(self._wake_read, 4096)
        while self._pending:
            self._pending.popleft()()

    def _accept(self) -> None:
        with suppress(OSError):
            sock, _ = self._listener.accept()
            self._pump.attach(self._pump.mux.open(), sock)

    def _console_readable(self) -> None:
        with suppress(OSError):
            data = self._console.recv(1 << 16)
            if data:
                self.console.feed(data)
            else:
                self._pump.unwatch(self._console.fileno())

    def _on_event(self, event: MuxEvent) -> None:
        self._received_s = time.monotonic()
        if event.type is FrameType.MESSAGE and event.message.get("do") != _PING["do"]:
            with self._changed:
                self._messages.append(event.message)
                self._changed.notify_all()

    def _fail(self, reason: str) -> None:
        with self._changed:
            self._failure = self._failure or reason
            self._changed.notify_all()

    def _describe(self, status: int) -> str:
        how = "the guest has stopped" if status in (0, -9) else f"qemu exited with code {status}"
        with suppress(OSError, IndexError):
            return f"{how}: {self._log.read_text(errors='replace').strip().splitlines()[-1]}"
        return how

    def _close(self) -> None:
        self._pump.drop_all()
        for sock in (self._port, self._console, self._listener):
            sock.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
