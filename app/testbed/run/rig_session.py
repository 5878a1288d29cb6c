"""One end of a rig: the session of its sidecar, as the process of one cell after another.

A thread reads what the sidecar prints. Events go to the cell that runs; replies of the session itself stay here.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from netem.contract.session import FILES, MAX_SENT_BYTES, Begin, Command, Reset, Signal, decode_reply, encode_command
from netem.contract.session import piece_data as _data
from testbed.errors import HostError
from testbed.stack.ports import Conversation, Exit, Stream

Output = Callable[[Stream, bytes], None]

_NEW_LINE: Final = b"\n"


class RigSession:
    """A sidecar that serves cells; `name` is that of its container, for messages."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._changed = threading.Condition()
        self._conversation: Conversation | None = None
        self._partial = b""
        self._opened = False
        self._gone = ""
        self._stderr: list[bytes] = []
        self._output: Output | None = None
        self._begun = False
        self._files: dict[str, bytes] = {}
        self._files_end: dict[str, Any] | None = None
        self._ended: dict[str, Any] | None = None
        self._reset: list[str] | None = None

    # The sidecar's container.

    def output(self, stream: Stream, data: bytes) -> None:
        """Process output of the container."""
        if stream == "stderr":
            # A cell has its own standard error, in a file of the sidecar: this is the session's.
            self._stderr = [*self._stderr, data][-8:]
            return
        *lines, self._partial = (self._partial + data).split(_NEW_LINE)
        for line in lines:
            self._on_line(line + _NEW_LINE)

    def converse(self, conversation: Conversation) -> None:
        """Follow the container in a thread; it has not been started."""
        self._conversation = conversation
        threading.Thread(target=self._follow, name=f"session-{self.name}", daemon=True).start()

    def await_open(self, timeout_s: float) -> None:
        """Wait until it is ready for the first cell. Raises HostError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._opened or self._gone, timeout_s) or self._gone:
                raise HostError(
                    f"start the session of {self.name}: {self._gone or f'not ready within {timeout_s:g} s'}"
                )

    def close(self) -> None:
        """End its input: the sidecar ends by itself. Raises HostError."""
        if self._conversation is not None:
            self._conversation.close()

    @property
    def alive(self) -> bool:
        """Return whether it still runs."""
        return self._opened and not self._gone

    # One cell.

    def attach(self, output: Output) -> Callable[[], Exit]:
        """Begin to pass on the events of the next cell; the result, called in a thread, returns how its process exited.

        It returns when the files have arrived, or when the process has ended without them.
        """
        with self._changed:
            self._output = output
            self._begun = False
            self._files, self._files_end, self._ended, self._reset = {}, None, None, None

        def follow() -> Exit:
            with self._changed:
                self._changed.wait_for(lambda: self._files_end or self._ended or self._gone)
                end = self._files_end or self._ended
                if end is None:
                    raise HostError(f"follow {self.name}: {self._gone}")
            if end["stderr"]:
                output("stderr", str(end["stderr"]).encode())
            return Exit(int(end["code"]))

        return follow

    def begin(self, environment: Mapping[str, str]) -> None:
        """Begin a cell with these settings. Raises HostError."""
        self._begun = True
        self._send(Begin(environment))

    def signal(self, name: str) -> None:
        """Send a signal to the cell's process. Raises HostError."""
        self._send(Signal(name))

    def files(self, timeout_s: float) -> dict[str, bytes] | None:
        """Return the raw files of the cell, if the sidecar has sent all that exist.

        They follow the event `stopped` at once: this waits for them, in a cell that has begun.
        """
        with self._changed:
            if self._begun:
                self._changed.wait_for(lambda: self._files_end or self._ended or self._gone, timeout_s)
            end = self._files_end
            return dict(self._files) if end is not None and not end["left"] else None

    def reset(self, timeout_s: float) -> list[str]:
        """Wait until the cell has ended, have its traces removed, and return a sentence for each that is left.

        A cell that has ended with an error has left traces. Raises HostError.
        """
        with self._changed:
            ended = self._await(lambda: self._ended, f"the end of the cell in {self.name}", timeout_s)
        if ended["code"]:
            return [f"the sidecar has ended with code {ended['code']}"]
        if ended["left"]:
            return list(ended["left"])
        self._send(Reset())
        with self._changed:
            return list(self._await(lambda: self._reset, f"the reset of {self.name}", timeout_s))

    def _await(self, value: Callable[[], Any], what: str, timeout_s: float) -> Any:  # noqa: ANN401 - a reply
        if not self._changed.wait_for(lambda: value() is not None or self._gone, timeout_s) or value() is None:
            raise HostError(f"wait for {what}: {self._gone or f'not within {timeout_s:g} s'}")
        return value()

    def _send(self, command: Command) -> None:
        if self._conversation is None or self._gone:
            raise HostError(f"write to {self.name}: {self._gone or 'it has no session'}")
        self._conversation.send(encode_command(command))

    # What the thread does.

    def _follow(self) -> None:
        assert self._conversation is not None
        try:
            gone = f"it exited with code {self._conversation.follow().code}{self._tail()}"
        except HostError as error:
            gone = error.message
        with self._changed:
            self._gone = gone
            self._changed.notify_all()

    def _tail(self) -> str:
        text = b"".join(self._stderr).decode("utf-8", "replace").strip()
        return f": {text.splitlines()[-1]}" if text else ""

    def _on_line(self, line: bytes) -> None:
        reply = decode_reply(line.decode("utf-8", "replace"))
        if reply is None:
            if self._output is not None:
                self._output("stdout", line)
            return
        with self._changed:
            self._on_reply(reply)
            self._changed.notify_all()

    def _on_reply(self, reply: dict[str, Any]) -> None:
        match reply["session"]:
            case "open":
                self._opened = True
            case "file":
                self._add(str(reply["name"]), _data(reply))
            case "files":
                self._files_end = reply
            case "ended":
                self._ended = reply
                self._output = None
            case "reset":
                self._reset = reply["left"]

    def _add(self, name: str, data: bytes) -> None:
        """Append to a file; the sidecar sends no others and no more, and this makes sure of it."""
        if name in FILES and sum(map(len, self._files.values())) + len(data) <= MAX_SENT_BYTES:
            self._files[name] = self._files.get(name, b"") + data
