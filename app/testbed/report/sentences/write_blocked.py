"""Sentences about writes that waited, and about writes that did not."""

from typing import Final

from testbed.analysis.findings.limits import Limit
from testbed.analysis.findings.write_blocked import OffPrediction, UnexplainedWait, WriteBlocked, WriteNotBlocked
from testbed.report.sentences.wording import Sentences
from testbed.units import format_bytes, format_seconds, percent, pluralize

WAITED_FOR: Final = {
    Limit.RECEIVER: "; the data waited for the receiver to read",
    Limit.WINDOW: "; the window allowed no more in flight",
    Limit.NETWORK: "; the receiver had room, the data waited for the network",
    Limit.SEND_BUFFER: "; what filled the buffer was in flight",
    Limit.APPLICATION: "",
}
"""What blocked writes waited for, by what limited the sender, where the stall point was not reached."""


def write_blocked(fact: WriteBlocked) -> str:
    """Return how long writes were blocked, from which byte on, and what the buffers held."""
    return (
        f"write() was blocked for {format_seconds(fact.blocked_s)} of {format_seconds(fact.duration_s)} in "
        f"{pluralize(fact.blocked_writes, 'call')}, the longest {format_seconds(fact.longest_s)}; "
        f"{first_blocked(fact)}{_held(fact)}."
    )


def first_blocked(fact: WriteBlocked) -> str:
    """Return where the first write had to wait."""
    accepted = fact.first_blocked_at_bytes
    return f"first after {format_bytes(accepted)}" if accepted else "from the first write on"


def _held(fact: WriteBlocked) -> str:
    if fact.stall_bytes is None:
        return WAITED_FOR[fact.waited_for] if fact.waited_for is not None else ""
    held = f". With the buffers full, {format_bytes(fact.stall_bytes)} were accepted and not yet read"
    if fact.predicted_receiver_bytes is None or fact.predicted_sender_bytes is None:
        return held
    return (
        f"{held}; the prediction is {format_bytes(fact.expected_bytes or 0)}: "
        f"{format_bytes(fact.predicted_receiver_bytes)} in the receiver's buffer and "
        f"{format_bytes(fact.predicted_sender_bytes)} in the sender's"
    )


def write_not_blocked(fact: WriteNotBlocked) -> str:
    """Return where the bytes went that the receiver had no room for."""
    closed = f"closed for {format_seconds(fact.closed_s)}" if fact.window_closed else "exhausted again and again"
    return (
        f"{hardly_blocked(fact)}: all {format_bytes(fact.written_bytes)} were accepted within "
        f"{format_seconds(fact.write_s)}, although the receiver's window was {closed}: {_buffers(fact)}. "
        "Timing the writes alone shows nothing."
    )


def hardly_blocked(fact: WriteNotBlocked) -> str:
    """Return the beginning of a sentence about writes that hardly waited."""
    if not fact.waited_s:
        return "No write() was blocked"
    return f"write() was hardly blocked ({format_seconds(fact.waited_s)} in all)"


def _buffers(fact: WriteNotBlocked) -> str:
    if fact.in_program_max_bytes is not None:
        inside = format_bytes(fact.in_program_max_bytes)
        return f"up to {inside} of them were still in the program, which buffers by itself"
    if fact.sndbuf_bytes is None or fact.rcvbuf_bytes is None or fact.predicted_bytes is None:
        return "the socket buffers of the two kernels held everything that was not read"
    return (
        f"the sender's socket buffer ({format_bytes(fact.sndbuf_bytes)}) and the receiver's "
        f"({format_bytes(fact.rcvbuf_bytes)}) have room for about {format_bytes(fact.predicted_bytes)}"
    )


def off_prediction(fact: OffPrediction) -> str:
    """Return how far the prediction is off."""
    off = fact.difference_share
    return f"the buffers held {percent(abs(off))} {'more' if off > 0 else 'fewer'} bytes than predicted"


def unexplained_wait(fact: UnexplainedWait) -> str:
    """Return why nothing is reported."""
    return f"writes took {format_seconds(fact.write_s)} in all, but neither the window nor a buffer delayed them"


SENTENCES: Final[Sentences] = {
    WriteBlocked: write_blocked,
    WriteNotBlocked: write_not_blocked,
    OffPrediction: off_prediction,
    UnexplainedWait: unexplained_wait,
}
