"""Retransmissions: whether data was sent again because it was lost, or for nothing."""

from typing import Final

import numpy as np

from testbed.analysis.findings.evidence import file, frames
from testbed.analysis.findings.rule import Answer, Rule, percent, plural, silent, unseen
from testbed.analysis.join.observation import Observation
from testbed.analysis.join.samples import Samples
from testbed.analysis.packets.flags import RETRANSMISSIONS, Mark
from testbed.result import Evidence, Finding

NAME: Final = "retransmissions"


def explain(seen: Observation) -> Answer:
    """Speak when the sender sent data again."""
    end, samples = seen.wire(), seen.sender.samples
    if (end is None or end.connection is None) and samples is None:
        return unseen(NAME, "neither a capture nor samples of the sender are there")
    numbers = _from_kernel(samples)
    evidence: list[Evidence] = []
    if end is not None and end.connection is not None:
        marked = end.connection.frames
        sent = seen.from_sender(marked)
        again = sent & marked.having(RETRANSMISSIONS)
        numbers |= {
            "frames_again": int(again.sum()),
            "fast_frames": int((sent & marked.having(Mark.FAST_RETRANSMISSION)).sum()),
            "spurious_frames": int((sent & marked.having(Mark.SPURIOUS_RETRANSMISSION)).sum()),
        }
        evidence += frames(end, again, "data sent again", "tcp.analysis.retransmission")
    loss_probes = seen.sender.counted("TcpExtTCPLossProbes")
    if loss_probes is not None:
        numbers["tail_loss_probes"] = loss_probes
    lost = sum(seen.link_losses.values()) if seen.link_losses else None
    if lost:
        numbers["lost_on_link"] = lost
        where = [role for role, count in seen.link_losses.items() if count]
        evidence += [e for role in where for e in file(f"{role}/link.json", "frames that the link lost")]
    count = int(numbers.get("retransmitted_segments", numbers.get("frames_again", 0)))
    if not count:
        return silent(NAME, "nothing was sent again" + (", though the link lost frames" if lost else ""))
    what, share = _judge(numbers, count, lost)
    numbers["segments_again"] = count
    return Finding(
        name=NAME,
        sentence=f"{plural(count, 'segment')} were sent again{share}: {what}.".replace(
            "1 segment were", "1 segment was"
        ),
        numbers=numbers,
        evidence=evidence,
        confidence="high" if "dsack_segments" in numbers else "medium",
        contradicting=_contradicting(numbers, count, lost),
        not_observed=[] if "dsack_segments" in numbers else ["which of them the receiver had already (D-SACK)"],
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


def _needless(numbers: dict[str, float | int | str], count: int) -> bool:
    dsack = numbers.get("dsack_segments")
    return isinstance(dsack, int) and dsack >= count


def _judge(numbers: dict[str, float | int | str], count: int, lost: int | None) -> tuple[str, str]:
    """Return why, and which share of all; `lost` is None where nobody counted what the link lost."""
    segments = numbers.get("data_segments")
    share = f" ({percent(count / segments)} of {segments})" if isinstance(segments, int) and segments else ""
    timeouts = numbers.get("rto_count")
    how = f", {plural(timeouts, 'time-out')} among them" if isinstance(timeouts, int) and timeouts else ""
    dsack = numbers.get("dsack_segments")
    if lost:
        return f"the link lost {plural(lost, 'frame')}{how}", share
    if _needless(numbers, count):
        already = "the receiver had all of them already and said so (D-SACK); nothing was lost"
        return f"{already}. {_why_needless(numbers)}", share
    if dsack is None:
        return "whether lost, or only acknowledged late, packets alone do not tell", share
    if lost == 0:
        return "the link lost none, but what is late or out of order is taken for lost" + how, share
    return ("some of them were lost" if dsack else "the network lost or delayed them") + how, share


def _why_needless(numbers: dict[str, float | int | str]) -> str:
    if numbers.get("tail_loss_probes"):
        return "Tail loss probes are such: they go out when an acknowledgement is delayed"
    return "Their acknowledgements were late, or the segments came out of order"


def _contradicting(numbers: dict[str, float | int | str], count: int, lost: int | None) -> list[str]:
    found = []
    dsack = numbers.get("dsack_segments")
    if lost and isinstance(dsack, int) and dsack:
        found.append(f"{dsack} of them arrived twice: sent again for nothing")
    seen_again = numbers.get("frames_again")
    if isinstance(seen_again, int) and seen_again > count:
        found.append(f"the capture shows {seen_again} frames sent again, the kernel counts {count} segments")
    return found


def _strength(numbers: dict[str, float | int | str], count: int) -> float:
    if _needless(numbers, count):
        return 0.15
    segments = numbers.get("data_segments")
    return float(np.clip(0.4 + 5 * count / segments, 0, 0.9)) if isinstance(segments, int) and segments else 0.5


RULE: Final = Rule(
    NAME,
    "Was data sent again, and because of loss, a time-out or for nothing?",
    "retransmission marks, `total_retrans`, `dsack_dups`, `total_rto`, TCPLossProbes, the link's own losses",
    explain,
)
