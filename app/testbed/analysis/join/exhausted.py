"""For how long the peer's window was used up, where the kernel's `rwnd_limited` counts too little or too much.

It runs only where the window is the first thing that stops the sender. One that paces itself, as bbr does, is stopped
by its timer first, and most of its waiting for window is not counted (tcp_write_xmit). And it goes on while a segment
is missing: the window cannot move on before that segment has come, and so what is waited for is the segment.
"""

from typing import Final

import numpy as np

from testbed.analysis.join.observation import Observation
from testbed.analysis.join.samples import ABSENT

FIELDS: Final = ("snd_wnd", "snd_cwnd", "unacked", "notsent_bytes", "send_queue_bytes", "ca_state")
OPEN: Final = 0
"""TCP_CA_Open: nothing is missing, so what is in flight is what the sender chose to send."""
RECOVERY: Final = 3
"""TCP_CA_Recovery; the one above it is TCP_CA_Loss: something is missing and is being sent again."""


def window_exhausted_s(observation: Observation) -> float:
    """Return the time in which data was left and the peer's window, not the congestion window, had no room for it."""
    samples, mss = observation.sender.samples, observation.mss_bytes
    if samples is None or mss is None or len(samples) < 2:
        return 0.0
    told = [samples.column(name) for name in FIELDS]
    window, congestion, unacked, not_sent, queue, state = told
    known = np.all([column != ABSENT for column in told], axis=0)
    room = window - (queue - not_sent)
    exhausted = known & (state == OPEN) & (not_sent > 0) & (room < mss) & (unacked < congestion)
    exhausted &= observation.while_sending(samples.at_ns)
    lasts_ns = np.diff(samples.at_ns, append=samples.at_ns[-1:])
    return float(lasts_ns[exhausted].sum()) / 1e9


def missing_s(observation: Observation) -> float:
    """Return the time that the kernel counted as limited by the window while something was being sent again."""
    samples = observation.sender.samples
    if samples is None or len(samples) < 2:
        return 0.0
    limited, state = samples.column("rwnd_limited"), samples.column("ca_state")
    told = limited != ABSENT
    grew_us = np.diff(limited[told], prepend=limited[told][:1])
    return float(np.maximum(grew_us, 0)[state[told] >= RECOVERY].sum()) / 1e6
