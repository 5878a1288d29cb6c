"""What Docker engines answer to subnets that are in use, from their sources and from reports of their users."""

from typing import Final

TAKEN: Final = (
    "Pool overlaps with other one on this address space",
    "invalid pool request: Pool overlaps with other one on this address space",
    "cannot create network 0f (br-0f): conflicts with network a1 (br-a1): networks have overlapping IPv4",
    "cannot create network 0f (br-0f): conflicts with network a1 (br-a1): networks have overlapping IPv6",
    "failed to allocate gateway (198.18.0.1): Address already in use",
)
"""20.10; 23 to 29; the bridge driver of all of them, twice; an address that a container of another driver has."""
