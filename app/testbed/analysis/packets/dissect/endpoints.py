"""Number every endpoint (address and port) of a chunk, exactly and in the order of the addresses.

An IPv4 endpoint is its own number. IPv6 addresses are numbered through the distinct upper and lower halves that occur,
so that two endpoints never share a number and the order is the same in every chunk.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Columns = list[NDArray[np.uint32]]
Flags = NDArray[np.bool_]

IPV6_BIT: Final = np.uint64(1 << 63)
PORT_BITS: Final = np.uint64(16)


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """An address in text and a TCP port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Numbering:
    """The distinct halves of the IPv6 addresses of a chunk, sorted."""

    upper: Words
    lower: Words

    def endpoint(self, number: int) -> Endpoint:
        """Return the endpoint that has this number."""
        port = number & 0xFFFF
        if number < int(IPV6_BIT):
            return Endpoint(str(IPv4Address(number >> 16)), port)
        upper, lower = divmod((number - int(IPV6_BIT)) >> 16, len(self.lower))
        return Endpoint(str(IPv6Address(int(self.upper[upper]) << 64 | int(self.lower[lower]))), port)


def number_endpoints(
    uppers: Words, lowers: Words, ports: NDArray[np.uint16], is_ipv6: Flags
) -> tuple[Words, Numbering]:
    """Return the numbers of endpoints and their numbering; an IPv4 address is in the lower half."""
    numbers = (lowers << PORT_BITS) | ports
    upper, upper_at = np.unique(uppers[is_ipv6], return_inverse=True)
    lower, lower_at = np.unique(lowers[is_ipv6], return_inverse=True)
    address = upper_at.astype(np.uint64) * np.uint64(len(lower)) + lower_at.astype(np.uint64)
    numbers[is_ipv6] = IPV6_BIT | (address << PORT_BITS) | ports[is_ipv6]
    return numbers, Numbering(upper, lower)


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of consecutive frames between the same two endpoints, in either direction.

    `head` is the first frame of each run, `run` the number of each frame's run. `reversed` is True for frames
    sent in the opposite direction to the first of their run.
    """

    head: NDArray[np.int64]
    run: NDArray[np.int32]
    reversed: Flags


def find_runs(source: Columns, target: Columns, ports: NDArray[np.uint32]) -> Runs:
    """Split frames into runs; `source` and `target` are the words of the addresses, `ports` both ports in one word.

    Each frame is compared only with the one before it, which decides most frames of a real capture.
    """
    swapped_ports = ports << np.uint32(16) | ports >> np.uint32(16)
    same, swapped = ports[1:] == ports[:-1], ports[1:] == swapped_ports[:-1]
    for from_word, to_word in zip(source, target, strict=True):
        same &= from_word[1:] == from_word[:-1]
        same &= to_word[1:] == to_word[:-1]
        swapped &= from_word[1:] == to_word[:-1]
        swapped &= to_word[1:] == from_word[:-1]
    begins = np.ones(len(ports), np.bool_)
    begins[1:] = ~(same | swapped)
    is_reversed = np.zeros(len(ports), np.bool_)
    is_reversed[1:] = swapped & ~same
    np.logical_xor.accumulate(is_reversed, out=is_reversed)
    head = np.flatnonzero(begins)
    run = np.cumsum(begins, dtype=np.int32) - np.int32(1)
    return Runs(head, run, is_reversed ^ is_reversed[head][run])
