"""Estimate what a cell leaves on the disk: its documents, and its raw files with compressed captures."""

from typing import Final

from testbed.scenario.model import Cell
from testbed.schedule.span import Span, largest
from testbed.schedule.transfer import calls, transfer_s, writes

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

SEGMENT_BYTES: Final = Span(65_000, 30_000, 1_400)
"""Data in a frame of a capture: a super-packet, or a segment."""

SAMPLE_BYTES: Final = Span(350, 400, 550)
"""Lines of `sockets.csv` and `resources.csv`, for one sample of one end."""


def documents_bytes() -> Span:
    """Return what stays of every cell."""
    return DOCUMENTS_BYTES


def raw_bytes(cell: Cell) -> Span:
    """Return the size of the raw files of both ends."""
    captures = _captures_bytes(cell)
    if cell.capture_max_bytes:
        captures = captures.at_most(2 * cell.capture_max_bytes)
    samples = Span()
    if cell.sample_interval_us:
        samples = SAMPLE_BYTES.times(transfer_s(cell) + Span(0.0, 0.05, 0.5)) * (2 * 1e6 / cell.sample_interval_us)
    lines = CALL_BYTES.times(calls(cell)) + NODE_BYTES * (cell.nodes * cell.repeat) + WRITE_BYTES * writes(cell)
    return RAW_BYTES + lines + captures + samples


def _captures_bytes(cell: Cell) -> Span:
    """Return the size of both captures: of a byte that a frame has beyond its headers, at most the snapshot length."""
    data = cell.total_bytes
    segments = Span(*(data / each for each in (SEGMENT_BYTES.low, SEGMENT_BYTES.likely, SEGMENT_BYTES.high)))
    frames = largest(segments, Span(0, writes(cell) if cell.nodelay else 0, writes(cell))) * 2
    payload = data if cell.snaplen_bytes == 0 else 0
    return FRAME_BYTES.times(frames) * 2 + Span(0.1, 0.5, 1.0) * (2 * payload)
