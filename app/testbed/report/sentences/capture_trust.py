"""Sentences about how far the captures can be trusted."""

from collections.abc import Callable
from typing import Final

from testbed.analysis.findings.capture_trust import CapturesComplete, CapturesFlawed, Flaw, FlawKind
from testbed.report.sentences.wording import Sentences
from testbed.units import format_seconds, pluralize

FLAWS: Final[dict[FlawKind, Callable[[Flaw], str]]] = {
    FlawKind.MISSING: lambda fact: f"the {fact.role} has no capture",
    FlawKind.UNREADABLE: lambda fact: f"{fact.file}: {fact.reason}",
    FlawKind.INCOMPLETE: lambda fact: f"{fact.file} is not complete ({fact.reason})",
    FlawKind.STAMPED_ELSEWHERE: lambda fact: f"{fact.file}: {fact.reason}",
    FlawKind.TRUNCATED: lambda fact: (
        f"{fact.file} {f'({fact.reason}) ends' if fact.reason else 'ends within a record,'} at byte "
        f"{fact.truncated_at_byte}"
    ),
    FlawKind.DROPPED_PACKETS: lambda fact: f"{fact.file} lacks {pluralize(fact.dropped_packets, 'dropped packet')}",
    FlawKind.NO_CONNECTION: lambda fact: f"{fact.file} has no TCP connection",
    FlawKind.NO_HANDSHAKE: lambda fact: f"{fact.file} has no handshake: window scale and MSS are unknown",
    FlawKind.DATA_MISSING: lambda fact: f"{fact.file} lacks data that was acknowledged",
    FlawKind.CLOCK_MOVED: lambda fact: (
        f"the host's clock moved by {format_seconds(fact.clock_moved_s or 0.0)} against its monotonic one during the "
        "transfer"
    ),
}


def flaw(fact: Flaw) -> str:
    """Return one flaw in a clause."""
    return FLAWS[fact.kind](fact)


def captures_flawed(fact: CapturesFlawed) -> str:
    """Return all flaws, and the findings that they affect."""
    flaws = "; ".join(flaw(each) for each in fact.flaw_details)
    return (
        f"The captures cannot be trusted fully: {flaws}. This affects these findings: "
        f"{', '.join(fact.affected_findings)}."
    )


def captures_complete(fact: CapturesComplete) -> str:
    """Return what frames are that were longer than a segment."""
    frames = pluralize(fact.offloaded_frames, "frame")
    return (
        f"The captures are complete. {frames} with the payload of several segments "
        f"{'was' if fact.offloaded_frames == 1 else 'were'} captured before segmentation offload (GSO/TSO) split "
        f"{'it' if fact.offloaded_frames == 1 else 'them'}."
    )


SENTENCES: Final[Sentences] = {
    CapturesFlawed: captures_flawed,
    CapturesComplete: captures_complete,
    Flaw: flaw,
}
