"""Whether a connection came about at all; where none did, there is no transfer to explain."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.findings.rule import times
from testbed.analysis.join.observation import End, Observation
from testbed.analysis.packets.flags import RST, SYN
from testbed.analysis.packets.model import Frames

BEFORE: Final = ("SYN_SENT", "SYN_RECV", "NEW_SYN_RECV", "LISTEN", "CLOSE")
"""States of a socket that has no connection, yet or any more."""


def connected(observation: Observation) -> bool:
    """Tell whether the connection came about; so it did unless an instrument was there and saw none."""
    ends = observation.sender, observation.receiver
    if any(end.log is not None for end in ends):
        return True
    watched = [end for end in ends if end.samples is not None or _captured(end)]
    return not watched or any(_connected_at(end) for end in watched)


def _captured(end: End) -> bool:
    capture = end.capture
    return capture is not None and not capture.error and (capture.connection is not None or capture.complete is True)


def _connected_at(end: End) -> bool:
    if end.samples is not None and not end.samples.state_in(BEFORE).all():
        return True
    if end.connection is None:
        return False
    if end.role == "client" and end.connection.complete_handshake:
        return True
    # What is neither SYN nor RST is sent on a connection only; and a capture without SYN began too late to tell.
    frames = end.connection.frames
    on_it = (frames.tcp_flags & (SYN | RST)) == 0
    return bool(on_it.any() or not _asks(frames).any())


def _asks(frames: Frames) -> NDArray[np.bool_]:
    asks: NDArray[np.bool_] = frames.from_client & ((frames.tcp_flags & SYN) != 0)
    return asks


def attempt(observation: Observation) -> str:
    """Return the verdict on a connection that did not come about."""
    nothing = "No connection came about and no data was sent"
    end = observation.wire()
    if end is None or end.connection is None:
        return f"{nothing}."
    frames = end.connection.frames
    requested = times(int(_asks(frames).sum()))
    if (~frames.from_client & ((frames.tcp_flags & RST) != 0)).any():
        how = "and was refused (RST)"
    elif _answered(observation):
        how = "and got no answer, although the other end gave one: it was lost on its way"
    else:
        how = "and got no answer"
    return f"{nothing}: the {observation.sender.role} asked {requested} (SYN) {how}."


def _answered(observation: Observation) -> bool:
    connection = observation.receiver.connection
    return connection is not None and bool((~connection.frames.from_client).any())
