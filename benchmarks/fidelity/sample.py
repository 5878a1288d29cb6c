"""Extract the results of the packets of one row from the captures before and after an engine."""

import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.fidelity.inference import Numbers
from netem.observe.pcap import read_records, read_snaplen

WORD: Final = struct.Struct("!2sHI")  # mark, row, packet
MARK: Final = b"fd"
WORDS: Final = 12
_RECORD_HEADER_BYTES: Final = 16
_UDP_CHECKSUM: Final = slice(40, 42)  # not yet complete when the frame enters the engine
_BLOCK_FRAMES: Final = 100
_APART_MS: Final = 40.0
"""The gap between two slots is longer, the gap within a slot shorter, despite the noise of the machine."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of the test: its time, its number and its bytes."""

    time_ns: int
    number: int
    data: bytes


def read_frames(path: Path, row: int) -> list[Frame]:
    """Return the frames of a row in a capture; the most frequent word identifies a damaged one."""
    frames = []
    with path.open("rb") as file:
        read_snaplen(file)
        for record in read_records(file):
            data = record.data[_RECORD_HEADER_BYTES:]
            payload = data[-WORD.size * WORDS :]
            word = Counter(payload[at : at + WORD.size] for at in range(0, len(payload), WORD.size)).most_common(1)[0][
                0
            ]
            if len(word) == WORD.size:
                mark, of_row, number = WORD.unpack(word)
                if mark == MARK and of_row == row:
                    frames.append(Frame(record.time_ns, number, data))
    return frames


@dataclass(frozen=True, slots=True)
class Sample:
    """The results for the packets of one row, in the order in which they entered."""

    delays_ms: Numbers
    """Delay of each packet's first arrival; NaN if it was lost."""
    copies: NDArray[np.int64]
    damaged: NDArray[np.bool_]
    """Whether an arrived copy differs from the packet sent."""
    left_ms: Numbers
    """When each frame left, in the order in which they left."""

    @property
    def arrived(self) -> NDArray[np.bool_]:
        """Return which packets arrived."""
        return self.copies > 0

    @property
    def known_ms(self) -> Numbers:
        """Return the delays of the packets that arrived."""
        return self.delays_ms[self.arrived]


def make_sample(entered: Iterable[Frame], left: Iterable[Frame]) -> Sample:
    """Match the frames before the engine with those after it."""
    before = {frame.number: frame for frame in sorted(entered, key=lambda frame: frame.number)}
    position = {number: index for index, number in enumerate(before)}
    delays = np.full(len(before), np.nan)
    copies = np.zeros(len(before), dtype=np.int64)
    damaged = np.zeros(len(before), dtype=np.bool_)
    times = []
    for frame in sorted(left, key=lambda frame: frame.time_ns):
        first = before.get(frame.number)
        if first is None:
            continue
        index = position[frame.number]
        if not copies[index]:
            delays[index] = (frame.time_ns - first.time_ns) / 1e6
        copies[index] += 1
        damaged[index] |= _without_checksum(first.data) != _without_checksum(frame.data)
        times.append(frame.time_ns / 1e6)
    start_ms = times[0] if times else 0.0
    return Sample(delays, copies, damaged, np.array(times) - start_ms)


def _without_checksum(data: bytes) -> bytes:
    return data[: _UDP_CHECKSUM.start] + data[_UDP_CHECKSUM.stop :]


def bursts(arrived: NDArray[np.bool_]) -> Numbers:
    """Return the lengths of the runs of lost packets."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], arrived, [True]]).astype(np.int8)))
    return np.diff(edges)[::2].astype(np.float64)


def after(arrived: NDArray[np.bool_], *, loss: bool) -> tuple[int, int]:
    """Return how many packets were lost directly after a loss, or after an arrival, and of how many."""
    following = arrived[1:][arrived[:-1] != loss]
    return int(np.count_nonzero(~following)), len(following)


def bunches(left_ms: Numbers) -> tuple[Numbers, Numbers]:
    """Return the sizes of the bursts, and the intervals between their starts."""
    starts = [0] + [index for index, (a, b) in enumerate(pairwise(left_ms), 1) if b - a > _APART_MS]
    sizes = np.diff([*starts, len(left_ms)]).astype(np.float64)
    return sizes[1:-1], np.diff(left_ms[starts])[1:]


def lag_correlation(values: Numbers) -> float:
    """Return the correlation of each value with the next."""
    return float(np.corrcoef(values[:-1], values[1:])[0, 1])


def spacing_ms(left_ms: Numbers) -> float:
    """Return the interval between frames: the median over blocks, because a stall of the machine empties the queue."""
    return float(np.median(np.diff(left_ms[::_BLOCK_FRAMES])) / _BLOCK_FRAMES)


def longest_pause_ms(left_ms: Numbers) -> float:
    """Return the longest gap, except at the sparse start and end of a row."""
    margin = len(left_ms) // 20
    return float(np.max(np.diff(left_ms[margin : len(left_ms) - margin]), initial=0.0))
