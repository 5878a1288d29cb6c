"""Estimate what a cell leaves on the disk: its documents, and its raw files with compressed captures."""

from math import inf
from typing import Final

from testbed.scenario.model import Cell
from testbed.schedule.span import Span, largest
from testbed.schedule.transfer import calls, writes

DOCUMENTS_BYTES: Final = Span(24_000, 27_000, 40_000)
"""`cell.json` and `result.json`, the folder, and the cell's lines in the documents of the run."""

RAW_BYTES: Final = Span(60_000, 68_000, 90_000)
"""Of both ends: folders, logs and records that every cell has, in blocks of the file system."""

CALL_BYTES: Final = Span(40, 48, 60)
"""A line of `events.csv`."""

NODE_BYTES: Final = Span(70, 80, 90)
"""A line of the receiver's `stdout.log`: it prints each node."""

WRITE_BYTES: Final = Span(0, 15, 30)
"""A line of the sender's `stdout.log`, which the C client has for each write."""

FRAME_BYTES: Final = Span(8, 15, 40)
"""A frame of a capture, compressed."""

HEADERS_BYTES: Final = 82
"""A frame without data in a capture, not compressed: its record, Ethernet, IPv4, TCP with timestamps."""

PAYLOAD_SHARE: Final = Span(0.001, 0.02, 0.05)
"""What zstd leaves of the data of a list, where frames are captured whole: 0.0016 to 0.034, by the size of nodes."""

SEGMENT_BYTES: Final = Span(65_000, 30_000, 1_400)
"""Data in a frame of a capture: a super-packet, or a segment."""

SAMPLE_BYTES: Final = Span(350, 400, 550)
"""Lines of `sockets.csv` and `resources.csv`, for one sample of one end."""


def documents_bytes() -> Span:
    """Return what stays of every cell."""
    return DOCUMENTS_BYTES


def raw_bytes(cell: Cell, moves_s: Span) -> Span:
    """Return the size of the raw files of both ends after a transfer of this time."""
    samples = Span()
    if cell.sample_interval_us:
        samples = SAMPLE_BYTES.times(moves_s + Span(0.0, 0.05, 0.5)) * (2 * 1e6 / cell.sample_interval_us)
    lines = CALL_BYTES.times(calls(cell)) + NODE_BYTES * (cell.nodes * cell.repeat) + WRITE_BYTES * writes(cell)
    return RAW_BYTES + lines + _captures_bytes(cell) + samples


def _captures_bytes(cell: Cell) -> Span:
    """Return the size of both captures, compressed: what is beyond the maximum is not there."""
    most_bytes = float(cell.capture_max_bytes or inf)
    data = cell.total_bytes
    segments = Span(*(data / each for each in (SEGMENT_BYTES.low, SEGMENT_BYTES.likely, SEGMENT_BYTES.high)))
    frames = largest(segments, Span(0, writes(cell) if cell.nodelay else 0, writes(cell))) * 2
    payload = PAYLOAD_SHARE * min(data, most_bytes) if cell.snaplen_bytes == 0 else Span()
    return (FRAME_BYTES.times(frames.at_most(most_bytes / HEADERS_BYTES)) + payload) * 2
