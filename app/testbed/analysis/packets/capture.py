"""Analyse a capture: bytes in, connections with marked frames out."""

import mmap
from pathlib import Path
from typing import Final

import numpy as np

from testbed.analysis.packets.assembly import Assembly
from testbed.analysis.packets.dissect.headers import Skipped
from testbed.analysis.packets.dissect.options import TcpOptions, join_options
from testbed.analysis.packets.dissect.segments import Segments, join_segments, read_segments
from testbed.analysis.packets.errors import CaptureError
from testbed.analysis.packets.follow.connections import EndpointPairs
from testbed.analysis.packets.model import Capture, CaptureFacts
from testbed.analysis.packets.read.pcap import PcapFile
from testbed.analysis.packets.read.pcapng import PcapngFile
from testbed.analysis.packets.read.records import CaptureFile
from testbed.analysis.packets.read.views import Buffer
from testbed.compressed.expand import expand

PCAPNG_MAGIC: Final = b"\x0a\x0d\x0d\x0a"


def read_capture(path: Path) -> Capture:
    """Read and analyse a capture file, which may be compressed with zstd or gzip.

    Raises CaptureError for a malformed file, OSError if it cannot be opened. What precedes a fault in the compression
    is analysed, and `facts.compression_flaw` names the fault.
    """
    expanded = expand(path)
    if expanded is not None:
        if expanded.too_large or not expanded.buffer:
            hint = "`zstd -dc` expands it; what is not compressed has no limit" if expanded.too_large else ""
            raise CaptureError(0, expanded.flaw or "the file expands to nothing", hint=hint)
        return analyse_capture(expanded.buffer, expanded.flaw)
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise CaptureError(0, "the file is empty")
        return analyse_capture(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def analyse_capture(buffer: Buffer, compression_flaw: str = "") -> Capture:
    """Analyse a capture in memory, which a fault in its compression may have cut off.

    Raises CaptureError where it is malformed.
    """
    file: CaptureFile = PcapngFile(buffer) if bytes(buffer[:4]) == PCAPNG_MAGIC else PcapFile(buffer)
    skipped = Skipped()
    assembly, packets = _read_segments(file, buffer, skipped)
    state = file.state
    return assembly.capture(
        CaptureFacts(
            file_format=state.file_format,
            resolution_ns=state.resolution_ns,
            link_types=tuple(sorted(state.link_types)),
            truncated_at_byte=len(buffer)
            if compression_flaw and state.truncated_at_byte is None
            else state.truncated_at_byte,
            compression_flaw=compression_flaw,
            dropped_packets=state.dropped_packets,
            packets=packets,
            skipped=skipped,
        )
    )


def _read_segments(file: CaptureFile, buffer: Buffer, skipped: Skipped) -> tuple[Assembly, int]:
    """Return all segments of a capture, and how many packets it has; count those that are no TCP in `skipped`."""
    pairs, packets, released = EndpointPairs(), 0, 0
    segments: list[Segments] = []
    options: list[TcpOptions] = []
    numbered = []
    for chunk in file.chunks():
        read = read_segments(buffer, chunk.records, skipped)
        segments.append(read.segments)
        options.append(read.options)
        numbered.append(pairs.number(read))
        packets += chunk.packets
        released = _release_pages(buffer, released, chunk.ends_at)
    assembly = Assembly(
        segments[0] if len(segments) == 1 else join_segments(segments),
        options[0] if len(options) == 1 else join_options(options, [len(pair) for pair, _ in numbered]),
        np.concatenate([np.empty(0, np.int32), *(pair for pair, _ in numbered)]),
        np.concatenate([np.empty(0, np.bool_), *(is_reverse for _, is_reverse in numbered)]),
        pairs.endpoints,
    )
    return assembly, packets


def _release_pages(buffer: Buffer, released: int, until: int) -> int:
    """Allow the kernel to drop the pages before `until`, so that memory does not grow with the file."""
    if not isinstance(buffer, mmap.mmap):
        return until
    page_start = until // mmap.PAGESIZE * mmap.PAGESIZE
    if page_start > released:
        buffer.madvise(mmap.MADV_DONTNEED, released, page_start - released)
    return max(page_start, released)
