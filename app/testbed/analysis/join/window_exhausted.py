"""For how long the peer's window was exhausted, where the kernel's `rwnd_limited` counts too little or too much.

It counts only where the window is the first check that stops the sender. A sender that paces, as bbr does, is stopped
by its timer first, and most of its waiting for window is not counted (tcp_write_xmit). And it counts while a segment
is lost: the window cannot advance before that segment has arrived, so that the sender waits for the segment.
"""

from typing import Final

import numpy as np

from testbed.analysis.join.observation import Observation
from testbed.analysis.join.samples import ABSENT

FIELDS: Final = ("snd_wnd", "snd_cwnd", "unacked", "notsent_bytes", "send_queue_bytes", "ca_state")
OPEN: Final = 0
"""TCP_CA_Open: nothing is lost, so what is in flight is what the sender chose to send."""
RECOVERY: Final = 3
"""TCP_CA_Recovery; the one above it is TCP_CA_Loss: a segment was lost and is retransmitted."""


def window_exhausted_s(observation: Observation) -> float:
    """Return the time in which data was left and the peer's window, not the congestion window, had no room for it."""
    samples, mss = observation.sender.samples, observation.mss_bytes
    if samples is None or mss is None or len(samples) < 2:
        return 0.0
    columns = [samples.column(name) for name in FIELDS]
    window, congestion, unacked, not_sent, queue, state = columns
    known = np.all([column != ABSENT for column in columns], axis=0)
    room = window - (queue - not_sent)
    exhausted = known & (state == OPEN) & (not_sent > 0) & (room < mss) & (unacked < congestion)
    exhausted &= observation.while_sending(samples.at_ns)
    lasts_ns = np.diff(samples.at_ns, append=samples.at_ns[-1:])
    return float(lasts_ns[exhausted].sum()) / 1e9


def rwnd_limited_in_recovery_s(observation: Observation) -> float:
    """Return the time that the kernel counted as limited by the window while a segment was retransmitted."""
    samples = observation.sender.samples
    if samples is None or len(samples) < 2:
        return 0.0
    limited, state = samples.column("rwnd_limited"), samples.column("ca_state")
    known = limited != ABSENT
    grew_us = np.diff(limited[known], prepend=limited[known][:1])
    return float(np.maximum(grew_us, 0)[state[known] >= RECOVERY].sum()) / 1e6
