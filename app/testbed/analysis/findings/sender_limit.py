"""Sender limit: what the sender waited for, as shares of its time that add up to one."""

from dataclasses import dataclass
from typing import Any, Final

from testbed.analysis.findings.evidence import samples
from testbed.analysis.findings.limits import ALSO_SHARE, Limit, Limits, find_limits, sending_s
from testbed.analysis.findings.measured import Fact, Measured, Phrase, not_applicable, unobservable
from testbed.analysis.findings.path import Path, PathCause
from testbed.analysis.findings.rule import Answer, NoSamples, Rule
from testbed.analysis.join.observation import SHORT_S, Observation
from testbed.analysis.join.samples import ABSENT


@dataclass(frozen=True, slots=True)
class SenderLimit(Fact):
    """Shares of the time from the first write to the last acknowledgement; those of the five limits add up to 1.

    `receive_window_share` is what the kernel itself counts as limited by the window. `acknowledged` is false when the
    transfer was broken off. What follows `path_causes` is null unless it belongs to one of these causes.
    """

    limited_by: Limit
    sending_s: float
    busy_s: float
    receive_window_share: float
    receiver_share: float
    window_share: float
    network_share: float
    send_buffer_share: float
    application_share: float
    acknowledged: bool
    path_causes: tuple[PathCause, ...] = ()
    window_unread_share: float | None = None
    receiver_full_share: float | None = None
    rtt_ms: float | None = None
    queued_rtt_ms: float | None = None
    idle_rtt_ms: float | None = None
    lost_segments: int | None = None
    data_segments: int | None = None
    window_update_lost_s: float | None = None

    def share(self, limit: Limit) -> float:
        """Return the share of one limit."""
        return {
            Limit.RECEIVER: self.receiver_share,
            Limit.WINDOW: self.window_share,
            Limit.NETWORK: self.network_share,
            Limit.SEND_BUFFER: self.send_buffer_share,
            Limit.APPLICATION: self.application_share,
        }[limit]

    @property
    def also(self) -> tuple[Limit, ...]:
        """What else limited the sender for long, the longest first."""
        others = sorted((limit for limit in Limit if limit != self.limited_by), key=self.share, reverse=True)
        return tuple(limit for limit in others if self.share(limit) >= ALSO_SHARE)


@dataclass(frozen=True, slots=True)
class TooShort(Fact):
    """So short a time of sending shows nothing of what limited it."""

    sending_s: float


@dataclass(frozen=True, slots=True)
class KernelCountsWindow(Fact):
    """The kernel counts this share as limited by the window, but the data was queued in the network."""

    receive_window_share: float


def measure(observation: Observation) -> Answer:
    """Measure what the sender waited for: this needs the kernel's counters and a transfer that lasted long enough."""
    if observation.sender.samples is None:
        return unobservable(NoSamples(observation.sender.role))
    lasted_s = sending_s(observation)
    if lasted_s is not None and lasted_s < SHORT_S:
        return not_applicable(TooShort(lasted_s))
    limits = find_limits(observation)
    if limits is None:
        return unobservable("the kernel does not report busy_time, or the end of the transfer was not observed")
    return Measured(
        _fact(limits, acknowledged=observation.acked_ns is not None),
        evidence=samples(
            observation.sender,
            observation.sender.samples,
            observation.sender.samples.column("busy_time") != ABSENT,
            "the kernel's counters busy_time, rwnd_limited and sndbuf_limited",
        ),
        confidence="high" if limits.share >= 0.6 else "medium" if limits.share >= 0.4 else "low",
        contradicted_by=_contradictions(limits),
        not_observed=_not_observed(limits),
        strength=round(0.5 * min(limits.share, 1.0), 3),
    )


def _fact(limits: Limits, *, acknowledged: bool) -> SenderLimit:
    shares = {limit: round(share, 4) for limit, share in limits.shares.items()}
    path = limits.path
    return SenderLimit(
        limited_by=limits.limit,
        sending_s=round(limits.total_s, 6),
        busy_s=round(limits.busy_s, 6),
        receive_window_share=round(limits.receive_window, 4),
        receiver_share=shares[Limit.RECEIVER],
        window_share=shares[Limit.WINDOW],
        network_share=shares[Limit.NETWORK],
        send_buffer_share=shares[Limit.SEND_BUFFER],
        application_share=shares[Limit.APPLICATION],
        acknowledged=acknowledged,
        path_causes=path.causes,
        window_unread_share=_rounded(limits.unread, 4),
        receiver_full_share=_rounded(limits.receiver_full, 4),
        rtt_ms=_rounded(path.rtt_ms, 3),
        **_of_causes(path),
    )


def _of_causes(path: Path) -> dict[str, Any]:
    """Return what belongs to the causes for which the path was waited for."""
    found: dict[str, Any] = {}
    if PathCause.QUEUE in path.causes:
        found |= {"queued_rtt_ms": _rounded(path.queued_rtt_ms, 3), "idle_rtt_ms": _rounded(path.idle_rtt_ms, 3)}
    if PathCause.LOSSES in path.causes:
        found |= {"lost_segments": path.lost_segments, "data_segments": path.data_segments}
    if PathCause.LOST_WINDOW_UPDATE in path.causes:
        found["window_update_lost_s"] = _rounded(path.window_update_lost_s, 6)
    return found


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _not_observed(limits: Limits) -> list[Phrase]:
    unknown: list[Phrase] = ["how full the receiver's queue was"] if limits.receiver_full is None else []
    if limits.receive_window and limits.unread is None:
        unknown.append("whether unread bytes occupied the window, or bytes in flight")
    return unknown


def _contradictions(limits: Limits) -> list[Phrase]:
    in_queue = limits.limit == Limit.NETWORK and PathCause.QUEUE in limits.path.causes
    if in_queue and limits.receive_window >= ALSO_SHARE:
        return [KernelCountsWindow(round(limits.receive_window, 4))]
    return []


RULE: Final = Rule(
    "sender-limit",
    "What limited the sender: receiver, window size, network, its own buffer or its program?",
    "`busy_time`, `rwnd_limited`, `sndbuf_limited`, `rtt`, both captures, both logs",
    (SenderLimit,),
    measure,
)
