from dataclasses import replace

import pytest

from testbed.analysis.findings.measured import Measured, NotMeasured
from testbed.analysis.findings.retransmissions import measure
from testbed.analysis.join.observation import End, Observation
from tests.support.captures import sack
from tests.support.transfers import fast_reader, slow_network, slow_reader


def observed(**counters: int):
    observation = slow_network().observe()
    samples = observation.sender.samples
    assert samples is not None
    for name, value in counters.items():
        samples._numbers[name] = samples.column("rtt") * 0 + value
    return observation


def test_needless_ones_are_not_called_loss() -> None:
    observation = observed(total_retrans=3, dsack_dups=3)
    found = measure(replace(observation, sender=replace(observation.sender, counters={"TcpExtTCPLossProbes": 3})))
    assert isinstance(found, Measured)
    assert "no data was lost" in found.fact.sentence
    assert found.strength < 0.2
    assert found.fact.numbers["tail_loss_probes"] == 3


def test_loss_is_called_loss() -> None:
    observation = replace(observed(total_retrans=6, dsack_dups=1, total_rto=2), link_losses={"client": 5})
    found = measure(observation)
    assert isinstance(found, Measured)
    assert "the link lost 5 frames of the client's; 2 time-outs ran out" in found.fact.sentence
    assert found.fact.numbers["lost_on_link"] == 5
    assert found.strength > 0.4
    assert found.contradicted_by
    assert found.evidence[-1].file == "client/link.json"


def test_a_link_that_lost_none_only_delayed_them() -> None:
    found = measure(replace(observed(total_retrans=6, dsack_dups=1), link_losses={"client": 0, "server": 0}))
    assert isinstance(found, Measured)
    assert "the link lost none" in found.fact.sentence
    assert [evidence.file for evidence in found.evidence if evidence.file.endswith("link.json")] == []


def test_why_needless_ones_were_sent() -> None:
    found = measure(observed(total_retrans=3, dsack_dups=3))
    assert isinstance(found, Measured)
    assert "Tail loss probes" not in found.fact.sentence
    assert "out of order" in found.fact.sentence


def test_some_that_were_lost() -> None:
    found = measure(observed(total_retrans=6, dsack_dups=1))
    assert isinstance(found, Measured)
    assert "some of them were lost" in found.fact.sentence


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
    assert found.fact.numbers["frames_again"] == found.fact.numbers["spurious_frames"] == 1
    assert len(found.evidence[0].numbers) == 1
    assert found.not_observed
    assert found.fact.sentence.startswith("1 segment was")
    assert "packets alone do not tell" in found.fact.sentence


def test_packets_tell_what_came_twice() -> None:
    found = packets_alone(options=sack(1, 2))
    assert found.fact.numbers["dsack_frames"] == 1
    assert "the receiver had it already and said so (D-SACK); no data was lost" in found.fact.sentence
    assert not found.not_observed


@pytest.mark.parametrize("transfer", [slow_reader, fast_reader, slow_network])
def test_silent_when_nothing_was_sent_again(transfer) -> None:
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
    ("impairment", "requested", "says"),
    [
        ("loss 3%", {}, "the link lost 20 frames of the client's and 16 of the server's"),
        ("corrupt 2%", {}, "the link lost or corrupted 20 frames of the client's and 16 of the server's"),
        ("", {"profile": [{"at": 0}]}, "the link lost or corrupted 20 frames"),
    ],
)
def test_what_the_link_lost_and_of_whom(impairment: str, requested: dict[str, object], says: str) -> None:
    observation = observed(total_retrans=20)
    lost = {"server": 16, "client": 20}
    found = measure(replace(observation, link_losses=lost, impairment={"client": impairment}, requested=requested))
    assert isinstance(found, Measured)
    assert says in found.fact.sentence


def test_a_single_one() -> None:
    found = measure(observed(total_retrans=1, dsack_dups=1))
    assert isinstance(found, Measured)
    assert found.fact.sentence.startswith("1 segment was sent again")
    assert "the receiver had it already" in found.fact.sentence


def test_acknowledgements_that_were_lost_are_no_lost_data() -> None:
    found = measure(replace(observed(total_retrans=4, dsack_dups=4), link_losses={"client": 0, "server": 1}))
    assert isinstance(found, Measured)
    assert "the receiver had all of them already and said so (D-SACK); no data was lost" in found.fact.sentence
    assert found.contradicted_by == []
    found = measure(replace(observed(total_retrans=4, dsack_dups=1), link_losses={"client": 0, "server": 1}))
    assert isinstance(found, Measured)
    assert "the link lost 1 frame of the server's" in found.fact.sentence
