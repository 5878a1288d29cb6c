"""Make batches for packet marking without a capture file."""

from collections.abc import Sequence

import numpy as np

from testbed.analysis.packets.dissect.options import parse_options
from testbed.analysis.packets.follow.streams import Batch
from testbed.analysis.packets.mark.fast_path import AnalysisColumns
from testbed.analysis.packets.mark.marking import mark_batch
from testbed.analysis.packets.mark.relative import RelativeNumbers
from tests.support.captures import MASK, SYN, Segment


def batch_of(*connections: Sequence[Segment]) -> Batch:
    """Return a batch of connections in which the client is the lower endpoint."""
    rows = [segment for segments in connections for segment in segments]
    parsed = [parse_options(row.options) for row in rows]
    sacks = [(at, options.blocks) for at, options in enumerate(parsed) if options.blocks is not None]
    edges = np.zeros((len(sacks), 8), np.uint32)
    for n, (_, blocks) in enumerate(sacks):
        edges[n, : len(blocks)] = blocks
    syns = [at for at, row in enumerate(rows) if row.flags & SYN]
    return Batch(
        first=np.cumsum([0, *(len(segments) for segments in connections)]),
        is_reverse=np.array([row.from_server for row in rows], np.bool_),
        time_ns=np.array([row.time_ns for row in rows], np.int64),
        seq=np.array([row.seq & MASK for row in rows], np.uint32),
        ack=np.array([row.ack & MASK for row in rows], np.uint32),
        window=np.array([row.window for row in rows], np.uint16),
        tcp_flags=np.array([row.flags for row in rows], np.uint16),
        payload_bytes=np.array([row.length for row in rows], np.uint32),
        sack_row=np.array([at for at, _ in sacks], np.int64),
        sack_blocks=np.array([len(blocks) // 2 for _, blocks in sacks], np.int64),
        edges=edges,
        syn_row=np.array(syns, np.int64),
        syn_scale=np.array([parsed[at].window_scale for at in syns], np.int64),
    )


def marked(batch: Batch) -> AnalysisColumns:
    """Return the columns that marking a batch fills."""
    columns = AnalysisColumns.empty(len(batch))
    mark_batch(batch, columns, RelativeNumbers.empty(len(batch)))
    return columns
