"""Put the segments of a capture together as connections, and the findings of the engine with them."""

from collections.abc import Iterator
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.dissect.endpoints import Endpoint
from testbed.analysis.packets.dissect.options import Options
from testbed.analysis.packets.dissect.segments import Segments, take_segments
from testbed.analysis.packets.flags import ACK, SYN, Mark
from testbed.analysis.packets.follow.connections import Layout, lay_out, sort_by_pair
from testbed.analysis.packets.follow.streams import Batch, Flags, Index
from testbed.analysis.packets.mark.engine import analyse
from testbed.analysis.packets.mark.fast_path import Results
from testbed.analysis.packets.mark.reference import UNKNOWN_SCALE
from testbed.analysis.packets.mark.relative import Relative
from testbed.analysis.packets.model import NONE, Capture, CaptureFacts, Frames, Table

BATCH_FRAMES = 1 << 16
"""Connections are analysed together until they have about so many frames: what is between stays in the cache."""

FIRST_LOOK_FRAMES = 64  # for the answer to a SYN; doubled until it is found

Pairs = list[tuple[Endpoint, Endpoint]]


class Assembly:
    """Segments sorted by connection, with room for what is found of them."""

    def __init__(
        self, segments: Segments, options: Options, pair: NDArray[np.int32], second: Flags, pairs: Pairs
    ) -> None:
        order = sort_by_pair(pair, len(pairs))
        if order is not None:
            place = np.empty_like(order)
            place[order] = np.arange(len(order))
            segments, pair, second = take_segments(segments, order), pair[order], second[order]
            options = options.move(place)
        self._segments, self._options, self._second, self._pairs = segments, options, second, pairs
        self._layout = lay_out(pair, second, segments.tcp_flags, segments.seq, segments.ack)
        count = len(segments.number)
        self._marks = np.zeros(count, np.uint32)
        self._numbers = {name: np.full(count, NONE, np.int64) for name in RESULT_COLUMNS}
        self._scale = np.full(count, UNKNOWN_SCALE, np.int8)
        self._final_scales = np.full((len(self._layout.pair), 2), UNKNOWN_SCALE, np.int8)

    def capture(self, facts: CaptureFacts) -> Capture:
        """Analyse everything and return the result."""
        for connections in _batches(self._layout):
            self._judge(connections)
        client_second = self._find_clients()
        frames = self._frames(client_second)
        return Capture(facts, frames, self._table(client_second))

    def _judge(self, connections: slice) -> None:
        batch = self._batch(connections)
        part = slice(*(int(self._layout.first[at]) for at in (connections.start, connections.stop)))
        found = {name: column[part] for name, column in self._numbers.items()}
        acked = found["acked_frame"]
        results = Results(self._marks[part], found["in_flight_bytes"], acked, found["ack_rtt_ns"], found["rto_ns"])
        relative = Relative(found["relative_seq_bytes"], found["relative_ack_bytes"])
        scales = analyse(batch, results, relative).scales
        self._scale[part] = np.where(batch.second, scales.before[:, 1], scales.before[:, 0])
        self._final_scales[connections] = scales.final
        there = np.flatnonzero(acked >= 0)
        acked[there] = self._segments.number[part][acked[there]]

    def _batch(self, connections: slice) -> Batch:
        first = self._layout.first[connections.start : connections.stop + 1]
        part = slice(int(first[0]), int(first[-1]))
        segments, options = self._segments, self._options
        chosen = slice(*np.searchsorted(options.row, (part.start, part.stop)))
        row = options.row[chosen] - part.start
        is_syn = segments.tcp_flags[options.row[chosen]] & SYN != 0
        is_sack = options.sack_blocks[chosen] >= 0
        return Batch(
            first=first - part.start,
            second=self._second[part],
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
        """Tell for each connection whether the pair's second endpoint is the client."""
        first = self._layout.first
        clients = self._second[first[:-1]].copy()
        rows = np.flatnonzero(self._segments.tcp_flags & SYN)
        owners, at = np.unique(np.searchsorted(first, rows, side="right") - 1, return_index=True)
        opening = rows[at]
        clients[owners] = self._second[opening] ^ (self._segments.tcp_flags[opening] & ACK != 0)
        return clients

    def _per_frame(self, per_connection: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.repeat(per_connection, np.diff(self._layout.first))

    def _frames(self, client_second: Flags) -> Frames:
        segments = self._segments
        reused = self._layout.first[:-1][self._layout.reused]
        self._marks[reused] |= np.uint32(Mark.REUSED_PORTS)
        from_client = self._second == self._per_frame(client_second)
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
            timestamp_value=segments.stamp,
            marks=self._marks,
            **self._numbers,
        )

    def _table(self, client_second: Flags) -> Table:
        first = self._layout.first
        order = np.argsort(self._segments.number[first[:-1]], kind="stable")
        pairs = [self._pairs[number] for number in self._layout.pair[order].tolist()]
        swapped = client_second[order].tolist()
        mss = np.zeros((len(order), 2), np.int64)
        told = self._options.mss_bytes > 0
        row = self._options.row[told]
        mss[np.searchsorted(first, row, side="right") - 1, self._second[row].astype(np.int64)] = (
            self._options.mss_bytes[told]
        )
        sides = np.where(client_second[:, None], [1, 0], [0, 1])[order]
        return Table(
            first=first[:-1][order],
            stop=first[1:][order],
            client=tuple(pair[swap] for pair, swap in zip(pairs, swapped, strict=True)),
            server=tuple(pair[1 - swap] for pair, swap in zip(pairs, swapped, strict=True)),
            window_scale=np.take_along_axis(self._final_scales[order], sides, axis=1),
            mss_bytes=np.take_along_axis(mss[order], sides, axis=1),
            reused_ports=self._layout.reused[order],
            initial_rtt_ns=self._round_trips()[order],
        )

    def _round_trips(self) -> Index:
        """Return each connection's time from its last SYN to the first acknowledgement after any."""
        first, tcp_flags, time_ns = self._layout.first, self._segments.tcp_flags, self._segments.time_ns
        found = np.full(len(first) - 1, NONE, np.int64)
        syns = np.flatnonzero(tcp_flags & (SYN | ACK) == SYN)
        owner = np.searchsorted(first, syns, side="right") - 1
        stop = np.minimum(np.append(syns[1:], len(tcp_flags)), first[owner + 1])
        for syn, connection, end in zip(syns.tolist(), owner.tolist(), stop.tolist(), strict=True):
            if found[connection] == NONE:
                found[connection] = _first_answer(tcp_flags[syn:end], time_ns[syn:end])
        return found


def _first_answer(tcp_flags: NDArray[np.uint16], time_ns: Index) -> int:
    """Return the time from the first of these frames to the first acknowledgement; zero counts as not known yet."""
    begin, step = 1, FIRST_LOOK_FRAMES
    while begin < len(tcp_flags):
        part = slice(begin, begin + step)
        answers = (tcp_flags[part] & (SYN | ACK) == ACK) & (time_ns[part] > time_ns[0])
        at = int(answers.argmax())
        if answers[at]:
            return int(time_ns[begin + at] - time_ns[0])
        begin, step = begin + step, step * 2
    return NONE


RESULT_COLUMNS = tuple(
    field.name
    for field in fields(Frames)
    if field.name.startswith(("relative_", "acked_", "ack_rtt", "rto_", "in_flight"))
)


def _batches(layout: Layout) -> Iterator[slice]:
    first = layout.first
    start, count = 0, len(first) - 1
    while start < count:
        stop = int(np.searchsorted(first, first[start] + BATCH_FRAMES))
        stop = min(max(stop, start + 1), count)
        yield slice(start, stop)
        start = stop
