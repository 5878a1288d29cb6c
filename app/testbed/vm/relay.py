"""The host's end of one guest: a thread that holds qemu, carries Docker's connections, keeps the console's last lines.

The thread starts qemu itself: qemu is told to die with its parent, which to the kernel is the thread, not the process.
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
from testbed.vm.mux import Event, Kind, MuxError
from testbed.vm.pump import PortClosedError, Pump

CONSOLE_LINES: Final = 200
_TAIL_LINES: Final = 15
_MAX_LINE_BYTES: Final = 4096
_END_S: Final = 10.0
SILENCE_S: Final = 180.0
"""A guest answers within seconds, beside a load of 15 within a minute; one that says nothing for three hangs."""
_ASK_S: Final = 10.0
_PING: Final = {"do": "ping"}


class Console:
    """Keep the last lines of what a guest writes to its console."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=CONSOLE_LINES)
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take bytes as they come; control characters are not kept."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._lines.extend(_printable(line) for line in lines)
        self._rest = rest[-_MAX_LINE_BYTES:]

    def tail(self, count: int = _TAIL_LINES) -> list[str]:
        """Return the last lines that say something."""
        lines = [*self._lines, _printable(self._rest)]
        return [line for line in lines if line.strip()][-count:]


def _printable(line: bytes) -> str:
    return "".join(char for char in line.decode(errors="replace").strip("\r") if char.isprintable())


class Relay(threading.Thread):
    """Run one guest's qemu and speak with it; `log` is where `spawn` sends what qemu itself has to say."""

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
        self._orders: deque[Callable[[], None]] = deque()
        self._messages: deque[dict[str, Any]] = deque()
        self._stopping = False
        self._exited = False
        self._process: Popen[bytes] | None = None
        self._failure = ""
        self._silence_s: float | None = None
        self._heard_s = self._requested_s = 0.0
        self.explain: Callable[[], str] = lambda: ""

    # What other threads call.

    def launch(self) -> int:
        """Start the thread and qemu; return qemu's process id; raises GuestError."""
        self.start()
        with self._changed:
            self._changed.wait_for(lambda: self._process is not None or self._failure, _END_S)
            if self._process is None:
                raise GuestError("start qemu", self._failure or "it does not start")
            return self._process.pid

    def hello(self) -> None:
        """Start the conversation with the guest's agent; it answers with `ready` when Docker is up."""
        self._order(self._pump.mux.hello)

    def say(self, message: dict[str, Any]) -> None:
        """Send a message to the guest's agent."""
        self._order(lambda: self._pump.mux.message(message))

    @property
    def failure(self) -> str:
        """Return why the guest runs no more; empty while it does."""
        return self._failure

    def guard(self, silence_s: float | None = SILENCE_S) -> None:
        """From now on end a guest that says nothing for so long, in the words of `explain`; None: let it be silent."""

        def order() -> None:
            self._heard_s = self._requested_s = time.monotonic()
            self._silence_s = silence_s

        self._order(order)

    def expect(self, event: str, timeout_s: float, attempt: str) -> dict[str, Any]:
        """Return the next message of a kind; raises GuestError when the guest ends or the time is over."""
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for message in list(self._messages):
                    self._messages.remove(message)
                    if message.get("event") == event:
                        return message
                left_s = deadline_s - time.monotonic()
                if self._failure or left_s <= 0:
                    reason = self._failure or f"no answer within {timeout_s:g} s"
                    raise GuestError(attempt, reason, console=self.console.tail())
                self._changed.wait(left_s)

    def wait_exit(self, timeout_s: float) -> bool:
        """Wait until qemu has ended; return whether it has."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._failure, timeout_s))

    def stop(self) -> None:
        """End qemu and the thread."""
        if self.ident is None:
            return
        self._stopping = True
        self._order(lambda: None)
        self.join(_END_S)

    def _order(self, order: Callable[[], None]) -> None:
        self._orders.append(order)
        with suppress(OSError):
            os.write(self._wake_write, b"\0")

    # What runs in the thread.

    def run(self) -> None:
        """Serve until told to stop or until qemu has ended."""
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
        self._pump.watch(self._wake_read, self._obey)
        self._pump.watch(self._listener.fileno(), self._accept)
        self._pump.watch(self._console.fileno(), self._console_readable)
        self._pump.watch(exit_fd, self._note_exit)
        with suppress(PortClosedError):
            while not self._stopping and not self._exited:
                try:
                    self._pump.step(60 if self._silence_s is None else self._silence_s / 10)
                    self._feel_pulse()
                except MuxError as error:
                    self._fail(f"the guest's agent talks nonsense: {error}")
                    return

    def _feel_pulse(self) -> None:
        if self._silence_s is None or self._exited:
            return
        now_s = time.monotonic()
        silent_s = now_s - self._heard_s
        if silent_s > self._silence_s:
            why = self.explain()
            self._fail(f"the guest has said nothing for {silent_s:.0f} s" + (f": {why}" if why else ""))
            self._stopping = True
        elif min(silent_s, now_s - self._requested_s) > min(_ASK_S, self._silence_s / 4):
            self._requested_s = now_s
            self._pump.mux.message(_PING)

    def _note_exit(self) -> None:
        self._exited = True

    def _obey(self) -> None:
        os.read(self._wake_read, 4096)
        while self._orders:
            self._orders.popleft()()

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

    def _on_event(self, event: Event) -> None:
        self._heard_s = time.monotonic()
        if event.kind is Kind.MESSAGE and event.message.get("do") != _PING["do"]:
            with self._changed:
                self._messages.append(event.message)
                self._changed.notify_all()

    def _fail(self, reason: str) -> None:
        with self._changed:
            self._failure = self._failure or reason
            self._changed.notify_all()

    def _describe(self, status: int) -> str:
        how = "the guest has ended" if status in (0, -9) else f"qemu ended with status {status}"
        with suppress(OSError, IndexError):
            return f"{how}: {self._log.read_text(errors='replace').strip().splitlines()[-1]}"
        return how

    def _close(self) -> None:
        self._pump.drop_all()
        for sock in (self._port, self._console, self._listener):
            sock.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
