"""Simulate a sender that waits for window, partly for the reader and partly for the path."""

from dataclasses import replace

from testbed.analysis.events import parse_log
from testbed.analysis.join.observation import Observation
from testbed.analysis.join.samples import parse_samples
from tests.support.captures import ACK, EPOCH_NS, Segment, exchange
from tests.support.samples import same_as, with_columns
from tests.support.transfers import MS, OFFSET_NS, START_NS, captures_of

WINDOW = 10_000


def cycles(path_ms: int, reader_ms: int, count: int = 6) -> Observation:
    """Return a sender that fills the window, a reader that empties it after a while, and a path that takes its time.

    The whole window arrives at once, lies unread for `reader_ms`, is read at once, and comes again `path_ms` later.
    """
    opening = exchange()[:3]
    segments, reads, samples = (
        list(opening),
        [],
        ["monotonic_ns,realtime_ns,cookie,state,busy_time,rwnd_limited,sndbuf_limited"],
    )
    at_ms = 10
    for number in range(count):
        begin = 1001 + number * WINDOW
        arrives = Segment(begin, 5001, flags=ACK, length=WINDOW, window=500, time_ns=EPOCH_NS + at_ms * MS)
        full = replace(arrives, seq=5001, ack=begin + WINDOW, length=0, window=0, from_server=True)
        at_ms += reader_ms
        read_ns = START_NS + at_ms * MS
        reads.append(f"read,{read_ns - 1000},{read_ns},{WINDOW},0")
        reopened = replace(full, window=WINDOW // 128, time_ns=EPOCH_NS + at_ms * MS)
        segments += [arrives, full, reopened]
        at_ms += path_ms
    for tick in range(0, at_ms, 20):
        waited_us = max(0, tick - 10) * 1000
        samples.append(f"{START_NS + tick * MS},{EPOCH_NS + tick * MS},1,ESTABLISHED,{waited_us},{waited_us},0")
    observation = captures_of(segments, realtime_offset_ns=OFFSET_NS)
    return replace(
        observation,
        sender=replace(observation.sender, samples=parse_samples(samples)),
        receiver=replace(observation.receiver, log=parse_log(reads)),
    )


def window_limited(path_ms: int, reader_ms: int) -> Observation:
    """Return the same for a dozen windows, the kernel counting all of its time as limited by the window."""
    return with_columns(cycles(path_ms, reader_ms, count=12), busy_time=same_as("rwnd_limited"), sndbuf_limited=0)
