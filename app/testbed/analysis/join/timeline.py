"""Where the bytes were at every sample of the sender: accepted, not sent, in flight, waiting at the receiver, read.

Sequence numbers count a SYN and a FIN as one byte each, and so do the kernel's queues and counters; here they are
subtracted (include/linux/tcp.h: write_seq, snd_una, rcv_nxt, copied_seq).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.events import Calls
from testbed.analysis.join.samples import (
    ABSENT,
    FIN_ACKED,
    FIN_QUEUED,
    FIN_RECEIVED,
    UNSYNCHRONISED,
    Int64,
    Samples,
)

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Timeline:
    """One element per sample of the sender; counts of bytes, -1 where not known.

    `accepted_bytes` is what the kernel has accepted from the program, `written_bytes` the sum of calls that returned,
    `in_progress_bytes` the size of the write that has not returned. `acked + not_sent + in_flight = accepted`.
    `stalled`: nothing moved at either end between the samples around this one.
    """

    at_ns: Int64
    line: Int64
    accepted_bytes: Int64
    written_bytes: Int64
    in_progress_bytes: Int64
    acked_bytes: Int64
    not_sent_bytes: Int64
    in_flight_bytes: Int64
    receive_queue_bytes: Int64
    read_bytes: Int64
    stalled: Flags

    def __len__(self) -> int:
        return len(self.at_ns)

    @property
    def send_queue_bytes(self) -> Int64:
        """What the sender's kernel holds: not sent, or sent and not acknowledged."""
        return self.accepted_bytes - self.acked_bytes

    @property
    def held_bytes(self) -> Int64:
        """What was accepted and has not been read, where both are known; else -1."""
        known = (self.accepted_bytes != ABSENT) & (self.read_bytes != ABSENT)
        return np.where(known, self.accepted_bytes - self.read_bytes, ABSENT)


@dataclass(frozen=True, slots=True)
class _Sender:
    at_ns: Int64
    line: Int64
    acked: Int64
    queue: Int64
    not_sent: Int64


@dataclass(frozen=True, slots=True)
class _Receiver:
    at_ns: Int64
    queue: Int64
    received: Int64


def _sender(samples: Samples) -> _Sender:
    chosen = ~samples.state_in(UNSYNCHRONISED)
    closed = samples.state_in(FIN_ACKED)
    queue = samples.column("send_queue_bytes").copy()
    # The end that sends the data opened the connection, so its acknowledged bytes include its SYN.
    acked = samples.column("bytes_acked").copy()
    known = acked != ABSENT
    acked[known] -= 1
    acked[known & closed] -= 1
    queue[samples.state_in(FIN_QUEUED) & (queue > 0)] -= 1
    not_sent = samples.column("notsent_bytes").copy()
    known = not_sent != ABSENT
    not_sent[known] = np.clip(not_sent[known], 0, np.maximum(queue[known], 0))
    return _Sender(*(part[chosen] for part in (samples.at_ns, samples.line, acked, queue, not_sent)))


def _receiver(samples: Samples | None) -> _Receiver | None:
    if samples is None:
        return None
    chosen = ~samples.state_in(UNSYNCHRONISED) & ~samples.state_in(("CLOSE",))
    if not chosen.any():
        return None
    ended = samples.state_in(FIN_RECEIVED)
    queue = samples.column("receive_queue_bytes").copy()
    queue[ended & (queue > 0)] -= 1
    received = samples.column("bytes_received").copy()
    received[ended & (received > 0)] -= 1
    return _Receiver(*(part[chosen] for part in (samples.at_ns, queue, received)))


def join(sender: Samples, receiver: Samples | None, *, writes: Calls | None, reads: Calls | None) -> Timeline:
    """Join the samples of both ends and their logs at the times of the sender's samples."""
    mine, theirs = _sender(sender), _receiver(receiver)
    at_ns, count = mine.at_ns, len(mine.at_ns)
    nothing = np.full(count, ABSENT, np.int64)
    queue, received, before, after = _last_known(theirs, at_ns)
    if reads is not None:
        read = reads.done_at(at_ns)
    else:
        read = np.where((received != ABSENT) & (queue != ABSENT), received - queue, ABSENT)
    accepted = np.where(mine.acked != ABSENT, mine.acked + mine.queue, ABSENT)
    return Timeline(
        at_ns=at_ns,
        line=mine.line,
        accepted_bytes=accepted,
        written_bytes=nothing if writes is None else writes.done_at(at_ns),
        in_progress_bytes=np.zeros(count, np.int64) if writes is None else writes.in_progress_bytes_at(at_ns),
        acked_bytes=mine.acked,
        not_sent_bytes=mine.not_sent,
        in_flight_bytes=np.where(mine.not_sent != ABSENT, mine.queue - mine.not_sent, ABSENT),
        receive_queue_bytes=queue,
        read_bytes=read,
        stalled=_stalled(mine, theirs, (before, after), (writes, reads)),
    )


def _last_known(theirs: _Receiver | None, at_ns: Int64) -> tuple[Int64, Int64, Int64, Int64]:
    """Return the receiver's queue and count at each time, and which of its samples are before and after (-1: none)."""
    nothing = np.full(len(at_ns), ABSENT, np.int64)
    if theirs is None:
        return nothing, nothing, nothing, nothing
    after = np.searchsorted(theirs.at_ns, at_ns, side="right")
    before = after - 1
    queue = np.where(before >= 0, theirs.queue[before], ABSENT)
    received = np.where(before >= 0, theirs.received[before], ABSENT)
    return queue, received, before, np.where(after < len(theirs.at_ns), after, ABSENT)


def _stalled(
    mine: _Sender, theirs: _Receiver | None, around: tuple[Int64, Int64], logs: tuple[Calls | None, Calls | None]
) -> Flags:
    """Return where nothing moved between the surrounding samples of both ends."""
    count = len(mine.at_ns)
    found = np.zeros(count, np.bool_)
    if theirs is None or count < 3:
        return found
    before, after = around
    inner = np.arange(count)
    inner = inner[(inner > 0) & (inner < count - 1) & (before >= 0) & (after >= 0)]
    same = np.ones(len(inner), np.bool_)
    for values in (mine.acked, mine.queue, mine.not_sent):
        same &= (values[inner] == values[inner - 1]) & (values[inner] == values[inner + 1])
    for values in (theirs.queue, theirs.received):
        same &= values[before[inner]] == values[after[inner]]
    from_ns = np.minimum(mine.at_ns[inner - 1], theirs.at_ns[before[inner]])
    until_ns = np.maximum(mine.at_ns[inner + 1], theirs.at_ns[after[inner]])
    for calls in logs:
        if calls is not None:
            same &= ~calls.any_within(from_ns, until_ns)
    found[inner] = same
    return found
