"""The result of the analysis of a capture: columns with their units in their names, explained in docs/packets.md."""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.dissect.endpoints import Endpoint
from testbed.analysis.packets.dissect.headers import Skipped
from testbed.analysis.packets.flags import SYN, Mark
from testbed.analysis.packets.mark.reference import UNKNOWN_SCALE

Int64 = NDArray[np.int64]

NONE: Final = -1
"""Stands for a number that does not apply or is unknown."""


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of one or of several connections, one element a frame, in the order of the capture.

    `relative_seq_bytes` counts from the sender's ISN (its SYN is 0, its first byte 1) and does not wrap;
    `relative_ack_bytes` counts from the peer's ISN. `window_bytes` is scaled, -1 if the scale is unknown.
    `right_edge_bytes` is the first byte that the peer may not send yet. Times are nanoseconds since 1970.
    """

    number: Int64
    time_ns: Int64
    from_client: NDArray[np.bool_]
    tcp_flags: NDArray[np.uint16]
    relative_seq_bytes: Int64
    relative_ack_bytes: Int64
    payload_bytes: NDArray[np.uint32]
    header_bytes: NDArray[np.uint8]
    window_raw: NDArray[np.uint16]
    window_bytes: Int64
    right_edge_bytes: Int64
    timestamp_value: NDArray[np.uint32]
    marks: NDArray[np.uint32]
    in_flight_bytes: Int64
    acked_frame: Int64
    ack_rtt_ns: Int64
    rto_ns: Int64

    def __len__(self) -> int:
        return len(self.number)

    def take(self, chosen: slice | NDArray[np.bool_] | Int64) -> "Frames":
        """Return the chosen frames; the result of a slice shares memory with this object."""
        return Frames(*(getattr(self, column.name)[chosen] for column in fields(self)))

    def having(self, mark: Mark) -> NDArray[np.bool_]:
        """Return for each frame whether it has any of these marks."""
        found: NDArray[np.bool_] = (self.marks & np.uint32(mark)) != 0
        return found


@dataclass(frozen=True, slots=True)
class Peer:
    """One of the two peers of a connection.

    `window_scale` is a shift, None if the capture has no handshake; `mss_bytes` is the MSS that its SYN announced, 0 if
    the capture has none.
    """

    endpoint: Endpoint
    window_scale: int | None
    mss_bytes: int


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection. The client is the sender of the SYN or, without one, of the first frame.

    `stream` is Wireshark's `tcp.stream`. `initial_rtt_ns` is the time from the last SYN to the first ACK after it, -1
    without a handshake. `complete_handshake` is whether SYN and SYN/ACK are in the capture.
    """

    stream: int
    client: Peer
    server: Peer
    reused_ports: bool
    complete_handshake: bool
    initial_rtt_ns: int
    frames: Frames

    def segments(self) -> Int64:
        """Return how many segments on the wire each frame's payload becomes: with segmentation offload, several.

        A segment has at most the MSS that its receiver announced, less its own TCP options (RFC 6691). The result is -1
        for a frame with payload if the MSS is unknown, 0 for one without payload.
        """
        frames = self.frames
        announced = np.where(frames.from_client, self.server.mss_bytes, self.client.mss_bytes)
        payload = frames.payload_bytes.astype(np.int64)
        room = announced - (frames.header_bytes.astype(np.int64) - 20)
        known = (announced > 0) & (room > 0)
        return np.where(payload == 0, 0, np.where(known, -(-payload // np.maximum(room, 1)), NONE))


@dataclass(frozen=True, slots=True)
class ConnectionTable:
    """Facts of all connections as columns; the frames of one are `Capture.frames[first:stop]`."""

    first: Int64
    stop: Int64
    client: tuple[Endpoint, ...]
    server: tuple[Endpoint, ...]
    window_scale: NDArray[np.int8]
    mss_bytes: Int64
    reused_ports: NDArray[np.bool_]
    initial_rtt_ns: Int64


@dataclass(frozen=True, slots=True)
class CaptureFacts:
    """Facts about the file. `truncated_at_byte` is the offset of a truncated last record, None if there is none.

    `resolution_ns` is the coarsest of its timestamps' resolutions; `dropped_packets` the capturing program's count,
    None if the file has none. `packets` counts all packets, `skipped` those that are not in the analysis, by reason.
    `compression_flaw` says why a compressed file ends early: then `truncated_at_byte` is the end of what was expanded.
    """

    file_format: str
    resolution_ns: float
    link_types: tuple[int, ...]
    truncated_at_byte: int | None
    dropped_packets: int | None
    packets: int
    skipped: Skipped
    compression_flaw: str = ""


@dataclass(frozen=True, slots=True)
class Capture:
    """The TCP connections of a capture, in the order of their first frames."""

    facts: CaptureFacts
    frames: Frames
    table: ConnectionTable

    def __len__(self) -> int:
        return len(self.table.first)

    def connection(self, stream: int) -> Connection:
        """Return a connection by its number from 0; raises IndexError if there is none."""
        table = self.table
        if not 0 <= stream < len(self):
            raise IndexError(stream)
        frames = self.frames.take(slice(int(table.first[stream]), int(table.stop[stream])))
        syns = frames.from_client[(frames.tcp_flags & SYN) != 0]
        scales = [None if scale == UNKNOWN_SCALE else max(int(scale), 0) for scale in table.window_scale[stream]]
        return Connection(
            stream=stream,
            client=Peer(table.client[stream], scales[0], int(table.mss_bytes[stream, 0])),
            server=Peer(table.server[stream], scales[1], int(table.mss_bytes[stream, 1])),
            reused_ports=bool(table.reused_ports[stream]),
            complete_handshake=bool(syns.any() and not syns.all()),
            initial_rtt_ns=int(table.initial_rtt_ns[stream]),
            frames=frames,
        )

    def connections(self) -> tuple[Connection, ...]:
        """Return all connections."""
        return tuple(self.connection(stream) for stream in range(len(self)))
