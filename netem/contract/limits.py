"""Limits and patterns of the sidecar's settings: the sidecar checks them, the orchestrator checks them beforehand."""

import re
from typing import Final, NamedTuple


class Bounds(NamedTuple):
    """The least and the greatest value, both allowed."""

    low: int
    high: int


PORT: Final = 8888
"""The TCP port under test, where none is given."""
PORTS: Final = Bounds(1, 65_535)
SEEDS: Final = Bounds(0, 2**63 - 1)
PROBES: Final = Bounds(0, 100_000)

SNAPLEN_BYTES: Final = Bounds(64, 262_144)
"""From the headers of one frame to tcpdump's greatest; 0 stands for whole frames."""
CAPTURE_MAX_BYTES: Final = Bounds(8_000_000, 1 << 50)
"""Two capture points keep at most four files each, of at least 1 MB, which is tcpdump's unit; 0 stands for no limit."""
SAMPLE_INTERVAL_MS: Final = Bounds(0, 60_000)

MTU_BYTES: Final = Bounds(68, 65_535)  # RFC 791: 68 is the least that every IPv4 link carries
MIN_IPV6_MTU_BYTES: Final = 1280  # RFC 8200, section 5
ADVMSS_BYTES: Final = Bounds(1, 65_495)  # the greatest IP packet without its headers
WINDOW_SEGMENTS: Final = Bounds(1, 65_535)
RTO_MIN_MS: Final = Bounds(1, 120_000)  # TCP_RTO_MAX of linux/tcp.h
CONGESTION_NAME: Final = re.compile(r"[a-z0-9_-]{1,15}")  # TCP_CA_NAME_MAX is 16, with the final zero
SYSCTL_KEY: Final = re.compile(r"net(\.[A-Za-z0-9_-]+)+")
