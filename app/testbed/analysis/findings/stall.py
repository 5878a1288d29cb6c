"""The stall point of a cell: predicted before the run, predicted from its real buffers, and observed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from testbed.analysis.join.observation import Observation
from testbed.analysis.join.samples import ABSENT, Int64, Samples
from testbed.analysis.join.timeline import Timeline
from testbed.analysis.predict import Kernel, StallPoint, stall_point, stall_point_of

BOUNDED_BYTES: Final = 131_072
"""A program may keep a bounded buffer of its own: that of asyncio's streams takes 64 KiB and a write."""

ETHERNET_MTU_BYTES: Final = 1500
ETHERNET_MSS: Final = {"ipv4": 1448, "ipv6": 1428}
"""MTU 1500 less the headers and the time stamp option."""


@dataclass(frozen=True, slots=True)
class Stall:
    """`before` from what was requested, `after` from the buffers in the samples.

    `held_bytes` is the most that was accepted and not read at any sample.
    """

    before: StallPoint | None
    after: StallPoint | None
    held_bytes: int | None


def kernel_of(observation: Observation) -> Kernel:
    """Return what is known of the kernel: from `run.json`, what the cell set, and the algorithm from the samples."""
    sender, receiver = (
        {**(observation.host.get("sysctls") or {}), **end.sysctls} for end in (observation.sender, observation.receiver)
    )
    known = Kernel()
    congestion = observation.sender.samples.text("congestion") if observation.sender.samples is not None else ""
    return Kernel(
        congestion=congestion or str(sender.get("net.ipv4.tcp_congestion_control", known.congestion)),
        default_rcvbuf_bytes=_value(receiver, "net.ipv4.tcp_rmem", 1, known.default_rcvbuf_bytes),
        max_sndbuf_bytes=_value(sender, "net.ipv4.tcp_wmem", 2, known.max_sndbuf_bytes),
        rmem_max_bytes=_value(receiver, "net.core.rmem_max", 0, known.rmem_max_bytes),
        wmem_max_bytes=_value(sender, "net.core.wmem_max", 0, known.wmem_max_bytes),
    )


def _value(sysctls: Mapping[str, Any], name: str, index: int, otherwise: int) -> int:
    try:
        return int(str(sysctls[name]).split()[index])
    except (KeyError, IndexError, ValueError):
        return otherwise


def find_stall(observation: Observation) -> Stall:
    """Return predicted and observed stall point, as far as they are known."""
    before = None
    if {"sndbuf", "rcvbuf"} <= observation.requested.keys():
        before = stall_point(
            observation.requested["sndbuf"],
            observation.requested["rcvbuf"],
            _requested_mss(observation),
            kernel_of(observation),
        )
    return Stall(before, _after(observation), _held(observation))


def _requested_mss(observation: Observation) -> int:
    """Return the expected segment size: that of Ethernet, or of a smaller MTU."""
    mss = ETHERNET_MSS.get(str(observation.requested.get("family")), ETHERNET_MSS["ipv4"])
    mtu_bytes = observation.sender.mtu_bytes or ETHERNET_MTU_BYTES
    return max(1, mss - max(0, ETHERNET_MTU_BYTES - mtu_bytes))


def _after(observation: Observation) -> StallPoint | None:
    sender, receiver = observation.sender.samples, observation.receiver.samples
    if sender is None or receiver is None or observation.mss_bytes is None:
        return None
    sndbuf, rcvbuf = _sndbuf_when_fullest(observation, sender), receiver.most("rcvbuf")
    if not sndbuf or not rcvbuf:
        return None
    # The window after the last reopening may be much greater than any that the sender's queue was made for.
    return stall_point_of(sndbuf, rcvbuf, observation.mss_bytes)


def _sndbuf_when_fullest(observation: Observation, sender: Samples) -> int | None:
    """Return the send buffer when the most was held: later, when the window has opened, it may grow further."""
    timeline = observation.timeline
    if timeline is None or not len(timeline):
        return sender.most("sndbuf")
    line = timeline.line[int(timeline.held_bytes.argmax())]
    sndbuf = int(sender.column("sndbuf")[int(np.searchsorted(sender.line, line))])
    return sndbuf if sndbuf > 0 else sender.most("sndbuf")


def in_program_bytes(timeline: Timeline) -> Int64:
    """Return, at every sample, what the program calls written and the kernel has not accepted; 0 where not known."""
    known = (timeline.accepted_bytes != ABSENT) & (timeline.written_bytes != ABSENT)
    return np.where(known, timeline.written_bytes - timeline.accepted_bytes, 0)


def _held(observation: Observation) -> int | None:
    timeline = observation.timeline
    if timeline is None:
        return None
    held = timeline.held_bytes
    held = held[held != ABSENT]
    return int(held.max()) if len(held) else None
