"""Turn the packets of one window into columns of TCP segments."""

from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.dissect.endpoints import Numbering, Runs, Words, find_runs, number_endpoints
from testbed.analysis.packets.dissect.headers import Dissection, Frames, Skipped, TcpGroup
from testbed.analysis.packets.dissect.options import TIMESTAMP_FIRST, Options, join_options, read_options
from testbed.analysis.packets.read.records import Records
from testbed.analysis.packets.read.views import Buffer

WIDTHS_BYTES: Final = (88, 128, 1024)
"""Of what is read of a frame: enough for a VLAN tag, IPv6 and TCP; for more tags; for chains of extension headers."""

FLAG_BITS: Final = 0x0FFF
COLUMN_KINDS: Final = (
    *(np.int64, np.int64, np.uint32, np.uint32),
    *(np.uint16, np.uint16, np.uint32, np.uint8, np.uint32),
)
"""Of `Segments`, in its order."""

NOTHING: Final = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Segments:
    """TCP segments by columns."""

    number: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    seq: NDArray[np.uint32]
    ack: NDArray[np.uint32]
    window: NDArray[np.uint16]
    tcp_flags: NDArray[np.uint16]
    payload_bytes: NDArray[np.uint32]
    header_bytes: NDArray[np.uint8]
    stamp: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Talks:
    """Who sent each segment of a window to whom.

    Segments come in runs between two endpoints. `source` and `target` are those of the first segment of a run, as
    `numbering` numbers them, and `head` is that segment. `run` is each segment's, `turned` tells whether it was sent
    from the run's target to its source.
    """

    head: NDArray[np.int64]
    source: Words
    target: Words
    numbering: Numbering
    run: NDArray[np.int64]
    turned: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SegmentWindow:
    """The segments of one window in file order, and their options (`options.row` counts within the window)."""

    segments: Segments
    talks: Talks
    options: Options


def read_segments(buffer: Buffer, groups: tuple[Records, ...], skipped: Skipped) -> SegmentWindow:
    """Return the TCP segments of a window's packets; adds to `skipped` what is none."""
    parts = [(records, group) for records in groups for group in _dissect(buffer, records, skipped)]
    columns = [_columns(records, group) for records, group in parts]
    options = [read_options(group, c.header_bytes, c.tcp_flags) for (_, group), c in zip(parts, columns, strict=True)]
    for column, found in zip(columns, options, strict=True):
        told = found.stamp > 0
        column.stamp[found.row[told]] = found.stamp[told]
    talks = _find_talks([group for _, group in parts])
    if len(parts) == 1:
        return SegmentWindow(columns[0], talks, options[0])
    segments = join_segments(columns)
    order = np.argsort(segments.number, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    joined = join_options(options, [len(c.number) for c in columns])
    moved = replace(talks, head=place[talks.head], run=talks.run[order], turned=talks.turned[order])
    return SegmentWindow(take_segments(segments, order), moved, joined.move(place))


def join_segments(parts: list[Segments]) -> Segments:
    """Return all parts' segments, one part after another."""
    nothing: list[Any] = [np.empty(0, kind) for kind in COLUMN_KINDS]
    empty = Segments(*nothing)
    columns: dict[str, Any] = {
        c.name: np.concatenate([getattr(p, c.name) for p in [empty, *parts]]) for c in fields(Segments)
    }
    return Segments(**columns)


def take_segments(segments: Segments, chosen: NDArray[np.int64]) -> Segments:
    """Return the chosen segments, in that order."""
    return Segments(*(getattr(segments, c.name)[chosen] for c in fields(Segments)))


def _dissect(buffer: Buffer, records: Records, skipped: Skipped) -> list[TcpGroup]:
    """Return the groups of a window's frames; the few whose headers reach too far are looked at again, wider."""
    groups: list[TcpGroup] = []
    which: NDArray[np.int64] | None = None
    for width in WIDTHS_BYTES:
        dissection = Dissection(skipped)
        dissection.link(Frames.of(buffer, records, which, width), records.link_type)
        groups += dissection.groups
        if not dissection.deep:
            return groups
        which = np.sort(np.concatenate(dissection.deep))
    skipped.malformed += 0 if which is None else len(which)
    return groups


def _find_talks(groups: list[TcpGroup]) -> Talks:
    runs = [find_runs(*group.addresses(), group.frames.u32(group.tcp_at)) for group in groups]
    frames_before = np.cumsum([0, *(len(r.run) for r in runs)]).tolist()
    runs_before = np.cumsum([0, *(len(r.head) for r in runs)]).tolist()
    numbers, numbering = _number_ends(groups, runs)
    return Talks(
        head=np.concatenate([NOTHING, *(r.head + at for r, at in zip(runs, frames_before, strict=False))]),
        source=numbers[: runs_before[-1]],
        target=numbers[runs_before[-1] :],
        numbering=numbering,
        run=np.concatenate([NOTHING, *(r.run + at for r, at in zip(runs, runs_before, strict=False))]),
        turned=np.concatenate([NOTHING.astype(np.bool_), *(r.turned for r in runs)]),
    )


def _number_ends(groups: list[TcpGroup], runs: list[Runs]) -> tuple[Words, Numbering]:
    """Return numbers for the sources of all runs, then for their targets."""
    halves: list[list[Words]] = [[], []]
    ports, six = [NOTHING.astype(np.uint16)], [NOTHING.astype(np.bool_)]
    for end in (0, 1):
        for group, run in zip(groups, runs, strict=True):
            words = [column[run.head].astype(np.uint64) for column in group.addresses()[end]]
            padded = [np.zeros_like(words[0])] * (4 - len(words)) + words
            for half, (high, low) in zip(halves, (padded[:2], padded[2:]), strict=True):
                half.append(high << np.uint64(32) | low)
            ports.append(group.frames.u16(group.tcp_at + 2 * end)[run.head])
            six.append(np.full(len(run.head), group.version == 6))
    upper, lower = (np.concatenate([NOTHING.astype(np.uint64), *half]) for half in halves)
    return number_endpoints(upper, lower, np.concatenate(ports), np.concatenate(six))


def _columns(records: Records, group: TcpGroup) -> Segments:
    frames, at = group.frames, group.tcp_at
    everything = len(frames) == len(records.number)
    offset_and_flags = frames.u16(at + 12)
    header_bytes = (offset_and_flags >> 12).astype(np.uint8) * np.uint8(4)
    stamp = frames.u32(at + 24).copy()
    stamped = (frames.u32(at + 20) == TIMESTAMP_FIRST) & (header_bytes >= 32) & (frames.captured_bytes >= at + 28)
    if not stamped.all():
        stamp[~stamped] = 0
    return Segments(
        number=records.number if everything else records.number[frames.which],
        time_ns=records.time_ns if everything else records.time_ns[frames.which],
        seq=frames.u32(at + 4).copy(),
        ack=frames.u32(at + 8).copy(),
        window=frames.u16(at + 14),
        tcp_flags=offset_and_flags & np.uint16(FLAG_BITS),
        payload_bytes=(group.segment_bytes - header_bytes).astype(np.uint32),
        header_bytes=header_bytes,
        stamp=stamp,
    )
