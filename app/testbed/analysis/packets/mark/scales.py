"""Follow the window scales of connections: what each side's windows were shifted by, frame by frame.

A SYN may come again with another offer, because the first one was damaged on its way or because ports are used again
with the same first number. So the scales are a matter of time, not of the connection. (RFC 7323, section 2.2)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.flags import ACK
from testbed.analysis.packets.follow.streams import Batch
from testbed.analysis.packets.mark.reference import UNKNOWN_SCALE, Flow, agree_on_scale


@dataclass(frozen=True, slots=True)
class Scales:
    """One column a side: `before` has what was known before each frame of a batch, `final` each connection's last."""

    before: NDArray[np.int8]
    final: NDArray[np.int8]


def follow_scales(batch: Batch) -> Scales:
    """Return the window scales that the SYNs of the batch agree on."""
    before = np.full((len(batch), 2), UNKNOWN_SCALE, np.int8)
    final = np.full((len(batch.first) - 1, 2), UNKNOWN_SCALE, np.int8)
    owners = np.searchsorted(batch.first, batch.syn_row, side="right") - 1
    # A SYN's scales are known up to the next SYN, that one too.
    ends = np.minimum(np.append(batch.syn_row[1:], len(batch)) + 1, batch.first[owners + 1])
    flows, previous_owner = (Flow(), Flow()), -1
    syns = (batch.syn_row, ends, owners, batch.syn_scale)
    for row, end, owner, offered in zip(*(column.tolist() for column in syns), strict=True):
        if owner != previous_owner:
            flows, previous_owner = (Flow(), Flow()), owner
        side = int(batch.second[row])
        agree_on_scale(flows[side], flows[1 - side], offered, is_syn_ack=bool(batch.tcp_flags[row] & ACK))
        final[owner] = before[row + 1 : end] = flows[0].scale, flows[1].scale
    return Scales(before, final)
