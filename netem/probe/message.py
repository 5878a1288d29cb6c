"""The datagrams between sidecars: probes and their echoes (binary), greetings and reports (JSON)."""

import json
import struct
from typing import Any, NamedTuple

_PROBE = struct.Struct("!4sBxxxQIqqq20x")
PROBE_BYTES = _PROBE.size
_MAGIC = b"tbp1"
PROBE, ECHO = 1, 2
MAX_CONTROL_BYTES = 32_768
FRAME_OVERHEAD_BYTES = {"ipv4": 14 + 20 + 8, "ipv6": 14 + 40 + 8}
"""Ethernet, IP and UDP headers around a probe."""


class Probe(NamedTuple):
    """A probe on its way or coming back; stamps are CLOCK_MONOTONIC of the one host, 0 where not yet known."""

    kind: int
    session: int
    sequence: int
    sent_ns: int
    received_ns: int = 0
    echoed_ns: int = 0


def encode_probe(probe: Probe) -> bytes:
    """Return the datagram of a probe."""
    return _PROBE.pack(_MAGIC, *probe)


def decode_probe(datagram: bytes) -> Probe | None:
    """Read a probe; None for anything else: the port is open to whoever is on the network."""
    if len(datagram) != PROBE_BYTES:
        return None
    magic, *fields = _PROBE.unpack(datagram)
    probe = Probe(*fields)
    return probe if magic == _MAGIC and probe.kind in (PROBE, ECHO) else None


def encode_control(message: dict[str, Any]) -> bytes:
    """Return the datagram of a greeting or a report."""
    return json.dumps(message, separators=(",", ":")).encode()


def decode_control(datagram: bytes) -> dict[str, Any] | None:
    """Read a greeting or a report; None for anything that is no JSON object with a session."""
    try:
        message = json.loads(datagram)
    except ValueError:
        return None
    if not isinstance(message, dict) or not isinstance(message.get("session"), int):
        return None
    return message
