"""Limits and patterns of the sidecar's settings: the sidecar checks them, the orchestrator checks them beforehand."""

import re
from typing import Final

PORT: Final = 8888
"""The TCP port under test, where none is given."""
MIN_CAPTURE_MAX_BYTES: Final = 8_000_000
"""Two capture points keep at most four files each, of at least 1 MB, which is tcpdump's unit."""
MIN_IPV6_MTU_BYTES: Final = 1280  # RFC 8200, section 5
CONGESTION_NAME: Final = re.compile(r"[a-z0-9_-]{1,15}")  # TCP_CA_NAME_MAX is 16, with the final zero
SYSCTL_KEY: Final = re.compile(r"net(\.[A-Za-z0-9_-]+)+")
