"""Captures of which some frames have a wrong bit: what a link that corrupts leaves for the one who listens."""

import random
import struct

from tests.support.captures import Wrapping, pcap_file
from tests.support.random_exchange import random_segments

ETHERNET_BYTES = 14
HEADERS_BYTES = 80
"""Where a wrong bit matters to who reads the capture: IP's and TCP's headers."""


def damaged_capture(seed: int) -> bytes:
    """Return random exchanges in which one frame of ten has one wrong bit; half of those come again unharmed."""
    rng = random.Random(seed)
    wrapping = Wrapping(version=rng.choice((4, 6)))
    frames: list[tuple[int, bytes]] = []
    for segment in random_segments(seed):
        whole = _identified(wrapping.frame(segment), len(frames))
        if rng.random() >= 0.1:
            frames.append((segment.time_ns, whole))
            continue
        frames.append((segment.time_ns, _with_a_wrong_bit(whole, rng)))
        if rng.random() < 0.5:
            frames.append((segment.time_ns, _identified(whole, len(frames))))
    return pcap_file(frames, wrapping.link_type)


def _with_a_wrong_bit(frame: bytes, rng: random.Random) -> bytes:
    """netem's `corrupt` (net/sched/sch_netem.c, netem_enqueue), kept to the headers and off the link's own."""
    at = rng.randrange(ETHERNET_BYTES, min(len(frame), ETHERNET_BYTES + HEADERS_BYTES))
    return frame[:at] + bytes((frame[at] ^ 1 << rng.randrange(8),)) + frame[at + 1 :]


def _identified(frame: bytes, number: int) -> bytes:
    """Give an IPv4 packet an identification of its own: with equal ones tshark makes one packet of two fragments."""
    if frame[ETHERNET_BYTES] >> 4 != 4:
        return frame
    at = ETHERNET_BYTES + 4
    return frame[:at] + struct.pack(">H", number) + frame[at + 2 :]
