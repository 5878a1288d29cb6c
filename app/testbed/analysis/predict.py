"""Predictions before a run: where write() stops, how fast a slow reader lets data through, how many probes.

Measured on Linux 6.18 over veth pairs with MTU 1500 (252 runs of the stall point, 24 of the goodput); each constant
has its meaning. Real network cards waste more memory a byte, so that less fits into the receiver's buffer.
"""

from dataclasses import dataclass
from math import ceil, floor, log2
from typing import Final

RECEIVER_SHARE: Final = 0.92
"""Payload that a receive buffer holds, per byte of it; 5 % to 95 % of the runs: 0.69 to 0.95."""
SMALL_RECEIVER_SHARE: Final = 0.65
"""The same where `rcvbuf` is under 16 kB: 0.53 to 0.77."""
SMALL_RCVBUF_BYTES: Final = 16_384

SKB_OVERHEAD_BYTES: Final = 832
"""What the kernel books for a segment buffer beside its payload."""
GSO_MAX_BYTES: Final = 65_215
"""Payload that one buffer may hold (GSO_MAX_SIZE less the greatest headers)."""
SEGMENT_TRUESIZE_BYTES: Final = 2304
"""What the kernel books for one segment of MSS 1448 when it sizes a send buffer."""
INITIAL_CWND: Final = 10

SNDBUF_FLOOR_BYTES: Final = 4608
RCVBUF_FLOOR_BYTES: Final = 2304

SEND_BUFFER_FACTOR: Final = {"bbr": 3}
"""How many congestion windows a send buffer holds; two unless the algorithm requests more (tcp_sndbuf_expand)."""
SLOW_START_GROWTH: Final = {"bbr": 1.1, "cubic": 0.7}
"""Segments that cwnd has grown by when the receiver is full, per segment it holds; cubic leaves early (HyStart)."""

FIXED_BAND: Final = 0.2
"""93 % of the runs with both buffers set lay within."""
AUTOTUNED_BAND: Final = 0.3
"""With the kernel's send buffer the stall point depends on how slow start went."""

MIN_RTO_S: Final = 0.2
"""TCP_RTO_MIN; the first probe comes after it and the round trip."""
MAX_RTO_S: Final = 120.0


def effective_sndbuf_bytes(requested_bytes: int) -> int:
    """Return the buffer that setsockopt(SO_SNDBUF) sets: the double, with a minimum (socket(7))."""
    return max(2 * requested_bytes, SNDBUF_FLOOR_BYTES)


def effective_rcvbuf_bytes(requested_bytes: int) -> int:
    """Return the buffer that setsockopt(SO_RCVBUF) sets: the double, with a minimum (socket(7))."""
    return max(2 * requested_bytes, RCVBUF_FLOOR_BYTES)


def receiver_bytes(rcvbuf_bytes: int) -> int:
    """Return the payload that a receiver's queue holds when its program does not read."""
    share = SMALL_RECEIVER_SHARE if rcvbuf_bytes < SMALL_RCVBUF_BYTES else RECEIVER_SHARE
    return round(share * rcvbuf_bytes)


def first_window_bytes(rcvbuf_bytes: int, mss_bytes: int) -> int:
    """Return the window that a receiver opens with: half of its buffer, in whole segments, 64 kB at most."""
    return max(mss_bytes, min(rcvbuf_bytes // 2, 65_535) // mss_bytes * mss_bytes)


def sender_bytes(sndbuf_bytes: int, mss_bytes: int, max_window_bytes: int) -> int:
    """Return the payload that a sender's queue holds when nothing is acknowledged.

    A new buffer may begin while less than `sndbuf` is booked, and is then filled: a small `sndbuf` is overshot.
    """
    segments = max(1, floor(min(GSO_MAX_BYTES, max_window_bytes / 2) / mss_bytes))
    buffer_bytes = mss_bytes * segments
    return ceil(sndbuf_bytes / (buffer_bytes + SKB_OVERHEAD_BYTES)) * buffer_bytes


def autotuned_sndbuf_bytes(cwnd: float, congestion: str, limit_bytes: int) -> int:
    """Return the send buffer that the kernel chooses for a congestion window."""
    factor = SEND_BUFFER_FACTOR.get(congestion, 2)
    return min(round(factor * max(INITIAL_CWND, cwnd) * SEGMENT_TRUESIZE_BYTES), limit_bytes)


@dataclass(frozen=True, slots=True)
class StallPoint:
    """How many bytes write() accepts before it blocks, if the receiver does not read: both parts, with a band."""

    receiver_bytes: int
    sender_bytes: int
    rcvbuf_bytes: int
    sndbuf_bytes: int
    band: float

    @property
    def bytes(self) -> int:
        """The most likely number."""
        return self.receiver_bytes + self.sender_bytes

    @property
    def low_bytes(self) -> int:
        """The lower end of the band."""
        return round(self.bytes * (1 - self.band))

    @property
    def high_bytes(self) -> int:
        """The upper end of the band."""
        return round(self.bytes * (1 + self.band))


@dataclass(frozen=True, slots=True)
class Kernel:
    """What a prediction needs from the kernel: the third values of the sysctls, and the default algorithm."""

    congestion: str = "cubic"
    default_rcvbuf_bytes: int = 131_072
    max_sndbuf_bytes: int = 4_194_304
    rmem_max_bytes: int = 4_194_304
    wmem_max_bytes: int = 4_194_304


def stall_point(requested_sndbuf_bytes: int, requested_rcvbuf_bytes: int, mss_bytes: int, kernel: Kernel) -> StallPoint:
    """Return the stall point before the run, from what is requested of setsockopt; 0 = the kernel's buffers."""
    if requested_rcvbuf_bytes:
        rcvbuf = effective_rcvbuf_bytes(min(requested_rcvbuf_bytes, kernel.rmem_max_bytes))
    else:
        rcvbuf = kernel.default_rcvbuf_bytes
    if requested_sndbuf_bytes:
        sndbuf = effective_sndbuf_bytes(min(requested_sndbuf_bytes, kernel.wmem_max_bytes))
    else:
        grown = SLOW_START_GROWTH.get(kernel.congestion, 1.0) * receiver_bytes(rcvbuf) / mss_bytes
        sndbuf = autotuned_sndbuf_bytes(INITIAL_CWND + grown, kernel.congestion, kernel.max_sndbuf_bytes)
    band = FIXED_BAND if requested_sndbuf_bytes else AUTOTUNED_BAND
    return stall_point_of(sndbuf, rcvbuf, mss_bytes, band=band)


def stall_point_of(
    sndbuf_bytes: int, rcvbuf_bytes: int, mss_bytes: int, max_window_bytes: int | None = None, band: float = FIXED_BAND
) -> StallPoint:
    """Return the stall point of buffers as the kernel has them (`sndbuf` and `rcvbuf` of a sample)."""
    window = max_window_bytes or first_window_bytes(rcvbuf_bytes, mss_bytes)
    return StallPoint(
        receiver_bytes=receiver_bytes(rcvbuf_bytes),
        sender_bytes=sender_bytes(sndbuf_bytes, mss_bytes, window),
        rcvbuf_bytes=rcvbuf_bytes,
        sndbuf_bytes=sndbuf_bytes,
        band=band,
    )


def slow_reader_goodput(
    rcvbuf_bytes: int, mss_bytes: int, read_bytes: int, period_s: float, rtt_s: float = 0.0
) -> float:
    """Return the bytes per second that a reader of `read_bytes` every `period_s` lets through.

    The window reopens when the queue is empty, a full queue arrives a round trip later, and the last read of it is a
    short one: so it is R / ceil(R / read) a period, with R in whole segments, and not read / period. A round trip
    longer than the last pause is waited for.
    """
    cycle_bytes = max(receiver_bytes(rcvbuf_bytes) // mss_bytes * mss_bytes, mss_bytes)
    return cycle_bytes / ((ceil(cycle_bytes / read_bytes) - 1) * period_s + max(period_s, rtt_s))


def probes_per_period(closed_s: float, first_rto_s: float = MIN_RTO_S + 0.02, max_rto_s: float = MAX_RTO_S) -> int:
    """Return how many window probes a zero-window period has: the wait doubles from the RTO on (RFC 1122)."""
    doublings = floor(log2(max_rto_s / first_rto_s))
    until_longest_s = first_rto_s * (2.0**doublings - 1)
    if closed_s <= until_longest_s:
        return floor(log2(1 + closed_s / first_rto_s))
    return doublings + floor((closed_s - until_longest_s) / max_rto_s)
