"""Make captures with corrupted bits, as they come from a link that corrupts frames."""

import random
import struct

from tests.support.captures import Wrapping, pcap_file
from tests.support.random_exchange import random_segments

ETHERNET_BYTES = 14
HEADERS_BYTES = 80
"""Only bits of the IP and TCP headers are flipped."""


def damaged_capture(seed: int) -> bytes:
    """Return random exchanges in which one frame of ten has one flipped bit; half of those are repeated intact."""
    rng = random.Random(seed)
    wrapping = Wrapping(version=rng.choice((4, 6)))
    frames: list[tuple[int, bytes]] = []
    for segment in random_segments(seed):
        intact = _set_identification(wrapping.frame(segment), len(frames))
        if rng.random() >= 0.1:
            frames.append((segment.time_ns, intact))
            continue
        frames.append((segment.time_ns, _flip_bit(intact, rng)))
        if rng.random() < 0.5:
            frames.append((segment.time_ns, _set_identification(intact, len(frames))))
    return pcap_file(frames, wrapping.link_type)


def _flip_bit(frame: bytes, rng: random.Random) -> bytes:
    """Flip one bit of the IP or TCP header, as netem's `corrupt` does (net/sched/sch_netem.c, netem_enqueue)."""
    at = rng.randrange(ETHERNET_BYTES, min(len(frame), ETHERNET_BYTES + HEADERS_BYTES))
    return frame[:at] + bytes((frame[at] ^ 1 << rng.randrange(8),)) + frame[at + 1 :]


def _set_identification(frame: bytes, number: int) -> bytes:
    """Set a distinct IPv4 identification; tshark would reassemble two fragments that have the same one."""
    if frame[ETHERNET_BYTES] >> 4 != 4:
        return frame
    at = ETHERNET_BYTES + 4
    return frame[:at] + struct.pack(">H", number) + frame[at + 2 :]
