"""Analyse a capture: bytes in, connections with marked frames out."""

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.assembly import Assembly
from testbed.analysis.packets.dissect.headers import Skipped
from testbed.analysis.packets.dissect.options import TcpOptions, join_options
from testbed.analysis.packets.dissect.segments import Segments, join_segments, read_segments
from testbed.analysis.packets.errors import CaptureError
from testbed.analysis.packets.follow.connections import EndpointPairs
from testbed.analysis.packets.follow.streams import Flags
from testbed.analysis.packets.model import Capture, CaptureFacts
from testbed.analysis.packets.read.pcap import PcapFile
from testbed.analysis.packets.read.pcapng import PcapngFile
from testbed.analysis.packets.read.records import CaptureFile
from testbed.analysis.packets.read.views import Buffer

PCAPNG_MAGIC: Final = b"\x0a\x0d\x0d\x0a"


def read_capture(path: Path) -> Capture:
    """Read and analyse a capture file; raises CaptureError for a malformed file, OSError if it cannot be opened."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise CaptureError(0, "the file is empty")
        return analyse_capture(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def analyse_capture(buffer: Buffer) -> Capture:
    """Analyse a capture in memory; raises CaptureError where it is malformed."""
    file: CaptureFile = PcapngFile(buffer) if bytes(buffer[:4]) == PCAPNG_MAGIC else PcapFile(buffer)
    read = _read_segments(file, buffer)
    state = file.state
    facts = CaptureFacts(
        file_format=state.file_format,
        resolution_ns=state.resolution_ns,
        link_types=tuple(sorted(state.link_types)),
        truncated_at_byte=state.truncated_at_byte,
        dropped_packets=state.dropped_packets,
        packets=read.packets,
        skipped=read.skipped,
    )
    segments, options = read.segments, read.options
    return Assembly(segments, options, read.pair, read.is_reverse, read.pairs.endpoints).capture(facts)


@dataclass(slots=True)
class CaptureSegments:
    """All segments of a capture in file order, not yet sorted into connections."""

    segments: Segments
    options: TcpOptions
    pair: NDArray[np.int32]
    is_reverse: Flags
    pairs: EndpointPairs
    packets: int
    skipped: Skipped


def _read_segments(file: CaptureFile, buffer: Buffer) -> CaptureSegments:
    pairs, skipped, packets = EndpointPairs(), Skipped(), 0
    segments: list[Segments] = []
    options: list[TcpOptions] = []
    pair_parts: list[NDArray[np.int32]] = [np.empty(0, np.int32)]
    reverse_parts: list[Flags] = [np.empty(0, np.bool_)]
    released = 0
    for chunk in file.chunks():
        read = read_segments(buffer, chunk.records, skipped)
        pair, is_reverse = pairs.number(read)
        segments.append(read.segments)
        options.append(read.options)
        pair_parts.append(pair)
        reverse_parts.append(is_reverse)
        packets += chunk.packets
        released = _release_pages(buffer, released, chunk.ends_at)
    counts = [len(part) for part in pair_parts[1:]]
    return CaptureSegments(
        segments=segments[0] if len(segments) == 1 else join_segments(segments),
        options=options[0] if len(options) == 1 else join_options(options, counts),
        pair=np.concatenate(pair_parts),
        is_reverse=np.concatenate(reverse_parts),
        pairs=pairs,
        packets=packets,
        skipped=skipped,
    )


def _release_pages(buffer: Buffer, released: int, until: int) -> int:
    """Let the kernel drop the pages before `until`, so that memory does not grow with the file."""
    if not isinstance(buffer, mmap.mmap):
        return until
    page_start = until // mmap.PAGESIZE * mmap.PAGESIZE
    if page_start > released:
        buffer.madvise(mmap.MADV_DONTNEED, released, page_start - released)
    return max(page_start, released)
