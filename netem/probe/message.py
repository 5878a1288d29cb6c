"""The datagrams between sidecars: probes and their echoes (binary), control requests and replies (JSON).

Anyone on the network can send to these ports, so each decoder returns None for a datagram that it does not know.
"""

import json
import struct
from dataclasses import asdict
from enum import StrEnum
from typing import Any, NamedTuple

from netem.probe.delays import Delays

_PROBE = struct.Struct("!4sBxxxQIqqqIq8x")
PROBE_BYTES = _PROBE.size
_MAGIC = b"tbp1"
PROBE, ECHO = 1, 2
FRAME_OVERHEAD_BYTES = {"ipv4": 14 + 20 + 8, "ipv6": 14 + 40 + 8}
"""Ethernet, IP and UDP headers around a probe."""


class Probe(NamedTuple):
    """A probe or its echo; timestamps are CLOCK_MONOTONIC of the one host, 0 while unknown.

    `previous` is the sequence number of the datagram that its sender sent before this one, and `previous_ns` the time
    at which the kernel sent it.
    """

    kind: int
    session: int
    sequence: int
    sent_ns: int
    received_ns: int = 0
    echoed_ns: int = 0
    previous: int = 0
    previous_ns: int = 0


class Command(StrEnum):
    """The kind of a control request."""

    HELLO = "hello"
    """Is your link ready, and which impairment does it apply?"""
    REPORT = "report"
    """Which probes of this session arrived, and how late?"""
    FINISH = "finish"
    """No more probes will follow."""


_REPLY_KINDS = {f"{command}ed": command for command in Command}


class Request(NamedTuple):
    """A control request; `session` names one round of probes."""

    command: Command
    session: int


class Egress(NamedTuple):
    """What a sidecar tells its peers of its egress: the impairment, and how much later than that it may deliver."""

    impairment: str
    delay_tolerance_ns: int


class Reply(NamedTuple):
    """The answer to a control request; every reply carries the same facts."""

    command: Command
    session: int
    egress: Egress
    received: int
    delays: Delays | None
    monotonic_ns: int


def encode_probe(probe: Probe) -> bytes:
    """Return the datagram of a probe or an echo."""
    return _PROBE.pack(_MAGIC, *probe)


def decode_probe(datagram: bytes) -> Probe | None:
    """Read a probe or an echo."""
    if len(datagram) != PROBE_BYTES:
        return None
    magic, *fields = _PROBE.unpack(datagram)
    probe = Probe(*fields)
    return probe if magic == _MAGIC and probe.kind in (PROBE, ECHO) else None


def encode_request(request: Request) -> bytes:
    """Return the datagram of a control request."""
    return _encode({"kind": request.command, "session": request.session})


def decode_request(datagram: bytes) -> Request | None:
    """Read a control request."""
    message = _decode(datagram)
    try:
        return Request(Command(message["kind"]), _integer(message["session"]))
    except (KeyError, TypeError, ValueError):
        return None


def encode_reply(reply: Reply) -> bytes:
    """Return the datagram of a reply."""
    return _encode(
        {
            "kind": f"{reply.command}ed",
            "session": reply.session,
            "impairment": reply.egress.impairment,
            "delay_tolerance_ns": reply.egress.delay_tolerance_ns,
            "received": reply.received,
            "delays": asdict(reply.delays) if reply.delays else None,
            "monotonic_ns": reply.monotonic_ns,
        }
    )


def decode_reply(datagram: bytes) -> Reply | None:
    """Read a reply."""
    message = _decode(datagram)
    try:
        delays = message["delays"]
        return Reply(
            _REPLY_KINDS[message["kind"]],
            _integer(message["session"]),
            Egress(str(message["impairment"]), _integer(message["delay_tolerance_ns"])),
            _integer(message["received"]),
            None if delays is None else Delays(**{name: _integer(value) for name, value in delays.items()}),
            _integer(message["monotonic_ns"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def _decode(datagram: bytes) -> dict[str, Any]:
    """Return the JSON object of a datagram; an empty one when it holds anything else."""
    try:
        message = json.loads(datagram)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(value)
    return value
