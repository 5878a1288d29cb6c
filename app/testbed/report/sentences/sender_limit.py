"""Sentences about what the sender waited for."""

from collections.abc import Callable
from typing import Final

from testbed.analysis.findings.limits import Limit
from testbed.analysis.findings.path import PathCause
from testbed.analysis.findings.sender_limit import KernelCountsWindow, SenderLimit, TooShort
from testbed.report.sentences.wording import Sentences, joined
from testbed.units import format_seconds, percent

WHO: Final = {
    Limit.RECEIVER: "The receiver limited the sender",
    Limit.WINDOW: "The size of the receive window limited the sender",
    Limit.NETWORK: "The network limited the sender",
    Limit.SEND_BUFFER: "The sender's own socket buffer limited it",
    Limit.APPLICATION: "The sender's program limited the transfer",
}
WHY: Final = {
    Limit.RECEIVER: (
        "it had data to send and the receiver, whose queue was not read fast enough, advertised no more window"
    ),
    Limit.WINDOW: "it had sent as much as the window allows at once and waited a round trip for it",
    Limit.SEND_BUFFER: "everything that fits into its buffer was in flight and write() could add no more",
    Limit.APPLICATION: "there was nothing to send: the program had not written it yet",
}
PATH: Final = "it had data and permission to send and waited for the path: its rate, its delay or its losses"


def sender_limit(fact: SenderLimit) -> str:
    """Return what limited the sender, and what else did for long."""
    end = "the last byte was acknowledged" if fact.acknowledged else "the transfer was broken off"
    also = "".join(f" For another {percent(fact.share(limit))}, {why(fact, limit)}." for limit in fact.also)
    return (
        f"{WHO[fact.limited_by]}: for {percent(fact.share(fact.limited_by))} of the {format_seconds(fact.sending_s)} "
        f"until {end}, {why(fact, fact.limited_by)}.{also}"
    )


def why(fact: SenderLimit, limit: Limit) -> str:
    """Return in a clause what the sender waited for while this limited it."""
    if limit != Limit.NETWORK:
        return WHY[limit]
    return joined([PATH_CLAUSES[cause](fact) for cause in fact.path_causes]) or PATH


def _milliseconds(value: float | None) -> str:
    return format_seconds((value or 0.0) / 1e3)


def _queue(fact: SenderLimit) -> str:
    took, idle = _milliseconds(fact.queued_rtt_ms), _milliseconds(fact.idle_rtt_ms)
    return f"the data queued for the path's rate (the round trip took {took}, {idle} when idle)"


def _losses(fact: SenderLimit) -> str:
    if not fact.lost_segments:
        return "the path lost or delayed segments (it waited for a retransmission time-out)"
    return (
        f"the path lost or delayed segments ({fact.lost_segments} of {fact.data_segments} segments had to be "
        "retransmitted)"
    )


def _lost_window_update(fact: SenderLimit) -> str:
    lasted = format_seconds(fact.window_update_lost_s or 0.0)
    return f"the window update was lost, and for {lasted} the sender did not know that the window was open"


PATH_CLAUSES: Final[dict[PathCause, Callable[[SenderLimit], str]]] = {
    PathCause.QUEUE: _queue,
    PathCause.LOSSES: _losses,
    PathCause.LOST_WINDOW_UPDATE: _lost_window_update,
    PathCause.LATE: lambda _: "it waited for acknowledgements that the receiver's kernel delayed by about 40 ms",
    PathCause.MACHINE: lambda _: "it waited for acknowledgements over a link without impairment",
    PathCause.DELAY: lambda fact: (
        "the bytes and their acknowledgements were in flight: a round trip takes " + _milliseconds(fact.rtt_ms)
    ),
    PathCause.PACED: lambda fact: (
        f"its congestion control paced the segments; a round trip took {_milliseconds(fact.rtt_ms)}"
    ),
    PathCause.ROUND_TRIP: lambda fact: (
        f"it sent what its congestion window allows and waited a round trip of {_milliseconds(fact.rtt_ms)} for it"
    ),
}


def too_short(fact: TooShort) -> str:
    """Return why nothing is measured."""
    return f"{format_seconds(fact.sending_s)} of sending is too short to show what limited the sender"


def kernel_counts_window(fact: KernelCountsWindow) -> str:
    """Return what the kernel counts otherwise."""
    share = percent(fact.receive_window_share)
    return (
        f"the kernel counts {share} of the time as limited by the window; but the data was in the network, not at the "
        "receiver"
    )


SENTENCES: Final[Sentences] = {
    SenderLimit: sender_limit,
    TooShort: too_short,
    KernelCountsWindow: kernel_counts_window,
}
