"""TCP flags, and the marks that the analysis sets on frames."""

from enum import IntFlag
from typing import Final

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
PSH: Final = 0x08
ACK: Final = 0x10


class Mark(IntFlag):
    """What a frame is; docs/packets.md has the exact conditions. All but the last two have Wireshark's names.

    RETRANSMISSION, FAST_RETRANSMISSION, SPURIOUS_RETRANSMISSION and OUT_OF_ORDER are mutually exclusive here; Wireshark
    shows `retransmission` in addition to the fast and the spurious one.
    """

    REUSED_PORTS = 1 << 0
    ZERO_WINDOW_PROBE = 1 << 1
    ZERO_WINDOW = 1 << 2
    LOST_SEGMENT = 1 << 3
    KEEP_ALIVE = 1 << 4
    WINDOW_UPDATE = 1 << 5
    WINDOW_FULL = 1 << 6
    KEEP_ALIVE_ACK = 1 << 7
    ZERO_WINDOW_PROBE_ACK = 1 << 8
    DUPLICATE_ACK = 1 << 9
    ACK_LOST_SEGMENT = 1 << 10
    SPURIOUS_RETRANSMISSION = 1 << 11
    FAST_RETRANSMISSION = 1 << 12
    OUT_OF_ORDER = 1 << 13
    RETRANSMISSION = 1 << 14
    PARTIAL_ACK = 1 << 15
    WINDOW_PROBE = 1 << 16
    DUPLICATE_SACK = 1 << 17


RETRANSMISSIONS: Final = Mark.RETRANSMISSION | Mark.FAST_RETRANSMISSION | Mark.SPURIOUS_RETRANSMISSION
"""Data that was sent before, for any reason."""
