"""Multiplex byte streams: the protocol of host and guest over a single virtio-serial port.

No I/O here: `feed` takes received bytes, `next_bytes` returns bytes to send. Only the host opens channels; each is one
connection to the guest's Docker engine. A channel has a flow-control window in each direction, so that a slow reader
does not block the others, and its directions close separately, as in TCP (Docker's attach needs that). Messages are
JSON and belong to no channel. A HELLO makes both ends forget all channels: it starts every session, also with a guest
that was restored from a saved state.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

WINDOW_BYTES: Final = 256 * 1024
"""Bytes in flight in one direction of one channel: a few reads of a program, and little of the guest's memory."""

_HEADER: Final = struct.Struct("<BxHI")  # kind, channel, length (for CREDIT the number of bytes itself)
_MAX_LENGTH: Final = WINDOW_BYTES
_MAX_CHANNEL: Final = 0xFFFF


class FrameType(IntEnum):
    """Name the frame types."""

    HELLO = 1
    MESSAGE = 2
    OPEN = 3
    DATA = 4
    END = 5
    RESET = 6
    CREDIT = 7


class MuxError(Exception):
    """Report an invalid frame, or one that is not allowed now: the two ends are out of sync."""


@dataclass(frozen=True, slots=True)
class MuxEvent:
    """A received frame: `data` with DATA, `message` with MESSAGE; after CREDIT the channel can send again."""

    type: FrameType
    channel: int = 0
    data: bytes = b""
    message: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Channel:
    credit_bytes: int = WINDOW_BYTES
    owed_bytes: int = 0
    ended_here: bool = False
    ended_by_peer: bool = False


class Mux:
    """Be one end of a session."""

    def __init__(self) -> None:
        self._in = bytearray()
        self._out = bytearray()
        self._channels: dict[int, _Channel] = {}
        self._last = 0

    @property
    def pending_bytes(self) -> int:
        """Return how many bytes wait to be sent."""
        return len(self._out)

    def next_bytes(self, limit_bytes: int = 1 << 16) -> bytes:
        """Return the next bytes to send, at most `limit_bytes`, and remove them from the queue."""
        data = bytes(self._out[:limit_bytes])
        del self._out[:limit_bytes]
        return data

    def unsent(self, data: bytes) -> None:
        """Put bytes that could not be sent back at the front of the queue."""
        self._out[:0] = data

    def _put(self, frame_type: FrameType, channel: int = 0, data: bytes = b"", length: int | None = None) -> None:
        self._out += _HEADER.pack(frame_type, channel, len(data) if length is None else length) + data

    def hello(self) -> None:
        """Start a new session."""
        self._channels.clear()
        self._put(FrameType.HELLO)

    def message(self, message: dict[str, Any]) -> None:
        """Send a message outside all channels; raises ValueError when it is longer than a frame."""
        data = json.dumps(message).encode()
        if len(data) > _MAX_LENGTH:
            raise ValueError(f"a message of {len(data)} bytes exceeds the maximum of {_MAX_LENGTH}")
        self._put(FrameType.MESSAGE, 0, data)

    def open(self) -> int:
        """Open a channel and return its number."""
        for _ in range(_MAX_CHANNEL):
            self._last = self._last % _MAX_CHANNEL + 1
            if self._last not in self._channels:
                break
        else:
            raise MuxError("all channels are in use")
        self._channels[self._last] = _Channel()
        self._put(FrameType.OPEN, self._last)
        return self._last

    def writable_bytes(self, channel: int) -> int:
        """Return how many bytes the channel accepts now; 0 when it is closed."""
        state = self._channels.get(channel)
        return 0 if state is None or state.ended_here else state.credit_bytes

    def send(self, channel: int, data: bytes) -> None:
        """Send on a channel, no more than `writable_bytes`."""
        if len(data) > self.writable_bytes(channel):
            raise MuxError(f"{len(data)} bytes for channel {channel}, which accepts {self.writable_bytes(channel)}")
        if data:
            self._channels[channel].credit_bytes -= len(data)
            self._put(FrameType.DATA, channel, data)

    def consumed(self, channel: int, count: int) -> None:
        """Report received bytes as consumed, so that the other end may send as many again."""
        state = self._channels.get(channel)
        if state is None:
            return
        state.owed_bytes += count
        if state.owed_bytes >= WINDOW_BYTES // 2 and not state.ended_by_peer:
            self._put(FrameType.CREDIT, channel, length=state.owed_bytes)
            state.owed_bytes = 0

    def end(self, channel: int) -> None:
        """Close the sending direction of a channel."""
        state = self._channels.get(channel)
        if state is not None and not state.ended_here:
            state.ended_here = True
            self._put(FrameType.END, channel)
            self._remove_if_closed(channel)

    def reset(self, channel: int) -> None:
        """Abort a channel in both directions."""
        if self._channels.pop(channel, None) is not None:
            self._put(FrameType.RESET, channel)

    def is_open(self, channel: int) -> bool:
        """Return whether either direction is still open."""
        return channel in self._channels

    def feed(self, data: bytes) -> Iterator[MuxEvent]:
        """Process received bytes and yield their events; raises MuxError when they are invalid."""
        self._in += data
        while len(self._in) >= _HEADER.size:
            number, channel, length = _HEADER.unpack_from(self._in)
            body = 0 if number == FrameType.CREDIT else length
            if number not in list(FrameType) or body > _MAX_LENGTH:
                raise MuxError(f"invalid frame: type {number}, channel {channel}, length {length}")
            if len(self._in) < _HEADER.size + body:
                return
            payload = bytes(self._in[_HEADER.size : _HEADER.size + body])
            del self._in[: _HEADER.size + body]
            event = self._handle(FrameType(number), channel, length, payload)
            if event is not None:
                yield event

    def _handle(self, frame_type: FrameType, channel: int, length: int, payload: bytes) -> MuxEvent | None:
        if frame_type is FrameType.HELLO:
            self._channels.clear()
            return MuxEvent(frame_type)
        if frame_type is FrameType.MESSAGE:
            return MuxEvent(frame_type, message=_decode_message(payload))
        if frame_type is FrameType.OPEN:
            if channel in self._channels:
                raise MuxError(f"channel {channel} opened twice")
            self._channels[channel] = _Channel()
            return MuxEvent(frame_type, channel)
        state = self._channels.get(channel)
        if state is None:  # reset by this end while the frame was in flight
            return None
        if frame_type is FrameType.CREDIT:
            state.credit_bytes += length
        elif frame_type is FrameType.END:
            state.ended_by_peer = True
            self._remove_if_closed(channel)
        elif frame_type is FrameType.RESET:
            del self._channels[channel]
        return MuxEvent(frame_type, channel, payload)

    def _remove_if_closed(self, channel: int) -> None:
        state = self._channels[channel]
        if state.ended_here and state.ended_by_peer:
            del self._channels[channel]


def _decode_message(payload: bytes) -> dict[str, Any]:
    try:
        message = json.loads(payload)
    except ValueError as error:
        raise MuxError(f"a message that is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise MuxError("a message that is not a JSON object")
    return message
