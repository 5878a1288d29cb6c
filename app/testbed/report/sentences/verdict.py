"""The sentence that answers why a transfer took as long as it did."""

from typing import Final

from testbed.analysis.findings.handshake import Attempt, Outcome
from testbed.analysis.findings.limits import ALSO_SHARE, Limit
from testbed.analysis.findings.path import PathCause
from testbed.analysis.findings.sender_limit import SenderLimit
from testbed.analysis.findings.verdict import Answer, Transferred, Verdict
from testbed.analysis.findings.window_closed import WindowClosed
from testbed.analysis.findings.write_blocked import WriteBlocked, WriteNotBlocked
from testbed.report.sentences.wording import joined
from testbed.report.sentences.write_blocked import first_blocked, hardly_blocked
from testbed.units import format_bytes, format_rate, format_seconds, percent, times

LIMITED_BY: Final = {
    Limit.RECEIVER: "The receiver reads too slowly and limits the sender",
    Limit.WINDOW: "The receive window is too small for the round trip and limits the sender",
    Limit.NETWORK: "The network limits the transfer",
    Limit.SEND_BUFFER: "The sender's own socket buffer is too small and limits it",
    Limit.APPLICATION: "The sending program limits the transfer: network and receiver wait for it",
}
ALSO: Final = {
    Limit.RECEIVER: "the receiver reads too slowly",
    Limit.WINDOW: "the receive window is too small for the round trip",
    Limit.NETWORK: "it waits for acknowledgements",
    Limit.SEND_BUFFER: "the sender's socket buffer is too small",
    Limit.APPLICATION: "the program has nothing to send",
}
CAUSES: Final = {
    PathCause.QUEUE: "data queues for its rate",
    PathCause.LOSSES: "segments are lost or late",
    PathCause.LOST_WINDOW_UPDATE: "the window update is lost",
    PathCause.LATE: "acknowledgements come late",
    PathCause.PACED: "congestion control paces the segments",
    PathCause.DELAY: "its delay is long",
    PathCause.ROUND_TRIP: "the congestion window limits what is sent per round trip",
}
"""Why the path is waited for, in few words."""
TOGETHER_SHARE: Final = 0.5
"""Reader and window of which one takes half as long as the other, or longer, are named together."""
KEEPS_UP_SHARE: Final = 0.1
LIMITED_BY_MACHINE: Final = "The speed of the machine limits the transfer, not the window or the link"

OUTCOMES: Final = {
    Outcome.REFUSED: "and was refused (RST)",
    Outcome.ANSWER_LOST: "and got no answer, although the other end sent one: it was lost on the link",
    Outcome.NO_ANSWER: "and got no answer",
}


def verdict_sentence(verdict: Verdict | None) -> str:
    """Return the answer; empty when no instrument observed a transfer."""
    if verdict is None:
        return ""
    if verdict.attempt is not None:
        return _attempt(verdict.attempt)
    if verdict.answer not in (Answer.LIMITED, Answer.WINDOW_CLOSED):
        return _without_limit(verdict.answer, verdict.transferred) if verdict.transferred else ""
    answer = LIMITED_BY[Limit.RECEIVER] if verdict.limit is None else _limited(verdict.limit)
    rate = _rate(verdict.transferred)
    parts = [f"{answer}; {rate}" if rate else answer]
    if verdict.window is not None:
        parts.append(_closed(verdict.window))
    if isinstance(verdict.writes, WriteBlocked):
        parts.append(_blocked(verdict.writes))
    elif verdict.writes is not None:
        parts.append(_not_blocked(verdict.writes))
    parts.append(_lag(verdict.transferred))
    return ". ".join(part for part in parts if part) + "."


def _attempt(attempt: Attempt) -> str:
    nothing = "No connection was established and no data was sent"
    if attempt.outcome == Outcome.NOT_CAPTURED:
        return f"{nothing}."
    return f"{nothing}: the {attempt.role} sent a SYN {times(attempt.syns)} {OUTCOMES[attempt.outcome]}."


def _limited(limit: SenderLimit) -> str:
    """Return what limited the sender as its kernel counts, and what else did for long."""
    first = limit.limited_by
    reader, window = limit.receiver_share, limit.window_share
    both = first in (Limit.RECEIVER, Limit.WINDOW) and min(reader, window) >= TOGETHER_SHARE * limit.share(first)
    sending = f"of the {format_seconds(limit.sending_s)} of sending"
    if both:  # whichever of them comes first: near the middle that is chance
        return (
            "The receiver reads too slowly and its window is too small for the round trip: together they limit the "
            f"sender ({percent(reader)} and {percent(window)} {sending})"
        )
    why = _causes(limit)
    also = [
        f"{percent(limit.share(other))} {why if why and other == Limit.NETWORK else ALSO[other]}"
        for other in limit.also
    ]
    rest = f"; for another {', and for '.join(also)}" if also else ""
    return f"{_attribution(limit, why)} ({percent(limit.share(first))} {sending}{rest})"


def _causes(limit: SenderLimit) -> str:
    return joined([CAUSES[cause] for cause in limit.path_causes if cause in CAUSES])


def _attribution(limit: SenderLimit, why: str) -> str:
    answer = LIMITED_BY[limit.limited_by]
    if limit.limited_by == Limit.WINDOW and limit.receiver_share < KEEPS_UP_SHARE:
        return f"{answer}, though the reader keeps up"
    if limit.limited_by != Limit.NETWORK:
        return answer
    if PathCause.MACHINE in limit.path_causes:
        return LIMITED_BY_MACHINE
    answer += "" if limit.receiver_share + limit.window_share >= ALSO_SHARE else ", not the receiver"
    return f"{answer}: {why}" if why else answer


def _rate(transferred: Transferred | None) -> str:
    if transferred is None or not transferred.duration_s:
        return ""
    sent, lasted = format_bytes(transferred.sent_bytes), format_seconds(transferred.duration_s)
    if transferred.unfinished_read_bytes is not None:
        return f"{format_bytes(transferred.unfinished_read_bytes)} of {sent} had been read after {lasted}"
    return f"{sent} took {lasted}, {format_rate(transferred.sent_bytes / transferred.duration_s)}"


def _closed(window: WindowClosed) -> str:
    first, closed = format_seconds(window.first_at_s), format_seconds(window.closed_s)
    if window.periods == 1:
        return f"The receive window closed once, after {first}, for {closed}"
    return (
        f"The receive window first closed after {first} and was closed for {closed} in total, {times(window.periods)}"
    )


def _blocked(writes: WriteBlocked) -> str:
    """Return where writes stopped; how much the kernels held is compared with the prediction where they were full."""
    held = ""
    if writes.stall_bytes is not None:
        held = f"; when full, the two kernels' buffers held {format_bytes(writes.stall_bytes)}"
        expected = writes.expected_bytes
        held += f" ({format_bytes(expected)} predicted)" if expected is not None else ""
    return f"write() was blocked for {format_seconds(writes.blocked_s)}, {first_blocked(writes)}{held}"


def _not_blocked(writes: WriteNotBlocked) -> str:
    hardly = hardly_blocked(writes)
    begin = f"Yet {hardly[:1].lower()}{hardly[1:]}"
    if writes.in_program_max_bytes is not None:
        inside = format_bytes(writes.in_program_max_bytes)
        return f"{begin}: the program itself buffers up to {inside} instead of waiting"
    expected = writes.expected_bytes
    room = f", which have room for about {format_bytes(expected)}" if expected is not None else ""
    return (
        f"{begin}: all {format_bytes(writes.written_bytes)} went into the kernels' socket buffers "
        f"within {format_seconds(writes.write_s)}{room}"
    )


def _lag(transferred: Transferred | None) -> str:
    """Return for how long the reader continued after the last acknowledgement: its own kernel held the data."""
    if transferred is None or not transferred.lag_s or transferred.unfinished_read_bytes is not None:
        return ""
    return (
        f"The reader needed another {format_seconds(transferred.lag_s)} to read what was left in the receiver's buffer"
    )


def _without_limit(answer: Answer, transferred: Transferred) -> str:
    sent, sending = format_bytes(transferred.sent_bytes), format_seconds(transferred.sending_s)
    begin = f"{sent} were" if transferred.acknowledged else f"of {sent} to be sent, not all was"
    taken = f"{begin} acknowledged within {sending}"
    closed = f"the receive window was closed for {format_seconds(transferred.closed_s)} of that"
    never = "the receive window never closed"
    if answer == Answer.BUFFERED:
        lag = f"needed another {format_seconds(transferred.lag_s)} to read what was left"
        if transferred.unfinished_read_bytes is not None:
            lag = f"left data in it: {_rate(transferred)}"
        return (
            f"The sender never waited for the reader: {taken} and the receiver's buffer took them. The slow "
            f"reader {lag}."
        )
    if answer == Answer.NOT_COUNTED:
        window = closed if transferred.closed_s else never
        return f"{taken[:1].upper()}{taken[1:]}; {window}. Packets alone do not show what else the sender waited for."
    if answer == Answer.BRIEFLY_CLOSED:
        return f"{taken[:1].upper()}{taken[1:]}; {closed}."
    return f"Nothing limited the sender for long: {taken} and {never}."
