"""Many byte streams over one: what host and guest say to each other through a single virtio-serial port.

No I/O here: bytes come in by `feed`, bytes to send are taken by `take`. Only the host opens channels; each is one
connection to the guest's Docker engine. A channel has a window in each direction, so that one slow reader holds up
nobody else, and ends in two halves, as a TCP connection does (Docker's attach needs that). Messages are JSON and
belong to no channel. A hello makes both ends forget all channels: it starts every conversation, also the one with a
guest that was resumed from a stored state.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

WINDOW_BYTES: Final = 256 * 1024
"""What may be under way in one direction of one channel: a few reads of a program, little for the guest's memory."""

_HEADER: Final = struct.Struct("<BxHI")  # kind, channel, length (for CREDIT the number of bytes itself)
_MAX_LENGTH: Final = WINDOW_BYTES
_MAX_CHANNEL: Final = 0xFFFF


class Kind(IntEnum):
    """Name the kinds of frames."""

    HELLO = 1
    MESSAGE = 2
    OPEN = 3
    DATA = 4
    END = 5
    RESET = 6
    CREDIT = 7


class MuxError(Exception):
    """Report bytes that are no frame, or a frame that may not come: the two ends have lost each other."""


@dataclass(frozen=True, slots=True)
class Event:
    """Tell what has come: `data` with DATA, `message` with MESSAGE; CREDIT means that the channel can send again."""

    kind: Kind
    channel: int = 0
    data: bytes = b""
    message: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Channel:
    credit_bytes: int = WINDOW_BYTES
    owed_bytes: int = 0
    ended_here: bool = False
    ended_there: bool = False


class Mux:
    """Hold one end of the conversation."""

    def __init__(self) -> None:
        self._in = bytearray()
        self._out = bytearray()
        self._channels: dict[int, _Channel] = {}
        self._last = 0

    @property
    def pending_bytes(self) -> int:
        """Return how much waits to be taken."""
        return len(self._out)

    def take(self, limit_bytes: int = 1 << 16) -> bytes:
        """Return the next bytes to send, at most `limit_bytes`, and forget them."""
        data = bytes(self._out[:limit_bytes])
        del self._out[:limit_bytes]
        return data

    def give_back(self, data: bytes) -> None:
        """Put back what was taken and could not be sent."""
        self._out[:0] = data

    def _put(self, kind: Kind, channel: int = 0, data: bytes = b"", length: int | None = None) -> None:
        self._out += _HEADER.pack(kind, channel, len(data) if length is None else length) + data

    def hello(self) -> None:
        """Start the conversation anew."""
        self._channels.clear()
        self._put(Kind.HELLO)

    def message(self, message: dict[str, Any]) -> None:
        """Say something outside all channels; raises ValueError when it is longer than a frame may be."""
        data = json.dumps(message).encode()
        if len(data) > _MAX_LENGTH:
            raise ValueError(f"a message of {len(data)} bytes; {_MAX_LENGTH} is the most")
        self._put(Kind.MESSAGE, 0, data)

    def open(self) -> int:
        """Open a channel and return its number."""
        for _ in range(_MAX_CHANNEL):
            self._last = self._last % _MAX_CHANNEL + 1
            if self._last not in self._channels:
                break
        else:
            raise MuxError("all channels are in use")
        self._channels[self._last] = _Channel()
        self._put(Kind.OPEN, self._last)
        return self._last

    def writable_bytes(self, channel: int) -> int:
        """Return how much the channel takes now; 0 when it is closed."""
        state = self._channels.get(channel)
        return 0 if state is None or state.ended_here else state.credit_bytes

    def send(self, channel: int, data: bytes) -> None:
        """Send on a channel, no more than `writable_bytes`."""
        if len(data) > self.writable_bytes(channel):
            raise MuxError(f"{len(data)} bytes for channel {channel}, which takes {self.writable_bytes(channel)}")
        if data:
            self._channels[channel].credit_bytes -= len(data)
            self._put(Kind.DATA, channel, data)

    def consumed(self, channel: int, count: int) -> None:
        """Tell that received bytes were passed on, so that the other end may send as many again."""
        state = self._channels.get(channel)
        if state is None:
            return
        state.owed_bytes += count
        if state.owed_bytes >= WINDOW_BYTES // 2 and not state.ended_there:
            self._put(Kind.CREDIT, channel, length=state.owed_bytes)
            state.owed_bytes = 0

    def end(self, channel: int) -> None:
        """Say that nothing more comes from here on this channel."""
        state = self._channels.get(channel)
        if state is not None and not state.ended_here:
            state.ended_here = True
            self._put(Kind.END, channel)
            self._forget_if_over(channel)

    def reset(self, channel: int) -> None:
        """Give the channel up at once, in both directions."""
        if self._channels.pop(channel, None) is not None:
            self._put(Kind.RESET, channel)

    def is_open(self, channel: int) -> bool:
        """Return whether either direction is still open."""
        return channel in self._channels

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take what has arrived and yield what it says; raises MuxError when it makes no sense."""
        self._in += data
        while len(self._in) >= _HEADER.size:
            kind, channel, length = _HEADER.unpack_from(self._in)
            body = 0 if kind == Kind.CREDIT else length
            if kind not in list(Kind) or body > _MAX_LENGTH:
                raise MuxError(f"no frame: kind {kind}, channel {channel}, length {length}")
            if len(self._in) < _HEADER.size + body:
                return
            payload = bytes(self._in[_HEADER.size : _HEADER.size + body])
            del self._in[: _HEADER.size + body]
            event = self._handle(Kind(kind), channel, length, payload)
            if event is not None:
                yield event

    def _handle(self, kind: Kind, channel: int, length: int, payload: bytes) -> Event | None:
        if kind is Kind.HELLO:
            self._channels.clear()
            return Event(kind)
        if kind is Kind.MESSAGE:
            return Event(kind, message=_decode_message(payload))
        if kind is Kind.OPEN:
            if channel in self._channels:
                raise MuxError(f"channel {channel} opened twice")
            self._channels[channel] = _Channel()
            return Event(kind, channel)
        state = self._channels.get(channel)
        if state is None:  # reset here while this was under way
            return None
        if kind is Kind.CREDIT:
            state.credit_bytes += length
        elif kind is Kind.END:
            state.ended_there = True
            self._forget_if_over(channel)
        elif kind is Kind.RESET:
            del self._channels[channel]
        return Event(kind, channel, payload)

    def _forget_if_over(self, channel: int) -> None:
        state = self._channels[channel]
        if state.ended_here and state.ended_there:
            del self._channels[channel]


def _decode_message(payload: bytes) -> dict[str, Any]:
    try:
        message = json.loads(payload)
    except ValueError as error:
        raise MuxError(f"a message that is no JSON: {error}") from error
    if not isinstance(message, dict):
        raise MuxError("a message that is no object")
    return message
