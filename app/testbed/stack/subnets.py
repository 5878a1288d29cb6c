"""Choose the subnets of a cell's network: a small one of IPv4 and a /64 of IPv6, which nothing else uses.

Docker's own pools hold about 31 networks, and a route of a VPN can cover all of them. Explicit subnets have no such
limit. Docker compares them with those of its other networks, but not with the host's routes: this module does. No I/O.
"""

import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from random import Random
from typing import Final, TypeAlias

from testbed.errors import HostError, InputError

Network: TypeAlias = IPv4Network | IPv6Network

VARIABLE: Final = "TESTBED_SUBNETS"
"""Ranges in place of those below, separated by spaces or commas; a family that it does not name keeps its own."""

IPV4_RANGE: Final = IPv4Network("198.18.0.0/15")
"""Reserved for tests of network devices (RFC 2544, RFC 6890): never routed on the Internet, 16 384 networks."""

IPV6_RANGE: Final = IPv6Network("fd7c:9a41:53be::/48")
"""The project's ULA prefix (RFC 4193): 65 536 networks."""

PREFIX_BITS: Final = {4: 29, 6: 64}
"""Length of a cell's prefix by IP version. A /29 has five addresses behind the gateway's, and a cell has two ends."""

DEFAULT_ROUTE_BITS: Final = 8
"""Shorter prefixes lead everywhere, as 0.0.0.0/0 does and the two halves of it that VPNs install."""

_TAKEN: Final = ("overlaps", "overlapping ipv4", "overlapping ipv6", "failed to allocate gateway")
"""Parts of what Docker 20.10 to 29 answers when another network has the addresses, or a part of them."""


@dataclass(frozen=True, slots=True)
class Subnets:
    """The subnets of one network."""

    ipv4: IPv4Network
    ipv6: IPv6Network


@dataclass(frozen=True, slots=True)
class Ranges:
    """The ranges that subnets are leased from; the first one with a free subnet counts."""

    ipv4: tuple[IPv4Network, ...] = (IPV4_RANGE,)
    ipv6: tuple[IPv6Network, ...] = (IPV6_RANGE,)

    def __str__(self) -> str:
        """Return the ranges as VARIABLE has them."""
        return " ".join(map(str, (*self.ipv4, *self.ipv6)))


def parse_ranges(text: str) -> Ranges:
    """Return the ranges that the value of VARIABLE names; raises InputError with a line for each mistake."""
    found: list[Network] = []
    wrong: list[str] = []
    for word in text.replace(",", " ").split():
        try:
            network = ip_network(word)
        except ValueError as error:
            wrong.append(f"{VARIABLE}: {error}")
            continue
        wrong += [f"{VARIABLE}: {word} {reason}" for reason in _unusable(network)]
        found.append(network)
    if wrong:
        raise InputError(wrong, hint=f"name ranges that nothing else uses, such as {VARIABLE}={IPV4_RANGE}")
    ipv4 = tuple(each for each in found if isinstance(each, IPv4Network))
    ipv6 = tuple(each for each in found if isinstance(each, IPv6Network))
    return Ranges(ipv4 or (IPV4_RANGE,), ipv6 or (IPV6_RANGE,))


def _unusable(network: Network) -> Iterator[str]:
    longest = PREFIX_BITS[network.version]
    if network.prefixlen > longest:
        yield f"has no room for a /{longest}"
    if network.prefixlen < DEFAULT_ROUTE_BITS:
        yield f"is more than a /{DEFAULT_ROUTE_BITS}"
    if network.is_multicast or network.is_loopback or network.is_link_local or network.is_unspecified:
        yield "has no addresses for a network of containers"
    elif network.version == 4 and network.network_address.packed[0] == 0:
        yield "is of this network (0.0.0.0/8), and not for containers"


def is_taken(message: str) -> bool:
    """Return whether Docker refused a network because its addresses are in use."""
    lower = message.lower()
    return any(words in lower for words in _TAKEN)


def host_routes(ipv4: str, ipv6: str) -> list[Network]:
    """Return the destinations of the host's routes from the texts of /proc/net/route and /proc/net/ipv6_route.

    Without default routes, and without lines that are not routes.
    """
    found: list[Network] = []
    for line in ipv4.splitlines()[1:]:
        fields = line.split()
        if len(fields) == 11:
            address, mask = (int.from_bytes(bytes.fromhex(fields[index]), sys.byteorder) for index in (1, 7))
            found.append(IPv4Network((address & mask, mask.bit_count())))
    for line in ipv6.splitlines():
        fields = line.split()
        if len(fields) == 10:
            found.append(IPv6Network((bytes.fromhex(fields[0]), int(fields[1], 16)), strict=False))
    return [route for route in found if route.prefixlen >= DEFAULT_ROUTE_BITS]


class Leases:
    """The subnets of the networks of one engine, by the name of each network; not for several threads at once."""

    def __init__(self, rng: Random, ranges: Ranges | None = None) -> None:
        """`rng` chooses among the free subnets: at random, because other processes choose at the same time."""
        self._rng = rng
        self._ranges = ranges or Ranges()
        self._leased: dict[str, Subnets] = {}

    def lease(self, name: str, used: Iterable[Network]) -> Subnets:
        """Return subnets that are free of those `used` and of those leased, and keep them for this name.

        Raises HostError when a family has none left.
        """
        used = list(used)
        for lease in self._leased.values():
            used += (lease.ipv4, lease.ipv6)
        ipv4 = self._first(name, self._ranges.ipv4, used)
        ipv6 = self._first(name, self._ranges.ipv6, used)
        assert isinstance(ipv4, IPv4Network)
        assert isinstance(ipv6, IPv6Network)
        lease = self._leased[name] = Subnets(ipv4, ipv6)
        return lease

    def release(self, name: str) -> None:
        """Forget the subnets of a network, if it has any."""
        self._leased.pop(name, None)

    def _first(self, name: str, ranges: Sequence[Network], used: Iterable[Network]) -> Network:
        for each in ranges:
            subnet = free_subnet(each, used, self._rng)
            if subnet is not None:
                return subnet
        raise HostError(
            f"create network {name}: no subnet of {', '.join(map(str, ranges))} is free of other networks and routes",
            hint=f"`testbed clean`, or name another range: {VARIABLE}=10.213.0.0/16",
        )


def free_subnet(within: Network, used: Iterable[Network], rng: Random) -> Network | None:
    """Return a random subnet of a range that overlaps nothing that is used; None when there is none."""
    bits = within.max_prefixlen - PREFIX_BITS[within.version]
    first = int(within.network_address) >> bits
    count = 1 << (PREFIX_BITS[within.version] - within.prefixlen)
    gaps = _gaps(first, first + count, [each for each in used if each.version == within.version], bits)
    ends, total = [], 0
    for begin, end in gaps:
        total += end - begin
        ends.append(total)
    if not total:
        return None
    pick = rng.randrange(total)
    index = bisect_right(ends, pick)
    number = gaps[index][1] - (ends[index] - pick)
    return type(within)((number << bits, PREFIX_BITS[within.version]))


def _gaps(first: int, last: int, used: Iterable[Network], bits: int) -> list[tuple[int, int]]:
    """Return what the used networks leave of the subnets numbered from `first` to before `last`, as such ranges."""
    gaps = []
    spans = sorted((int(each.network_address) >> bits, int(each.broadcast_address) >> bits) for each in used)
    for begin, end in spans:
        if begin >= last:
            break
        if begin > first:
            gaps.append((first, begin))
        first = max(first, end + 1)
    if first < last:
        gaps.append((first, last))
    return gaps
