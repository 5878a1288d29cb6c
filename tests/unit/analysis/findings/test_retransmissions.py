from dataclasses import replace

import pytest

from testbed.analysis.findings.measured import Measured, NotMeasured
from testbed.analysis.findings.retransmissions import LossCause, measure
from testbed.analysis.join.observation import End, Observation
from testbed.report.sentences.registry import words
from tests.support.captures import sack
from tests.support.samples import with_columns
from tests.support.transfers import fast_reader, slow_network, slow_reader


def observed(**counters: int) -> Observation:
    return with_columns(slow_network().observe(), **counters)


def test_spurious_ones_are_no_loss() -> None:
    observation = observed(total_retrans=3, dsack_dups=3)
    found = measure(replace(observation, sender=replace(observation.sender, counters={"TcpExtTCPLossProbes": 3})))
    assert isinstance(found, Measured)
    assert found.fact.cause is LossCause.SPURIOUS
    assert found.strength < 0.2
    assert found.fact.tail_loss_probes == 3


def test_data_that_the_link_lost() -> None:
    observation = replace(observed(total_retrans=6, dsack_dups=1, total_rto=2), link_losses={"client": 5})
    found = measure(observation)
    assert isinstance(found, Measured)
    assert (found.fact.cause, found.fact.lost_on_link_from_client, found.fact.rto_count) == (LossCause.LINK, 5, 2)
    assert found.fact.lost_on_link == 5
    assert found.strength > 0.4
    assert found.contradicted_by
    assert found.evidence[-1].file == "client/link.json"


def test_a_link_that_lost_none_only_delayed_them() -> None:
    found = measure(replace(observed(total_retrans=6, dsack_dups=1), link_losses={"client": 0, "server": 0}))
    assert isinstance(found, Measured)
    assert found.fact.cause is LossCause.LATE
    assert [evidence.file for evidence in found.evidence if evidence.file.endswith("link.json")] == []


def test_why_spurious_ones_were_sent() -> None:
    found = measure(observed(total_retrans=3, dsack_dups=3))
    assert isinstance(found, Measured)
    assert "Tail loss probes" not in words(found.fact)
    assert "out of order" in words(found.fact)


def test_some_that_were_lost() -> None:
    found = measure(observed(total_retrans=6, dsack_dups=1))
    assert isinstance(found, Measured)
    assert found.fact.cause is LossCause.SOME_LOST


def packets_alone(*, options: bytes = b"") -> Measured:
    """Return what is found where one frame comes again and the next acknowledgement after it has these options."""
    transfer = slow_network()
    segments = transfer.segments
    again = next(n for n, segment in enumerate(segments) if segment.length)
    segments.insert(again + 41, replace(segments[again], time_ns=segments[again + 40].time_ns))
    answer = next(n for n in range(again + 42, len(segments)) if segments[n].from_server)
    segments[answer] = replace(segments[answer], options=options)
    observation = transfer.observe()
    found = measure(replace(observation, sender=replace(observation.sender, samples=None)))
    assert isinstance(found, Measured)
    return found


def test_frames_of_a_capture() -> None:
    found = packets_alone()
    assert found.fact.retransmitted_frames == found.fact.spurious_frames == 1
    assert len(found.evidence[0].numbers) == 1
    assert found.not_observed
    assert (found.fact.retransmissions, found.fact.cause) == (1, LossCause.UNKNOWN)


def test_packets_show_what_arrived_twice() -> None:
    found = packets_alone(options=sack(1, 2))
    assert found.fact.dsack_frames == 1
    assert found.fact.cause is LossCause.SPURIOUS
    assert not found.not_observed


@pytest.mark.parametrize("transfer", [slow_reader, fast_reader, slow_network])
def test_not_applicable_when_nothing_was_retransmitted(transfer) -> None:
    found = measure(transfer().observe())
    assert isinstance(found, NotMeasured)
    assert found.observable


def test_losses_of_acknowledgements_only() -> None:
    found = measure(slow_reader().observe(link_losses={"server": 2}))
    assert isinstance(found, NotMeasured)
    assert "though the link lost frames" in found.reason


def test_what_it_needs() -> None:
    found = measure(Observation(sender=End("client"), receiver=End("server")))
    assert isinstance(found, NotMeasured)
    assert not found.observable


@pytest.mark.parametrize(
    ("impairment", "requested", "text"),
    [
        ("loss 3%", {}, "the link lost 20 frames from the client and 16 frames from the server"),
        ("corrupt 2%", {}, "the link lost or corrupted 20 frames from the client and 16 frames from the server"),
        ("", {"profile": [{"at": 0}]}, "the link lost or corrupted 20 frames"),
    ],
)
def test_what_the_link_lost_and_of_whom(impairment: str, requested: dict[str, object], text: str) -> None:
    observation = observed(total_retrans=20)
    lost = {"server": 16, "client": 20}
    found = measure(replace(observation, link_losses=lost, impairment={"client": impairment}, requested=requested))
    assert isinstance(found, Measured)
    assert text in words(found.fact)


def test_a_single_one() -> None:
    found = measure(observed(total_retrans=1, dsack_dups=1))
    assert isinstance(found, Measured)
    assert (found.fact.retransmissions, found.fact.cause) == (1, LossCause.SPURIOUS)


def test_acknowledgements_that_were_lost_are_no_lost_data() -> None:
    found = measure(replace(observed(total_retrans=4, dsack_dups=4), link_losses={"client": 0, "server": 1}))
    assert isinstance(found, Measured)
    assert found.fact.cause is LossCause.SPURIOUS
    assert found.contradicted_by == []
    found = measure(replace(observed(total_retrans=4, dsack_dups=1), link_losses={"client": 0, "server": 1}))
    assert isinstance(found, Measured)
    assert found.fact.cause is LossCause.LINK
