"""What the analysis of a capture gives: arrays with their units in their names. docs/packets.md explains each."""

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
"""In place of a number that does not apply or cannot be known."""


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of one or of many connections, one element a frame, in the order of the capture.

    `relative_seq_bytes` counts from the sender's first sequence number (its SYN is 0, its first byte 1) and does not
    wrap; `relative_ack_bytes` counts in the same way what the other side sent. `window_bytes` is scaled, -1 when the
    scale is unknown. `right_edge_bytes` is the first byte that the other side may not send yet. Times are nanoseconds
    since 1970.
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
        """Return the chosen frames; a slice shares memory with this."""
        return Frames(*(getattr(self, column.name)[chosen] for column in fields(self)))

    def having(self, mark: Mark) -> NDArray[np.bool_]:
        """Tell for each frame whether it has any of these marks."""
        found: NDArray[np.bool_] = (self.marks & np.uint32(mark)) != 0
        return found


@dataclass(frozen=True, slots=True)
class End:
    """One end of a connection.

    `window_scale` is a shift, None when no handshake was seen; `mss_bytes` is what it announced in its SYN, 0 when
    none was seen.
    """

    endpoint: Endpoint
    window_scale: int | None
    mss_bytes: int


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection. The client is who sent the SYN, or, without one, who sent the first frame.

    `stream` is Wireshark's `tcp.stream`. `initial_rtt_ns` is from the last SYN to the first ACK after it, -1 when the
    handshake is not there. `complete_handshake`: SYN and SYN/ACK are in the capture.
    """

    stream: int
    client: End
    server: End
    reused_ports: bool
    complete_handshake: bool
    initial_rtt_ns: int
    frames: Frames

    def segments(self) -> Int64:
        """Return how many wire segments each frame's payload stands for: with segmentation offload, several.

        A frame carries at most the MSS that its receiver announced, less its own TCP options (RFC 6691). -1 for a frame
        with payload when no MSS was seen, 0 for one without payload.
        """
        frames = self.frames
        announced = np.where(frames.from_client, self.server.mss_bytes, self.client.mss_bytes)
        payload = frames.payload_bytes.astype(np.int64)
        room = announced - (frames.header_bytes.astype(np.int64) - 20)
        known = (announced > 0) & (room > 0)
        return np.where(payload == 0, 0, np.where(known, -(-payload // np.maximum(room, 1)), NONE))


@dataclass(frozen=True, slots=True)
class Table:
    """Facts of all connections, by column; `first` and `stop` say where the frames of each lie in `Capture.frames`."""

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
    """What is known of the file. `cut_at_byte`: a last record that is not whole begins there, None when all are.

    `resolution_ns` is the coarsest of its time stamps; `dropped_packets` the capturing program's count, None when the
    file does not say. `packets` counts all, `skipped` says why some are not in the analysis.
    """

    file_format: str
    resolution_ns: float
    link_types: tuple[int, ...]
    cut_at_byte: int | None
    dropped_packets: int | None
    packets: int
    skipped: Skipped


@dataclass(frozen=True, slots=True)
class Capture:
    """The TCP connections of a capture, in the order of their first frames."""

    facts: CaptureFacts
    frames: Frames
    table: Table

    def __len__(self) -> int:
        return len(self.table.first)

    def connection(self, stream: int) -> Connection:
        """Return one connection by its number from 0; IndexError when there is none."""
        table = self.table
        if not 0 <= stream < len(self):
            raise IndexError(stream)
        frames = self.frames.take(slice(int(table.first[stream]), int(table.stop[stream])))
        syns = frames.from_client[(frames.tcp_flags & SYN) != 0]
        scales = [None if scale == UNKNOWN_SCALE else max(int(scale), 0) for scale in table.window_scale[stream]]
        return Connection(
            stream=stream,
            client=End(table.client[stream], scales[0], int(table.mss_bytes[stream, 0])),
            server=End(table.server[stream], scales[1], int(table.mss_bytes[stream, 1])),
            reused_ports=bool(table.reused_ports[stream]),
            complete_handshake=bool(syns.any() and not syns.all()),
            initial_rtt_ns=int(table.initial_rtt_ns[stream]),
            frames=frames,
        )

    def connections(self) -> tuple[Connection, ...]:
        """Return all connections."""
        return tuple(self.connection(stream) for stream in range(len(self)))
