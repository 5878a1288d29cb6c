"""Sentences about how a connection ended."""

from typing import Final

from testbed.analysis.findings.closing import ClosedByReceiver, ClosedEarly, NotClosed, Regular, Reset, StrayReset
from testbed.report.sentences.wording import Sentences
from testbed.units import format_bytes, format_seconds, percent


def stray_reset(fact: StrayReset) -> str:
    """Return who reset a connection that was closed."""
    return (
        f"Both ends closed the connection with FIN; the {fact.reset_by} afterwards answered late or duplicate segments "
        "with RST, which is harmless."
    )


def reset(fact: Reset) -> str:
    """Return who reset the connection, and what was lost by it."""
    unread = ""
    if fact.unread_bytes and not fact.by_sender:
        unread = f" with {format_bytes(fact.unread_bytes)} in its queue that its program never read"
    return f"The {fact.reset_by} reset the connection (RST){unread}."


def not_closed(_: NotClosed) -> str:
    """Return that the connection was left open."""
    return "The connection was not closed while it was observed: the capture has neither FIN nor RST."


def closed_by_receiver(fact: ClosedByReceiver) -> str:
    """Return what the receiver closed before."""
    before = "" if fact.acknowledged else " before all data was acknowledged"
    if fact.unread_bytes:
        before += f"{', with' if before else ' with'} {format_bytes(fact.unread_bytes)} that its program never read"
    return (
        f"The {fact.receiver} closed the connection with FIN{before}; the {fact.sender} did not close it while it was "
        "observed."
    )


def closed_early(fact: ClosedEarly) -> str:
    """Return for how long the receiver continued to read."""
    queued = ""
    if fact.fin_queued_s is not None:
        queued = f"; the FIN itself waited {format_seconds(fact.fin_queued_s)} behind the data in the queue"
    return (
        f"The sender's program closed the connection {format_seconds(fact.ahead_s)} before the receiver had read "
        f"everything ({percent(fact.ahead_share)} of the time){queued}; queued data is still delivered."
    )


def regular(fact: Regular) -> str:
    """Return why nothing is reported."""
    how = "both ends closed with FIN"
    if fact.not_closed_by is not None:
        how = f"the {fact.not_closed_by} did not close the connection while it was observed"
    return f"the sender ended the stream when nearly all was read, and {how}" if fact.late else how


SENTENCES: Final[Sentences] = {
    StrayReset: stray_reset,
    Reset: reset,
    NotClosed: not_closed,
    ClosedByReceiver: closed_by_receiver,
    ClosedEarly: closed_early,
    Regular: regular,
}
