"""Retransmissions: whether data was retransmitted because it was lost, or spuriously."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import numpy as np

from testbed.analysis.findings.evidence import file, frames
from testbed.analysis.findings.measured import Fact, Measured, Phrase, Source, not_applicable, unobservable
from testbed.analysis.findings.rule import Answer, Rule
from testbed.analysis.join.observation import Observation, Role
from testbed.analysis.join.samples import Samples
from testbed.analysis.packets.flags import RETRANSMISSIONS, Mark


class LossCause(StrEnum):
    """Why data was retransmitted."""

    LINK = "link"
    """The link dropped or corrupted frames."""
    SPURIOUS = "spurious"
    """The receiver had all of it already and reported so (D-SACK, RFC 2883)."""
    UNKNOWN = "unknown"
    """Neither the receiver nor the link shows whether it was lost."""
    LATE = "late"
    """The link dropped nothing: segments that were late or out of order were taken for lost."""
    SOME_LOST = "some lost"
    """The receiver had a part of it already."""
    NETWORK = "network"
    """The network lost or delayed it."""


@dataclass(frozen=True, slots=True)
class Retransmissions(Fact):
    """Data that was retransmitted, as the sender's kernel counts it and as the capture shows it; null = not known.

    `retransmissions` is the kernel's count, else that of the capture. `lost_on_link` counts the frames that the link
    dropped or corrupted; `link_corrupts` says that it may have corrupted some.
    """

    retransmissions: int
    cause: LossCause
    retransmitted_segments: int | None = None
    dsack_segments: int | None = None
    rto_count: int | None = None
    retransmitted_bytes: int | None = None
    data_segments: int | None = None
    retransmitted_frames: int | None = None
    fast_frames: int | None = None
    spurious_frames: int | None = None
    dsack_frames: int | None = None
    tail_loss_probes: int | None = None
    lost_on_link: int | None = None
    lost_on_link_from_client: int | None = None
    lost_on_link_from_server: int | None = None
    link_corrupts: bool = False

    @property
    def duplicates(self) -> int | None:
        """How many the receiver reported as duplicates; None when nothing shows it: it need not support D-SACK."""
        return self.dsack_frames or None if self.dsack_segments is None else self.dsack_segments

    @property
    def spurious(self) -> bool:
        """Whether the receiver had all of them already."""
        return self.duplicates is not None and self.duplicates >= self.retransmissions


@dataclass(frozen=True, slots=True)
class ArrivedTwice(Fact):
    """So many of the retransmitted segments had arrived before."""

    segments: int


@dataclass(frozen=True, slots=True)
class CaptureShowsMore(Fact):
    """The capture shows more retransmitted frames than the kernel counts segments."""

    frames: int
    kernel_segments: int


def measure(observation: Observation) -> Answer:
    """Count what the sender retransmitted, and judge why."""
    end, samples = observation.wire(), observation.sender.samples
    if (end is None or end.connection is None) and samples is None:
        return unobservable("neither a capture nor samples of the sender exist")
    counts = _from_kernel(samples)
    evidence: list[Source] = []
    if end is not None and end.connection is not None:
        marked = end.connection.frames
        sent = observation.from_sender(marked)
        again = sent & marked.having(RETRANSMISSIONS)
        counts |= {
            "retransmitted_frames": int(again.sum()),
            "fast_frames": int((sent & marked.having(Mark.FAST_RETRANSMISSION)).sum()),
            "spurious_frames": int((sent & marked.having(Mark.SPURIOUS_RETRANSMISSION)).sum()),
            "dsack_frames": int((~sent & marked.having(Mark.DUPLICATE_SACK)).sum()),
        }
        evidence += frames(end, again, "retransmitted data", "tcp.analysis.retransmission")
    losses = observation.link_losses
    for role in (role for role, count in losses.items() if count):
        evidence += file(f"{role}/link.json", "frames that the link dropped or corrupted")
    retransmitted = counts.get("retransmitted_segments", counts.get("retransmitted_frames", 0))
    if not retransmitted:
        return not_applicable(_nothing(lost=any(losses.values())))
    fact = Retransmissions(
        retransmissions=retransmitted,
        cause=LossCause.UNKNOWN,
        tail_loss_probes=observation.sender.counter("TcpExtTCPLossProbes"),
        lost_on_link=sum(losses.values()) if losses else None,
        lost_on_link_from_client=losses.get("client"),
        lost_on_link_from_server=losses.get("server"),
        link_corrupts=_corrupts(observation),
        **counts,
    )
    fact = replace(fact, cause=_cause(fact, observation.sender.role))
    return Measured(
        fact,
        evidence=evidence,
        confidence="medium" if fact.dsack_segments is None else "high",
        contradicted_by=_contradictions(fact),
        not_observed=["which of them the receiver had already (D-SACK)"] if fact.duplicates is None else [],
        strength=round(_strength(fact), 3),
    )


def _nothing(*, lost: bool) -> str:
    return "nothing was retransmitted, though the link lost frames" if lost else "nothing was retransmitted"


def _from_kernel(samples: Samples | None) -> dict[str, Any]:
    if samples is None:
        return {}
    names = {
        "total_retrans": "retransmitted_segments",
        "dsack_dups": "dsack_segments",
        "total_rto": "rto_count",
        "bytes_retrans": "retransmitted_bytes",
        "data_segs_out": "data_segments",
    }
    counts = {key: samples.most(name) for name, key in names.items()}
    return {key: value for key, value in counts.items() if value is not None}


def _corrupts(observation: Observation) -> bool:
    """Return whether frames counted as lost may have been corrupted: these arrive, and the receiver drops them."""
    return bool(observation.requested.get("profile")) or any(
        "corrupt" in requested for requested in observation.impairment.values()
    )


def _cause(fact: Retransmissions, sender: Role) -> LossCause:
    data_lost = fact.lost_on_link_from_client if sender == "client" else fact.lost_on_link_from_server
    # Where only what the receiver sent was lost, all of the data arrived.
    if fact.lost_on_link and (data_lost or not fact.spurious):
        return LossCause.LINK
    if fact.spurious:
        return LossCause.SPURIOUS
    if fact.duplicates is None:
        return LossCause.UNKNOWN
    if fact.lost_on_link is not None:
        return LossCause.LATE
    return LossCause.SOME_LOST if fact.duplicates else LossCause.NETWORK


def _contradictions(fact: Retransmissions) -> list[Phrase]:
    found: list[Phrase] = []
    if fact.cause is LossCause.LINK and fact.duplicates:
        found.append(ArrivedTwice(min(fact.duplicates, fact.retransmissions)))
    if fact.retransmitted_frames is not None and fact.retransmitted_frames > fact.retransmissions:
        found.append(CaptureShowsMore(fact.retransmitted_frames, fact.retransmissions))
    return found


def _strength(fact: Retransmissions) -> float:
    if fact.spurious:
        return 0.15
    if not fact.data_segments:
        return 0.5
    return float(np.clip(0.4 + 5 * fact.retransmissions / fact.data_segments, 0, 0.9))


RULE: Final = Rule(
    "retransmissions",
    "Was data retransmitted, and because of loss, a time-out or spuriously?",
    "retransmission and D-SACK marks, `total_retrans`, `dsack_dups`, `total_rto`, TCPLossProbes, the link's own losses",
    (Retransmissions,),
    measure,
    without_connection=True,
)
