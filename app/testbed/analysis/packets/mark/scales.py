"""Follow the window scales of connections: the shift of each flow's windows, frame by frame.

A SYN may be repeated with another offer, because the first one was corrupted on the path or because a port pair is
reused with the same ISN. So the scales may change within a connection (RFC 7323, section 2.2).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.flags import ACK
from testbed.analysis.packets.follow.streams import Batch
from testbed.analysis.packets.mark.reference import UNKNOWN_SCALE, FlowState, negotiate_scale


@dataclass(frozen=True, slots=True)
class Scales:
    """One column a flow: `before` has the scales that apply before each frame, `final` each connection's last ones."""

    before: NDArray[np.int8]
    final: NDArray[np.int8]


def follow_scales(batch: Batch) -> Scales:
    """Return the window scales that the SYNs of the batch negotiate."""
    before = np.full((len(batch), 2), UNKNOWN_SCALE, np.int8)
    final = np.full((len(batch.first) - 1, 2), UNKNOWN_SCALE, np.int8)
    owners = np.searchsorted(batch.first, batch.syn_row, side="right") - 1
    # The scales of a SYN apply up to the next SYN, including it.
    ends = np.minimum(np.append(batch.syn_row[1:], len(batch)) + 1, batch.first[owners + 1])
    flows, previous_owner = (FlowState(), FlowState()), -1
    syns = (batch.syn_row, ends, owners, batch.syn_scale)
    for row, end, owner, offered in zip(*(column.tolist() for column in syns), strict=True):
        if owner != previous_owner:
            flows, previous_owner = (FlowState(), FlowState()), owner
        flow = int(batch.is_reverse[row])
        negotiate_scale(flows[flow], flows[1 - flow], offered, is_syn_ack=bool(batch.tcp_flags[row] & ACK))
        final[owner] = before[row + 1 : end] = flows[0].scale, flows[1].scale
    return Scales(before, final)
