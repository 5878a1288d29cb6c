"""Assemble the segments of a capture into connections, mark them, and build the result."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.dissect.options import TcpOptions
from testbed.analysis.packets.dissect.segments import Segments, take_segments
from testbed.analysis.packets.flags import ACK, SYN, Mark
from testbed.analysis.packets.follow.connections import (
    ConnectionRanges,
    EndpointPair,
    sort_by_pair,
    split_connections,
)
from testbed.analysis.packets.follow.streams import Batch, Flags, Index
from testbed.analysis.packets.mark.fast_path import AnalysisColumns
from testbed.analysis.packets.mark.marking import mark_batch
from testbed.analysis.packets.mark.reference import UNKNOWN_SCALE
from testbed.analysis.packets.mark.relative import RelativeNumbers
from testbed.analysis.packets.model import NONE, Capture, CaptureFacts, ConnectionTable, Frames

BATCH_FRAMES = 1 << 16
"""Connections are marked in batches of about so many frames, so that intermediate columns stay in the cache."""

FIRST_SEARCH_FRAMES: Final = 64
"""How many frames are searched for the ACK of a SYN at first; the number doubles until it is found."""

RESULT_COLUMNS: Final = tuple(
    field.name
    for field in fields(Frames)
    if field.name.startswith(("relative_", "acked_", "ack_rtt", "rto_", "in_flight"))
)


class Assembly:
    """Segments sorted by connection, and the columns of the result."""

    def __init__(
        self,
        segments: Segments,
        options: TcpOptions,
        pair: NDArray[np.int32],
        is_reverse: Flags,
        pairs: list[EndpointPair],
    ) -> None:
        order = sort_by_pair(pair, len(pairs))
        if order is not None:
            index = np.empty_like(order)
            index[order] = np.arange(len(order))
            segments, pair, is_reverse = take_segments(segments, order), pair[order], is_reverse[order]
            options = options.reindex(index)
        self._segments, self._options, self._is_reverse, self._pairs = segments, options, is_reverse, pairs
        self._ranges = split_connections(pair, is_reverse, segments.tcp_flags, segments.seq, segments.ack)
        count = len(segments.number)
        self._marks = np.zeros(count, np.uint32)
        self._numbers = {name: np.full(count, NONE, np.int64) for name in RESULT_COLUMNS}
        self._scale = np.full(count, UNKNOWN_SCALE, np.int8)
        self._final_scales = np.full((len(self._ranges.pair), 2), UNKNOWN_SCALE, np.int8)

    def capture(self, facts: CaptureFacts) -> Capture:
        """Mark all frames and return the result."""
        for connections in _batches(self._ranges):
            self._mark(connections)
        is_swapped = self._find_clients()
        frames = self._frames(is_swapped)
        return Capture(facts, frames, self._table(is_swapped))

    def _mark(self, connections: slice) -> None:
        batch = self._batch(connections)
        part = slice(*(int(self._ranges.first[at]) for at in (connections.start, connections.stop)))
        numbers = {name: column[part] for name, column in self._numbers.items()}
        acked = numbers["acked_frame"]
        columns = AnalysisColumns(
            self._marks[part], numbers["in_flight_bytes"], acked, numbers["ack_rtt_ns"], numbers["rto_ns"]
        )
        relative = RelativeNumbers(numbers["relative_seq_bytes"], numbers["relative_ack_bytes"])
        scales = mark_batch(batch, columns, relative)
        self._scale[part] = np.where(batch.is_reverse, scales.before[:, 1], scales.before[:, 0])
        self._final_scales[connections] = scales.final
        with_acked = np.flatnonzero(acked >= 0)
        acked[with_acked] = self._segments.number[part][acked[with_acked]]

    def _batch(self, connections: slice) -> Batch:
        first = self._ranges.first[connections.start : connections.stop + 1]
        part = slice(int(first[0]), int(first[-1]))
        segments, options = self._segments, self._options
        chosen = slice(*np.searchsorted(options.row, (part.start, part.stop)))
        row = options.row[chosen] - part.start
        is_syn = segments.tcp_flags[options.row[chosen]] & SYN != 0
        is_sack = options.sack_blocks[chosen] >= 0
        return Batch(
            first=first - part.start,
            is_reverse=self._is_reverse[part],
            time_ns=segments.time_ns[part],
            seq=segments.seq[part],
            ack=segments.ack[part],
            window=segments.window[part],
            tcp_flags=segments.tcp_flags[part],
            payload_bytes=segments.payload_bytes[part],
            sack_row=row[is_sack],
            sack_blocks=options.sack_blocks[chosen][is_sack],
            edges=options.edges[chosen][is_sack],
            syn_row=row[is_syn],
            syn_scale=options.window_scale[chosen][is_syn],
        )

    def _find_clients(self) -> Flags:
        """Return for each connection whether the pair's higher endpoint is the client."""
        first = self._ranges.first
        is_swapped = self._is_reverse[first[:-1]].copy()
        rows = np.flatnonzero(self._segments.tcp_flags & SYN)
        owners, at = np.unique(np.searchsorted(first, rows, side="right") - 1, return_index=True)
        opening = rows[at]
        is_swapped[owners] = self._is_reverse[opening] ^ (self._segments.tcp_flags[opening] & ACK != 0)
        return is_swapped

    def _per_frame(self, per_connection: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.repeat(per_connection, np.diff(self._ranges.first))

    def _frames(self, is_swapped: Flags) -> Frames:
        segments = self._segments
        reused = self._ranges.first[:-1][self._ranges.reused]
        self._marks[reused] |= np.uint32(Mark.REUSED_PORTS)
        from_client = self._is_reverse == self._per_frame(is_swapped)
        is_syn = segments.tcp_flags & SYN != 0
        window = segments.window.astype(np.int64) << np.where(is_syn, 0, np.maximum(self._scale, 0))
        window[(self._scale == UNKNOWN_SCALE) & ~is_syn] = NONE
        edge = self._numbers["relative_ack_bytes"] + window
        edge[(window == NONE) | (segments.tcp_flags & ACK == 0)] = NONE
        return Frames(
            number=segments.number,
            time_ns=segments.time_ns,
            from_client=from_client,
            tcp_flags=segments.tcp_flags,
            payload_bytes=segments.payload_bytes,
            header_bytes=segments.header_bytes,
            window_raw=segments.window,
            window_bytes=window,
            right_edge_bytes=edge,
            timestamp_value=segments.tsval,
            marks=self._marks,
            **self._numbers,
        )

    def _table(self, is_swapped: Flags) -> ConnectionTable:
        first = self._ranges.first
        order = np.argsort(self._segments.number[first[:-1]], kind="stable")
        pairs = [self._pairs[number] for number in self._ranges.pair[order].tolist()]
        swaps = is_swapped[order].tolist()
        mss = np.zeros((len(order), 2), np.int64)
        has_mss = self._options.mss_bytes > 0
        row = self._options.row[has_mss]
        owners = np.searchsorted(first, row, side="right") - 1
        mss[owners, self._is_reverse[row].astype(np.int64)] = self._options.mss_bytes[has_mss]
        client_first = np.where(is_swapped[:, None], [1, 0], [0, 1])[order]
        return ConnectionTable(
            first=first[:-1][order],
            stop=first[1:][order],
            client=tuple(pair[swap] for pair, swap in zip(pairs, swaps, strict=True)),
            server=tuple(pair[1 - swap] for pair, swap in zip(pairs, swaps, strict=True)),
            window_scale=np.take_along_axis(self._final_scales[order], client_first, axis=1),
            mss_bytes=np.take_along_axis(mss[order], client_first, axis=1),
            reused_ports=self._ranges.reused[order],
            initial_rtt_ns=self._initial_rtts()[order],
        )

    def _initial_rtts(self) -> Index:
        """Return each connection's time from its last SYN to the first ACK after any SYN."""
        first, tcp_flags, time_ns = self._ranges.first, self._segments.tcp_flags, self._segments.time_ns
        found = np.full(len(first) - 1, NONE, np.int64)
        syns = np.flatnonzero(tcp_flags & (SYN | ACK) == SYN)
        owner = np.searchsorted(first, syns, side="right") - 1
        stop = np.minimum(np.append(syns[1:], len(tcp_flags)), first[owner + 1])
        for syn, connection, end in zip(syns.tolist(), owner.tolist(), stop.tolist(), strict=True):
            if found[connection] == NONE:
                found[connection] = _time_to_first_ack(tcp_flags[syn:end], time_ns[syn:end])
        return found


def _time_to_first_ack(tcp_flags: NDArray[np.uint16], time_ns: Index) -> int:
    """Return the time from the first of these frames to the first later ACK; -1 when there is none."""
    begin, count = 1, FIRST_SEARCH_FRAMES
    while begin < len(tcp_flags):
        part = slice(begin, begin + count)
        is_ack = (tcp_flags[part] & (SYN | ACK) == ACK) & (time_ns[part] > time_ns[0])
        at = int(is_ack.argmax())
        if is_ack[at]:
            return int(time_ns[begin + at] - time_ns[0])
        begin, count = begin + count, count * 2
    return NONE


def _batches(ranges: ConnectionRanges) -> Iterator[slice]:
    first = ranges.first
    start, count = 0, len(first) - 1
    while start < count:
        stop = int(np.searchsorted(first, first[start] + BATCH_FRAMES))
        stop = min(max(stop, start + 1), count)
        yield slice(start, stop)
        start = stop
