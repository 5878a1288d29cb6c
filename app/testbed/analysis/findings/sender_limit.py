"""Sender limit: what the sender waited for, as shares of its time that add up to one."""

from typing import Final

from testbed.analysis.findings.evidence import samples
from testbed.analysis.findings.limits import ALSO_SHARE, Limit, Limits, find_limits, sending_s
from testbed.analysis.findings.path import QUEUE
from testbed.analysis.findings.rule import NO_SAMPLES, Answer, Rule, percent, silent, unseen
from testbed.analysis.join.observation import SHORT_S, Observation
from testbed.analysis.join.samples import ABSENT
from testbed.result import Finding
from testbed.units import format_seconds

NAME: Final = "sender-limit"

WHO: Final[dict[Limit, str]] = {
    "receiver": "The receiver limited the sender",
    "window": "The size of the receive window limited the sender",
    "network": "The network limited the sender",
    "send buffer": "The sender's own socket buffer limited it",
    "application": "The sender's program limited the transfer",
}
WHY: Final[dict[Limit, str]] = {
    "receiver": "it had data to send and the receiver, whose queue was not read fast enough, allowed no more",
    "window": "it had sent as much as the window allows at once and waited a round trip for it",
    "send buffer": "all that its buffer takes was on its way and write() could put in no more",
    "application": "there was nothing to send: the program had not written it yet",
}


def explain(observation: Observation) -> Answer:
    """Speak when the kernel's counters are there and the transfer lasted long enough."""
    if observation.sender.samples is None:
        return unseen(NAME, NO_SAMPLES.format(role=observation.sender.role))
    lasted_s = sending_s(observation)
    if lasted_s is not None and lasted_s < SHORT_S:
        return silent(NAME, f"{format_seconds(lasted_s)} of sending are too short to tell what limited it")
    limits = find_limits(observation)
    if limits is None:
        return unseen(NAME, "the kernel told no busy_time, or the end of the transfer was not seen")
    share = limits.share
    also = "".join(f" For another {percent(limits.shares[limit])}, {why(limits, limit)}." for limit in limits.also)
    return Finding(
        name=NAME,
        sentence=(
            f"{WHO[limits.limit]}: for {percent(share)} of the {format_seconds(limits.total_s)} "
            f"until {_end(observation)}, {why(limits, limits.limit)}.{also}"
        ),
        numbers=_numbers(limits),
        evidence=samples(
            observation.sender,
            observation.sender.samples,
            observation.sender.samples.column("busy_time") != ABSENT,
            "the kernel's counters busy_time, rwnd_limited and sndbuf_limited",
        ),
        confidence="high" if share >= 0.6 else "medium" if share >= 0.4 else "low",
        contradicting=_contradicting(limits),
        not_observed=_unknown(limits),
        strength=round(0.5 * min(share, 1.0), 3),
    )


def _end(observation: Observation) -> str:
    return "the last byte was acknowledged" if observation.acked_ns is not None else "the transfer was broken off"


def why(limits: Limits, limit: Limit) -> str:
    """Return in a clause what the sender waited for while this limited it."""
    return limits.path.because if limit == "network" else WHY[limit]


def _numbers(limits: Limits) -> dict[str, float | int | str]:
    numbers: dict[str, float | int | str] = {
        "limited_by": limits.limit,
        "sending_s": round(limits.total_s, 6),
        "busy_s": round(limits.busy_s, 6),
        "receive_window_share": round(limits.receive_window, 4),
    }
    numbers |= {f"{limit.replace(' ', '_')}_share": round(share, 4) for limit, share in limits.shares.items()}
    if limits.path.causes:
        numbers["path_causes"] = ", ".join(limits.path.causes)
    if limits.unread is not None:
        numbers["window_unread_share"] = round(limits.unread, 4)
    if limits.receiver_full is not None:
        numbers["receiver_full_share"] = round(limits.receiver_full, 4)
    if limits.path.rtt_ms is not None:
        numbers["rtt_ms"] = round(limits.path.rtt_ms, 3)
    return numbers


def _unknown(limits: Limits) -> list[str]:
    unknown = ["how full the receiver's queue was"] if limits.receiver_full is None else []
    if limits.receive_window and limits.unread is None:
        unknown.append("whether bytes that were not read took the window up, or bytes on their way")
    return unknown


def _contradicting(limits: Limits) -> list[str]:
    if limits.limit == "network" and QUEUE in limits.path.causes and limits.receive_window >= ALSO_SHARE:
        share = percent(limits.receive_window)
        return [
            f"the kernel blames the window for {share} of the time; but data stood in the network, not the receiver"
        ]
    return []


RULE: Final = Rule(
    NAME,
    "What limited the sender: receiver, window size, network, its own buffer or its program?",
    "`busy_time`, `rwnd_limited`, `sndbuf_limited`, `rtt`, both captures, both logs",
    explain,
)
