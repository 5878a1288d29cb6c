"""Analyse a capture: bytes in, connections with every frame marked out."""

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.assembly import Assembly
from testbed.analysis.packets.dissect.headers import Skipped
from testbed.analysis.packets.dissect.options import Options, join_options
from testbed.analysis.packets.dissect.segments import Segments, join_segments, read_segments
from testbed.analysis.packets.errors import CaptureError
from testbed.analysis.packets.follow.connections import Pairs
from testbed.analysis.packets.follow.streams import Flags
from testbed.analysis.packets.model import Capture, CaptureFacts
from testbed.analysis.packets.read.pcap import PcapFile
from testbed.analysis.packets.read.pcapng import PcapngFile
from testbed.analysis.packets.read.records import CaptureFile
from testbed.analysis.packets.read.views import Buffer

PCAPNG_MAGIC: Final = b"\x0a\x0d\x0d\x0a"


def read_capture(path: Path) -> Capture:
    """Read and analyse a capture file; raises CaptureError when it is none, OSError when it cannot be opened."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise CaptureError(0, "the file is empty")
        return analyse_capture(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def analyse_capture(buffer: Buffer) -> Capture:
    """Analyse a capture in memory; raises CaptureError where it makes no sense."""
    file: CaptureFile = PcapngFile(buffer) if bytes(buffer[:4]) == PCAPNG_MAGIC else PcapFile(buffer)
    gathered = _gather(file, buffer)
    progress = file.progress
    facts = CaptureFacts(
        file_format=progress.file_format,
        resolution_ns=progress.resolution_ns,
        link_types=tuple(sorted(progress.link_types)),
        cut_at_byte=progress.cut_at_byte,
        dropped_packets=progress.dropped_packets,
        packets=gathered.packets,
        skipped=gathered.skipped,
    )
    segments, options = gathered.segments, gathered.options
    return Assembly(segments, options, gathered.pair, gathered.second, gathered.pairs.endpoints).capture(facts)


@dataclass(slots=True)
class Gathered:
    """All segments of a capture in file order, before they are sorted into connections."""

    segments: Segments
    options: Options
    pair: NDArray[np.int32]
    second: Flags
    pairs: Pairs
    packets: int
    skipped: Skipped


def _gather(file: CaptureFile, buffer: Buffer) -> Gathered:
    pairs, skipped, packets = Pairs(), Skipped(), 0
    segments: list[Segments] = []
    options: list[Options] = []
    numbers: list[NDArray[np.int32]] = [np.empty(0, np.int32)]
    seconds: list[Flags] = [np.empty(0, np.bool_)]
    done = 0
    for window in file.windows():
        read = read_segments(buffer, window.records, skipped)
        number, second = pairs.number(read)
        segments.append(read.segments)
        options.append(read.options)
        numbers.append(number)
        seconds.append(second)
        packets += window.packets
        done = _give_back(buffer, done, window.ends_at)
    counts = [len(number) for number in numbers[1:]]
    return Gathered(
        segments=segments[0] if len(segments) == 1 else join_segments(segments),
        options=options[0] if len(options) == 1 else join_options(options, counts),
        pair=np.concatenate(numbers),
        second=np.concatenate(seconds),
        pairs=pairs,
        packets=packets,
        skipped=skipped,
    )


def _give_back(buffer: Buffer, done: int, until: int) -> int:
    """Let the kernel drop the pages that have been read, so that memory does not grow with the file."""
    if not isinstance(buffer, mmap.mmap):
        return until
    whole = until // mmap.PAGESIZE * mmap.PAGESIZE
    if whole > done:
        buffer.madvise(mmap.MADV_DONTNEED, done, whole - done)
    return max(whole, done)
