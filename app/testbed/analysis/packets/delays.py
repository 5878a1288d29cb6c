"""Measure the time to acknowledgements, and one-way delays between two captures."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.model import NONE, Connection, Frames, Int64

MIX: Final = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio: the multiplier of Fibonacci hashing (Knuth, TAOCP 3, section 6.4)."""


def time_to_ack_ns(connection: Connection) -> Int64:
    """Return the time from each frame with payload to the acknowledgement of all of it; -1 if there is none.

    In a capture at the receiver this is its acknowledgement delay, at the sender the round trip time including it.
    """
    frames = connection.frames
    delay_ns = np.full(len(frames), NONE, np.int64)
    for side in (False, True):
        data = np.flatnonzero((frames.from_client == side) & (frames.payload_bytes > 0))
        acks = np.flatnonzero(frames.from_client != side)
        if not len(data) or not len(acks):
            continue
        reached = np.maximum.accumulate(frames.relative_ack_bytes[acks])
        ends = frames.relative_seq_bytes[data] + frames.payload_bytes[data]
        nearest = np.searchsorted(reached, ends)
        ack = acks[np.minimum(nearest, len(acks) - 1)]
        matched = (nearest < len(acks)) & (ack > data)
        delay_ns[data[matched]] = frames.time_ns[ack[matched]] - frames.time_ns[data[matched]]
    return delay_ns


@dataclass(frozen=True, slots=True)
class OneWay:
    """Frames of one direction that are in the captures of both ends, in the order of sending.

    `sent_at` and `received_at` index the frames of the two connections; `delay_ns` is the time between. Frames of which
    the captures have different numbers of copies are counted in `unmatched_sent` and `unmatched_received`: they were
    lost, split or coalesced by offload, or retransmitted as indistinguishable copies.
    """

    sent_at: Int64
    received_at: Int64
    delay_ns: Int64
    unmatched_sent: int
    unmatched_received: int


def one_way_delays(sent: Connection, received: Connection, *, from_client: bool) -> OneWay:
    """Match the frames of one direction; both captures must use the same clock."""
    own, others = (np.flatnonzero(c.frames.from_client == from_client) for c in (sent, received))
    keys, other_keys = _keys(sent.frames, own), _keys(received.frames, others)
    order, other_order = (np.argsort(part, kind="stable") for part in (keys, other_keys))
    keys, other_keys = keys[order], other_keys[other_order]
    here, other_here = _copies(keys, keys), _copies(other_keys, keys)
    there, other_there = _copies(keys, other_keys), _copies(other_keys, other_keys)
    pairs = own[order[here == there]], others[other_order[other_here == other_there]]
    in_time = np.argsort(pairs[0], kind="stable")
    sent_at, received_at = pairs[0][in_time], pairs[1][in_time]
    return OneWay(
        sent_at=sent_at,
        received_at=received_at,
        delay_ns=received.frames.time_ns[received_at] - sent.frames.time_ns[sent_at],
        unmatched_sent=len(own) - len(sent_at),
        unmatched_received=len(others) - len(received_at),
    )


def _keys(frames: Frames, which: Int64) -> NDArray[np.uint64]:
    """Return a number that copies of a frame share; it leaves out what the network may change (TTL, link header)."""
    key = np.zeros(len(which), np.uint64)
    for column in (
        frames.relative_seq_bytes,
        frames.relative_ack_bytes,
        frames.payload_bytes,
        frames.tcp_flags,
        frames.window_raw,
        frames.timestamp_value,
    ):
        key = (key ^ column[which].astype(np.uint64)) * MIX
        key ^= key >> np.uint64(29)
    return key


def _copies(keys: NDArray[np.uint64], among: NDArray[np.uint64]) -> Int64:
    """Count how often each key occurs in the sorted `among`."""
    return np.searchsorted(among, keys, side="right") - np.searchsorted(among, keys)
