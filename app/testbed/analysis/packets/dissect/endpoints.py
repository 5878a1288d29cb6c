"""Give every endpoint (address and port) of a window a number, exactly and in the order of the addresses.

An IPv4 endpoint is its own number. IPv6 addresses are numbered through the distinct upper and lower halves that occur,
so that two endpoints never share a number and the order is the same in every window.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Columns = list[NDArray[np.uint32]]
Flags = NDArray[np.bool_]

IPV6_MARK: Final = np.uint64(1 << 63)
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
    """The distinct halves of the IPv6 addresses of a window, sorted."""

    upper: Words
    lower: Words

    def endpoint(self, number: int) -> Endpoint:
        """Return the endpoint that has this number."""
        port = number & 0xFFFF
        if number < int(IPV6_MARK):
            return Endpoint(str(IPv4Address(number >> 16)), port)
        upper, lower = divmod((number - int(IPV6_MARK)) >> 16, len(self.lower))
        return Endpoint(str(IPv6Address(int(self.upper[upper]) << 64 | int(self.lower[lower]))), port)


def number_endpoints(uppers: Words, lowers: Words, ports: NDArray[np.uint16], six: Flags) -> tuple[Words, Numbering]:
    """Return the numbers of endpoints and what they mean; an IPv4 address (not `six`) is a lower half."""
    numbers = (lowers << PORT_BITS) | ports
    upper, upper_at = np.unique(uppers[six], return_inverse=True)
    lower, lower_at = np.unique(lowers[six], return_inverse=True)
    address = upper_at.astype(np.uint64) * np.uint64(len(lower)) + lower_at.astype(np.uint64)
    numbers[six] = IPV6_MARK | (address << PORT_BITS) | ports[six]
    return numbers, Numbering(upper, lower)


@dataclass(frozen=True, slots=True)
class Runs:
    """Stretches of frames between the same two endpoints, in either direction.

    `head` is the first frame of each, `run` the number of each frame's; `turned` tells whether a frame was sent in the
    other direction than the first of its run.
    """

    head: NDArray[np.int64]
    run: NDArray[np.int32]
    turned: Flags


def find_runs(source: Columns, target: Columns, ports: NDArray[np.uint32]) -> Runs:
    """Cut frames into runs: `source` and `target` are the words of the addresses, `ports` both ports in one.

    Each frame is compared with the one before it: that is all that most frames ever need.
    """
    back = ports << np.uint32(16) | ports >> np.uint32(16)
    same, swapped = ports[1:] == ports[:-1], ports[1:] == back[:-1]
    for mine, theirs in zip(source, target, strict=True):
        same &= mine[1:] == mine[:-1]
        same &= theirs[1:] == theirs[:-1]
        swapped &= mine[1:] == theirs[:-1]
        swapped &= theirs[1:] == mine[:-1]
    begins = np.ones(len(ports), np.bool_)
    begins[1:] = ~(same | swapped)
    turned = np.zeros(len(ports), np.bool_)
    turned[1:] = swapped & ~same
    np.logical_xor.accumulate(turned, out=turned)
    head = np.flatnonzero(begins)
    run = np.cumsum(begins, dtype=np.int32) - np.int32(1)
    return Runs(head, run, turned ^ turned[head][run])
