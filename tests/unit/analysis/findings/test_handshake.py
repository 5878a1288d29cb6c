from dataclasses import replace

import pytest

from testbed.analysis.findings.handshake import Attempt, Outcome, attempt, connected
from testbed.analysis.findings.measured import Measured
from testbed.analysis.findings.registry import measure
from testbed.analysis.findings.verdict import Answer, Verdict, verdict
from testbed.analysis.join.observation import End, Observation
from testbed.analysis.join.samples import parse_samples
from tests.support.captures import ACK, RST, SYN, Segment, pcap
from tests.support.transfers import captured, captures_of, fast_reader, slow_reader

SYN_SENT = ["monotonic_ns,realtime_ns,state", "1,2,SYN_SENT", "3,4,CLOSE"]


def requested(*answers: Segment, arrive: bool = True) -> Observation:
    """Return what both ends saw of a SYN that was sent three times, and of what was answered."""
    syns = [replace(fast_reader().segments[0], time_ns=second * 1_000_000_000) for second in (1, 2, 4)]
    ours = [*syns, *answers] if arrive else syns
    ends = [
        End(role, capture=captured(pcap(segments), f"{role}/capture.pcap", complete=True))
        for role, segments in (("client", ours), ("server", [*syns, *answers]))
    ]
    return Observation(sender=ends[0], receiver=ends[1])


def answer(flags: int) -> Segment:
    return replace(fast_reader().segments[1], flags=flags, time_ns=5_000_000_000)


def facts(observation: Observation) -> set[str]:
    return {name for name, answer in measure(observation).items() if isinstance(answer, Measured)}


@pytest.mark.parametrize(
    ("observation", "outcome"),
    [
        (requested(), Outcome.NO_ANSWER),
        (requested(answer(RST | ACK)), Outcome.REFUSED),
        (requested(answer(SYN | ACK), arrive=False), Outcome.ANSWER_LOST),
    ],
)
def test_how_far_it_came(observation: Observation, outcome: Outcome) -> None:
    assert not connected(observation)
    assert attempt(observation) == Attempt("client", 3, outcome)
    assert verdict(observation, []) == Verdict(Answer.NO_CONNECTION, attempt=attempt(observation))
    # Nothing is made up of a transfer that was none, and the captures lack nothing.
    assert facts(observation) <= {"retransmissions", "context"}


def test_samples_alone_show_it() -> None:
    observation = Observation(sender=End("client", samples=parse_samples(SYN_SENT)), receiver=End("server"))
    assert not connected(observation)
    assert attempt(observation) == Attempt("client", 0, Outcome.NOT_CAPTURED)


def test_a_connection_is_there() -> None:
    assert connected(slow_reader().observe())
    assert connected(captures_of(slow_reader().segments[:2]))
    assert connected(Observation(sender=End("client"), receiver=End("server")))
    assert connected(replace(requested(), sender=slow_reader().observe().sender))


def test_a_capture_that_began_too_late_shows_nothing() -> None:
    assert connected(captures_of([answer(RST)]))
    assert connected(captures_of([answer(SYN | ACK)]))


def test_captures_that_are_whole_and_empty() -> None:
    """A cell whose programs never came so far."""
    nothing = [End(role, capture=captured(pcap([]), complete=True)) for role in ("client", "server")]
    observation = Observation(sender=nothing[0], receiver=nothing[1])
    assert not connected(observation)
    assert not facts(observation)
    lost = [replace(end, capture=replace(end.capture, complete=False)) for end in nothing]
    assert connected(Observation(sender=lost[0], receiver=lost[1]))
