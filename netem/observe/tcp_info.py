"""`struct tcp_info` of include/uapi/linux/tcp.h as a table: name, offset, size; decoded as far as the kernel filled it.

A field is present if the kernel returned all of its bytes; absent is not zero. The kernel version does not matter.
"""

import struct

_U32_FIELDS = (
    "rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent last_ack_sent last_data_recv"
    " last_ack_recv pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space"
    " total_retrans"
)

_LATER = (
    ("pacing_rate", 104, 8),
    ("max_pacing_rate", 112, 8),
    ("bytes_acked", 120, 8),
    ("bytes_received", 128, 8),
    ("segs_out", 136, 4),
    ("segs_in", 140, 4),
    ("notsent_bytes", 144, 4),
    ("min_rtt", 148, 4),
    ("data_segs_in", 152, 4),
    ("data_segs_out", 156, 4),
    ("delivery_rate", 160, 8),
    ("busy_time", 168, 8),
    ("rwnd_limited", 176, 8),
    ("sndbuf_limited", 184, 8),
    ("delivered", 192, 4),
    ("delivered_ce", 196, 4),
    ("bytes_sent", 200, 8),
    ("bytes_retrans", 208, 8),
    ("dsack_dups", 216, 4),
    ("reord_seen", 220, 4),
    ("rcv_ooopack", 224, 4),
    ("snd_wnd", 228, 4),
    ("rcv_wnd", 232, 4),
    ("rehash", 236, 4),
    ("total_rto", 240, 2),
    ("total_rto_recoveries", 242, 2),
    ("total_rto_time", 244, 4),
)

FIELDS: tuple[tuple[str, int, int], ...] = (
    ("ca_state", 1, 1),
    ("retransmits", 2, 1),
    ("probes", 3, 1),
    ("backoff", 4, 1),
    ("options", 5, 1),
    ("wscale", 6, 1),
    ("delivery_rate_app_limited", 7, 1),
    *((name, 8 + 4 * index, 4) for index, name in enumerate(_U32_FIELDS.split())),
    *_LATER,
)
"""In order of offset. `wscale` holds both shifts (low nibble: the peer's); times are in us, RTOs in ms."""

NAMES = tuple(name for name, _, _ in FIELDS)
_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}


def _layout(length_bytes: int) -> tuple[struct.Struct, int]:
    """Return the struct of all fields within `length_bytes`, and their number."""
    code, at, fields = "=x", 1, 0
    for _, offset, size in FIELDS:
        if offset + size > length_bytes:
            break
        code += f"{offset - at}x{_CODES[size]}"
        at = offset + size
        fields += 1
    return struct.Struct(code), fields


_layouts: dict[int, tuple[struct.Struct, int]] = {}


def decode(data: bytes) -> tuple[int, ...]:
    """Return the values of the first fields of FIELDS, as many as `data` holds completely."""
    layout = _layouts.get(len(data))
    if layout is None:
        layout = _layouts[len(data)] = _layout(len(data))
    return layout[0].unpack_from(data) if layout[1] else ()
