"""The verdict: one answer for a transfer that a student understands, put together from the findings."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from testbed.analysis.findings import path
from testbed.analysis.findings.handshake import attempt, connected
from testbed.analysis.findings.limits import ALSO_SHARE, Limit
from testbed.analysis.findings.rule import percent, times
from testbed.analysis.findings.write_blocked import first_blocked, hardly
from testbed.analysis.join.observation import SHORT_S, Observation
from testbed.result import Finding
from testbed.units import format_bytes, format_rate, format_seconds

BLAME: Final[dict[str, str]] = {
    "receiver": "The receiver reads too slowly and holds the sender up",
    "window": "The receive window is too small for the round trip and holds the sender up",
    "network": "The network limits the transfer",
    "send buffer": "The sender's own socket buffer is too small and holds it up",
    "application": "The sending program limits the transfer: network and receiver wait for it",
}
ALSO: Final[dict[str, str]] = {
    "receiver": "the receiver reads too slowly",
    "window": "the receive window is too small for the round trip",
    "network": "it waits for acknowledgements",
    "send buffer": "the sender's socket buffer is too small",
    "application": "the program has nothing to send",
}
CAUSES: Final[dict[str, str]] = {
    path.QUEUE: "data queues for its rate",
    path.LOSSES: "segments are lost or late",
    path.UNHEARD: "the word that the window is open again is lost",
    path.LATE: "acknowledgements come late",
    path.PACED: "congestion control spaces the segments out",
    path.DELAY: "its way is long",
    path.ROUND_TRIP: "the congestion window lets out only so much a round trip",
}
"""Why the path is waited for, in few words."""
TOGETHER: Final = ("receiver", "window")
TOGETHER_SHARE: Final = 0.5
"""Reader and window of which one takes half as long as the other, or longer, are named together."""
KEEPS_UP_SHARE: Final = 0.1
MACHINE_BLAME: Final = "Neither window nor link limits the transfer, but the speed of the machine"

CLOSED_SHARE: Final = 0.3
LAG_SHARE: Final = 0.25
"""A reader that goes on for so much of the time after the last acknowledgement is told of."""


def verdict(observation: Observation, findings: Mapping[str, Finding]) -> str:
    """Return the answer; empty when nothing was seen of a transfer."""
    if not connected(observation):
        return attempt(observation)
    parts = [_limited(findings) or _closed_alone(observation, findings)]
    if not parts[0]:
        return _undecided(observation)
    parts[0] += _rate(observation)
    closed = findings.get("window-closed")
    if closed is not None:
        parts.append(_closed(closed.numbers))
    blocked = findings.get("write-blocked")
    if blocked is not None:
        parts.append(_blocked(blocked.numbers))
    parts.append(_lag(observation))
    return ". ".join(part for part in parts if part) + "."


def _limited(findings: Mapping[str, Finding]) -> str:
    """Tell what limited the sender as its kernel says, and what else did for long."""
    found = findings.get("sender-limit")
    if found is None:
        return ""
    numbers = found.numbers
    shares = {limit: float(numbers.get(f"{limit.replace(' ', '_')}_share", 0.0)) for limit in get_args(Limit)}
    limit = str(numbers["limited_by"])
    causes = str(numbers.get("path_causes", "")).split(", ")
    why = " and ".join(CAUSES[cause] for cause in causes if cause in CAUSES)
    clauses = ALSO | ({"network": why} if why else {})
    also = [
        f"{percent(share)} {clauses[other]}"
        for other, share in sorted(shares.items(), key=lambda item: -item[1])
        if other != limit and share >= ALSO_SHARE
    ]
    if limit in TOGETHER and min(shares[each] for each in TOGETHER) >= TOGETHER_SHARE * shares[limit]:
        return _together(shares, numbers)
    time = f"{percent(shares[limit])} of the {format_seconds(float(numbers['sending_s']))} of sending"
    rest = f"; for another {', and for '.join(also)}" if also else ""
    return f"{_blame(limit, causes, why, shares)} ({time}{rest})"


def _together(shares: Mapping[str, float], numbers: Mapping[str, Any]) -> str:
    """Tell of reader and window in one sentence, whichever of them is ahead: near the middle that is chance."""
    reader, window = (percent(shares[each]) for each in TOGETHER)
    return (
        "The receiver reads too slowly and its window is too small for the round trip: together they hold the sender "
        f"up ({reader} and {window} of the {format_seconds(float(numbers['sending_s']))} of sending)"
    )


def _blame(limit: str, causes: list[str], why: str, shares: Mapping[str, float]) -> str:
    if limit == "network" and path.MACHINE in causes:
        return MACHINE_BLAME
    said = BLAME[limit]
    if limit == "window" and shares["receiver"] < KEEPS_UP_SHARE:
        said += ", though the reader keeps up"
    if limit == "network":
        said += "" if shares["receiver"] + shares["window"] >= ALSO_SHARE else ", not the receiver"
        said += f": {why}" if why else ""
    return said


def _closed_alone(observation: Observation, findings: Mapping[str, Finding]) -> str:
    """Tell without samples what the closed window tells, unless all was over before it could tell anything."""
    if observation.sending_s is not None and observation.sending_s < SHORT_S:
        return ""
    closed = findings.get("window-closed")
    share = 0.0 if closed is None else float(closed.numbers.get("closed_share", 0.0))
    return BLAME["receiver"] if share >= CLOSED_SHARE else ""


def _rate(observation: Observation) -> str:
    if not observation.sent_bytes or not observation.duration_s:
        return ""
    reads = observation.receiver.calls("read")
    if reads is not None and reads.total_bytes[-1] < observation.sent_bytes:
        read = format_bytes(int(reads.total_bytes[-1]))
        sent = format_bytes(observation.sent_bytes)
        return f"; {read} of {sent} had been read after {format_seconds(observation.duration_s)}"
    rate = format_rate(observation.sent_bytes / observation.duration_s)
    return f"; {format_bytes(observation.sent_bytes)} took {format_seconds(observation.duration_s)}, {rate}"


def _closed(numbers: Mapping[str, Any]) -> str:
    return (
        f"From {format_seconds(numbers['first_at_s'])} on the receive window was closed for "
        f"{format_seconds(numbers['closed_s'])} in all, {times(numbers['closures'])}"
    )


def _blocked(numbers: Mapping[str, Any]) -> str:
    """Tell of the writes; how much the kernels held is compared with the prediction where they were full."""
    predicted = numbers.get("predicted_bytes", numbers.get("predicted_before_bytes"))
    if "blocked_s" in numbers:
        held = numbers.get("stall_bytes")
        told = f"; full, the two kernels held {format_bytes(held)}" if held is not None else ""
        wait = f" ({format_bytes(predicted)} predicted)" if predicted is not None and told else ""
        return f"write() was blocked for {format_seconds(numbers['blocked_s'])}, {first_blocked(numbers)}{told}{wait}"
    begin = hardly(numbers["waited_s"])
    room = f", which have room for about {format_bytes(predicted)}" if predicted is not None else ""
    written = format_bytes(numbers["written_bytes"])
    if "in_program_max_bytes" in numbers:
        inside = format_bytes(numbers["in_program_max_bytes"])
        return f"Yet {begin[:1].lower()}{begin[1:]}: the program itself buffers up to {inside} instead of waiting"
    return (
        f"Yet {begin[:1].lower()}{begin[1:]}: all {written} went into the kernels' socket buffers "
        f"within {format_seconds(numbers['write_s'])}{room}"
    )


def _lag(observation: Observation) -> str:
    """Tell of a reader that goes on for long after everything was acknowledged: its own kernel holds the data."""
    lag_s = _lag_s(observation)
    if not lag_s or not observation.all_read:
        return ""
    return f"The reader took another {format_seconds(lag_s)} for what then lay in the receiver's buffer"


def _lag_s(observation: Observation) -> float:
    if observation.acked_ns is None or observation.end_ns is None or not observation.duration_s:
        return 0.0
    lag_s = (observation.end_ns - observation.acked_ns) / 1e9
    return lag_s if lag_s >= max(LAG_SHARE * observation.duration_s, SHORT_S) else 0.0


def _undecided(observation: Observation) -> str:
    """Tell what is known of a transfer that was too short to be limited, or of which nobody asked the kernel."""
    if observation.sending_s is None or not observation.sent_bytes:
        return ""
    acked = "acknowledged" if observation.acked_ns is not None else "to be sent, and never acknowledged as a whole,"
    taken = f"{format_bytes(observation.sent_bytes)} were {acked} within {format_seconds(observation.sending_s)}"
    closed = f"the receive window was closed for {format_seconds(observation.closed_ns / 1e9)} of that"
    never = "the receive window never closed"
    lag_s = _lag_s(observation)
    if lag_s:
        lag = f"took another {format_seconds(lag_s)} for what lay in it"
        if not observation.all_read:
            lag = f"left what lay in it{_rate(observation).replace(';', ':')}"
        return (
            f"The sender never waited for the reader: {taken} and the receiver's buffer took them. The reader, which "
            f"reads slowly, {lag}."
        )
    if observation.sender.samples is None and observation.sending_s >= SHORT_S:
        window = closed if observation.zero_window_periods else never
        return f"{taken}; {window}. What else the sender waited for, packets alone do not tell."
    if observation.zero_window_periods:
        return f"{taken}; {closed}."
    return f"Nothing held the sender up for long: {taken} and {never}."
