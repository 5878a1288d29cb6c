"""Sentences about data that was retransmitted."""

from typing import Final

from testbed.analysis.findings.retransmissions import ArrivedTwice, CaptureShowsMore, LossCause, Retransmissions
from testbed.report.sentences.wording import Sentences, joined
from testbed.units import percent, pluralize, times


def retransmissions(fact: Retransmissions) -> str:
    """Return how much was retransmitted, and why."""
    count = fact.retransmissions
    share = f" ({percent(count / fact.data_segments)} of {fact.data_segments})" if fact.data_segments else ""
    were = "was" if count == 1 else "were"
    return f"{pluralize(count, 'segment')} {were} retransmitted{share}: {_why(fact)}."


def _why(fact: Retransmissions) -> str:
    if fact.cause is LossCause.SPURIOUS:
        return _spurious(fact)
    if fact.cause is LossCause.UNKNOWN:
        return "packets alone do not show whether data was lost, or only acknowledged late"
    them = "it" if fact.retransmissions == 1 else "them"
    why = {
        LossCause.LINK: _link(fact),
        LossCause.LATE: "the link lost none, but segments that are late or out of order are taken for lost",
        LossCause.SOME_LOST: "some of them were lost",
        LossCause.NETWORK: f"the network lost or delayed {them}",
    }[fact.cause]
    return f"{why}; the retransmission timer expired {times(fact.rto_count)}" if fact.rto_count else why


def _link(fact: Retransmissions) -> str:
    lost = {"client": fact.lost_on_link_from_client, "server": fact.lost_on_link_from_server}
    parts = [f"{pluralize(count, 'frame')} from the {role}" for role, count in lost.items() if count]
    return f"the link lost {'or corrupted ' if fact.link_corrupts else ''}{joined(parts)}"


def _spurious(fact: Retransmissions) -> str:
    which, why = "all of them", "Their acknowledgements were late, or the segments came out of order"
    if fact.retransmissions == 1:
        which, why = "it", "Its acknowledgement was late, or the segments came out of order"
    if fact.tail_loss_probes:
        why = "Tail loss probes cause this: they go out when an acknowledgement is delayed"
    return f"the receiver had {which} already and reported so (D-SACK); no data was lost. {why}"


def arrived_twice(fact: ArrivedTwice) -> str:
    """Return how many were spurious."""
    return f"{fact.segments} of them arrived twice: they were retransmitted spuriously"


def capture_shows_more(fact: CaptureShowsMore) -> str:
    """Return both counts."""
    kernel = pluralize(fact.kernel_segments, "segment")
    return f"the capture shows {pluralize(fact.frames, 'retransmitted frame')}, the kernel counts {kernel}"


SENTENCES: Final[Sentences] = {
    Retransmissions: retransmissions,
    ArrivedTwice: arrived_twice,
    CaptureShowsMore: capture_shows_more,
}
