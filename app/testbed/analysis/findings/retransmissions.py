"""Retransmissions: whether data was sent again because it was lost, or for nothing."""

from typing import Final

import numpy as np

from testbed.analysis.findings.evidence import file, frames
from testbed.analysis.findings.measured import Source, not_applicable, unobservable
from testbed.analysis.findings.rule import Answer, Rule
from testbed.analysis.findings.untyped import Untyped, untyped
from testbed.analysis.join.observation import Observation
from testbed.analysis.join.samples import Samples
from testbed.analysis.packets.flags import RETRANSMISSIONS, Mark
from testbed.units import percent, pluralize

NAME: Final = "retransmissions"


def measure(observation: Observation) -> Answer:
    """Speak when the sender sent data again."""
    end, samples = observation.wire(), observation.sender.samples
    if (end is None or end.connection is None) and samples is None:
        return unobservable("neither a capture nor samples of the sender are there")
    numbers = _from_kernel(samples)
    evidence: list[Source] = []
    if end is not None and end.connection is not None:
        marked = end.connection.frames
        sent = observation.from_sender(marked)
        again = sent & marked.having(RETRANSMISSIONS)
        numbers |= {
            "frames_again": int(again.sum()),
            "fast_frames": int((sent & marked.having(Mark.FAST_RETRANSMISSION)).sum()),
            "spurious_frames": int((sent & marked.having(Mark.SPURIOUS_RETRANSMISSION)).sum()),
            "dsack_frames": int((~sent & marked.having(Mark.DUPLICATE_SACK)).sum()),
        }
        evidence += frames(end, again, "data sent again", "tcp.analysis.retransmission")
    loss_probes = observation.sender.counter("TcpExtTCPLossProbes")
    if loss_probes is not None:
        numbers["tail_loss_probes"] = loss_probes
    lost = sum(observation.link_losses.values()) if observation.link_losses else None
    if lost:
        numbers["lost_on_link"] = lost
        where = [role for role, count in observation.link_losses.items() if count]
        evidence += [e for role in where for e in file(f"{role}/link.json", "frames that the link lost")]
    count = int(numbers.get("retransmitted_segments", numbers.get("frames_again", 0)))
    if not count:
        return not_applicable("nothing was sent again" + (", though the link lost frames" if lost else ""))
    why_lost = _lost_on_link(observation)
    if why_lost and _needless(numbers, count) and not observation.link_losses.get(observation.sender.role):
        why_lost = ""  # what the receiver sent was lost, and all of the data had come
    what, share = _judge(numbers, count, why_lost)
    numbers["segments_again"] = count
    return untyped(
        sentence=f"{pluralize(count, 'segment')} {'was' if count == 1 else 'were'} sent again{share}: {what}.",
        numbers=numbers,
        evidence=evidence,
        confidence="high" if "dsack_segments" in numbers else "medium",
        contradicted_by=_contradicting(numbers, count, lost=bool(why_lost)),
        not_observed=["which of them the receiver had already (D-SACK)"] if _twice(numbers) is None else [],
        strength=round(_strength(numbers, count), 3),
    )


def _from_kernel(samples: Samples | None) -> dict[str, float | int | str]:
    if samples is None:
        return {}
    names = {
        "total_retrans": "retransmitted_segments",
        "dsack_dups": "dsack_segments",
        "total_rto": "rto_count",
        "bytes_retrans": "retransmitted_bytes",
        "data_segs_out": "data_segments",
    }
    told = {key: samples.most(name) for name, key in names.items()}
    return {key: value for key, value in told.items() if value is not None}


def _twice(numbers: dict[str, float | int | str]) -> int | None:
    """Return how many the receiver said it had already; None when nothing tells: it need not have learnt to say so."""
    told = numbers.get("dsack_segments", numbers.get("dsack_frames") or None)
    return told if isinstance(told, int) else None


def _needless(numbers: dict[str, float | int | str], count: int) -> bool:
    twice = _twice(numbers)
    return twice is not None and twice >= count


def _lost_on_link(observation: Observation) -> str | None:
    """Return what the link lost, and of whom; empty when it lost nothing, None when nobody counted."""
    if not observation.link_losses:
        return None
    losses = [(count, role) for role, count in sorted(observation.link_losses.items()) if count]
    if not losses:
        return ""
    # A corrupted frame arrives and counts as lost, but the link's own figures call it otherwise.
    corrupts = bool(observation.requested.get("profile")) or any(
        "corrupt" in requested for requested in observation.impairment.values()
    )
    (first, whose), *others = losses
    told = [f"{pluralize(first, 'frame')} of the {whose}'s", *(f"{count} of the {role}'s" for count, role in others)]
    return f"the link lost {'or corrupted ' if corrupts else ''}{' and '.join(told)}"


def _judge(numbers: dict[str, float | int | str], count: int, lost: str | None) -> tuple[str, str]:
    """Return why, and which share of all; `lost` is what the link lost, None where nobody counted."""
    segments = numbers.get("data_segments")
    share = f" ({percent(count / segments)} of {segments})" if isinstance(segments, int) and segments else ""
    timeouts = numbers.get("rto_count")
    how = f"; {pluralize(timeouts, 'time-out')} ran out" if isinstance(timeouts, int) and timeouts else ""
    twice = _twice(numbers)
    if lost:
        return lost + how, share
    if _needless(numbers, count):
        which = "it" if count == 1 else "all of them"
        already = f"the receiver had {which} already and said so (D-SACK); no data was lost"
        return f"{already}. {_why_needless(numbers)}", share
    if twice is None:
        return "whether lost, or only acknowledged late, packets alone do not tell", share
    if lost is not None:
        return "the link lost none, but what is late or out of order is taken for lost" + how, share
    which = "it" if count == 1 else "them"
    return ("some of them were lost" if twice else f"the network lost or delayed {which}") + how, share


def _why_needless(numbers: dict[str, float | int | str]) -> str:
    if numbers.get("tail_loss_probes"):
        return "Tail loss probes are such: they go out when an acknowledgement is delayed"
    return "Their acknowledgements were late, or the segments came out of order"


def _contradicting(numbers: dict[str, float | int | str], count: int, *, lost: bool) -> list[str]:
    found = []
    twice = _twice(numbers)
    if lost and twice:
        found.append(f"{min(twice, count)} of them arrived twice: sent again for nothing")
    seen_again = numbers.get("frames_again")
    if isinstance(seen_again, int) and seen_again > count:
        found.append(
            f"the capture shows {seen_again} frames sent again, the kernel counts {pluralize(count, 'segment')}"
        )
    return found


def _strength(numbers: dict[str, float | int | str], count: int) -> float:
    if _needless(numbers, count):
        return 0.15
    segments = numbers.get("data_segments")
    return float(np.clip(0.4 + 5 * count / segments, 0, 0.9)) if isinstance(segments, int) and segments else 0.5


RULE: Final = Rule(
    NAME,
    "Was data sent again, and because of loss, a time-out or for nothing?",
    "retransmission and D-SACK marks, `total_retrans`, `dsack_dups`, `total_rto`, TCPLossProbes, the link's own losses",
    (Untyped,),
    measure,
    without_connection=True,
)
