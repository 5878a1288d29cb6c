"""The two channels between sidecars: probes through the impairment, control messages around it."""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from netem.contract.ports import CONTROL_PORT, PROBE_PORT


class Channel(Enum):
    """The channel of a datagram."""

    PROBE = "probe"
    CONTROL = "control"


PORTS: Mapping[Channel, int] = {Channel.PROBE: PROBE_PORT, Channel.CONTROL: CONTROL_PORT}


class Outgoing(NamedTuple):
    """A datagram to send to the peer."""

    channel: Channel
    data: bytes
