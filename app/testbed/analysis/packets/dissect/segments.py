"""Dissect the packets of one chunk of the file into columns of TCP segments."""

from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.dissect.endpoints import Numbering, Runs, Words, find_runs, number_endpoints
from testbed.analysis.packets.dissect.headers import Dissection, RawFrames, Skipped, TcpGroup
from testbed.analysis.packets.dissect.options import TIMESTAMP_FIRST, TcpOptions, join_options, read_options
from testbed.analysis.packets.read.records import Records
from testbed.analysis.packets.read.views import Buffer

WIDTHS_BYTES: Final = (88, 128, 1024)
"""How much of a frame is read: enough for a VLAN tag, IPv6 and TCP; for more tags; for extension headers."""

FLAG_BITS: Final = 0x0FFF
COLUMN_KINDS: Final = (
    *(np.int64, np.int64, np.uint32, np.uint32),
    *(np.uint16, np.uint16, np.uint32, np.uint8, np.uint32),
)
"""The types of the columns of `Segments`, in their order."""

EMPTY: Final = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Segments:
    """TCP segments as columns."""

    number: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    seq: NDArray[np.uint32]
    ack: NDArray[np.uint32]
    window: NDArray[np.uint16]
    tcp_flags: NDArray[np.uint16]
    payload_bytes: NDArray[np.uint32]
    header_bytes: NDArray[np.uint8]
    tsval: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Conversations:
    """The endpoints of each segment of a chunk.

    Segments come in runs between two endpoints. `head` is the first segment of each run, `source` and `target` are its
    endpoints as numbered by `numbering`. `run` is each segment's run, `reversed` is True for segments
    sent from their run's target to its source.
    """

    head: NDArray[np.int64]
    source: Words
    target: Words
    numbering: Numbering
    run: NDArray[np.int64]
    reversed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SegmentChunk:
    """The segments of one chunk in file order and their options; `options.row` counts within the chunk."""

    segments: Segments
    conversations: Conversations
    options: TcpOptions


def read_segments(buffer: Buffer, groups: tuple[Records, ...], skipped: Skipped) -> SegmentChunk:
    """Return the TCP segments of a chunk's packets; count the other packets in `skipped`."""
    parts = [(records, group) for records in groups for group in _dissect(buffer, records, skipped)]
    columns = [_columns(records, group) for records, group in parts]
    options = [read_options(group, c.header_bytes, c.tcp_flags) for (_, group), c in zip(parts, columns, strict=True)]
    for column, found in zip(columns, options, strict=True):
        has_tsval = found.tsval > 0
        column.tsval[found.row[has_tsval]] = found.tsval[has_tsval]
    conversations = _find_conversations([group for _, group in parts])
    if len(parts) == 1:
        return SegmentChunk(columns[0], conversations, options[0])
    segments = join_segments(columns)
    order = np.argsort(segments.number, kind="stable")
    index = np.empty_like(order)
    index[order] = np.arange(len(order))
    joined = join_options(options, [len(c.number) for c in columns])
    conversations = replace(
        conversations,
        head=index[conversations.head],
        run=conversations.run[order],
        reversed=conversations.reversed[order],
    )
    return SegmentChunk(take_segments(segments, order), conversations, joined.reindex(index))


def join_segments(parts: list[Segments]) -> Segments:
    """Return the segments of all parts, one part after another."""
    empties: list[Any] = [np.empty(0, kind) for kind in COLUMN_KINDS]
    empty = Segments(*empties)
    columns: dict[str, Any] = {
        c.name: np.concatenate([getattr(p, c.name) for p in [empty, *parts]]) for c in fields(Segments)
    }
    return Segments(**columns)


def take_segments(segments: Segments, chosen: NDArray[np.int64]) -> Segments:
    """Return the chosen segments, in that order."""
    return Segments(*(getattr(segments, c.name)[chosen] for c in fields(Segments)))


def _dissect(buffer: Buffer, records: Records, skipped: Skipped) -> list[TcpGroup]:
    """Return the groups of a chunk's frames; frames with long headers are read again with wider columns."""
    groups: list[TcpGroup] = []
    which: NDArray[np.int64] | None = None
    for width in WIDTHS_BYTES:
        dissection = Dissection(skipped)
        dissection.dissect(RawFrames.of(buffer, records, which, width), records.link_type)
        groups += dissection.groups
        if not dissection.deep:
            return groups
        which = np.sort(np.concatenate(dissection.deep))
    skipped.malformed += 0 if which is None else len(which)
    return groups


def _find_conversations(groups: list[TcpGroup]) -> Conversations:
    runs = [find_runs(*group.addresses(), group.frames.u32(group.tcp_at)) for group in groups]
    frames_before = np.cumsum([0, *(len(r.run) for r in runs)]).tolist()
    runs_before = np.cumsum([0, *(len(r.head) for r in runs)]).tolist()
    numbers, numbering = _number_endpoints(groups, runs)
    return Conversations(
        head=np.concatenate([EMPTY, *(r.head + at for r, at in zip(runs, frames_before, strict=False))]),
        source=numbers[: runs_before[-1]],
        target=numbers[runs_before[-1] :],
        numbering=numbering,
        run=np.concatenate([EMPTY, *(r.run + at for r, at in zip(runs, runs_before, strict=False))]),
        reversed=np.concatenate([EMPTY.astype(np.bool_), *(r.reversed for r in runs)]),
    )


def _number_endpoints(groups: list[TcpGroup], runs: list[Runs]) -> tuple[Words, Numbering]:
    """Return numbers for the sources of all runs, then for their targets."""
    halves: list[list[Words]] = [[], []]
    ports, is_ipv6 = [EMPTY.astype(np.uint16)], [EMPTY.astype(np.bool_)]
    for which in (0, 1):
        for group, run in zip(groups, runs, strict=True):
            words = [column[run.head].astype(np.uint64) for column in group.addresses()[which]]
            padded = [np.zeros_like(words[0])] * (4 - len(words)) + words
            for half, (high, low) in zip(halves, (padded[:2], padded[2:]), strict=True):
                half.append(high << np.uint64(32) | low)
            ports.append(group.frames.u16(group.tcp_at + 2 * which)[run.head])
            is_ipv6.append(np.full(len(run.head), group.version == 6))
    upper, lower = (np.concatenate([EMPTY.astype(np.uint64), *half]) for half in halves)
    return number_endpoints(upper, lower, np.concatenate(ports), np.concatenate(is_ipv6))


def _columns(records: Records, group: TcpGroup) -> Segments:
    frames, at = group.frames, group.tcp_at
    is_all = len(frames) == len(records.number)
    offset_and_flags = frames.u16(at + 12)
    header_bytes = (offset_and_flags >> 12).astype(np.uint8) * np.uint8(4)
    tsval = frames.u32(at + 24).copy()
    has_timestamp = (frames.u32(at + 20) == TIMESTAMP_FIRST) & (header_bytes >= 32) & (frames.captured_bytes >= at + 28)
    if not has_timestamp.all():
        tsval[~has_timestamp] = 0
    return Segments(
        number=records.number if is_all else records.number[frames.which],
        time_ns=records.time_ns if is_all else records.time_ns[frames.which],
        seq=frames.u32(at + 4).copy(),
        ack=frames.u32(at + 8).copy(),
        window=frames.u16(at + 14),
        tcp_flags=offset_and_flags & np.uint16(FLAG_BITS),
        payload_bytes=(group.segment_bytes - header_bytes).astype(np.uint32),
        header_bytes=header_bytes,
        tsval=tsval,
    )
