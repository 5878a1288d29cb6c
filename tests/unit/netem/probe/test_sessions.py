import pytest

from netem.probe import sessions
from netem.probe.delays import Delays
from netem.probe.message import ECHO, PROBE, Command, Egress, Probe, Reply, Request
from netem.probe.sessions import ProbeSessions

EGRESS = Egress("delay 1ms", 500_000)


def test_a_probe_is_echoed_once() -> None:
    known = ProbeSessions()
    assert known.echo(Probe(PROBE, 5, 0, 100), 130, 140) == Probe(ECHO, 5, 0, 100, 130, 140)
    assert known.echo(Probe(PROBE, 5, 0, 100), 150, 160) is None
    assert known.echo(Probe(ECHO, 5, 1, 100), 130, 140) is None


def test_a_reply_summarizes_the_probes_of_its_session() -> None:
    known = ProbeSessions()
    for sequence, delay_ns in enumerate((30, 10, 20)):
        known.echo(Probe(PROBE, 5, sequence, 100), 100 + delay_ns, 200)
    assert known.reply(Request(Command.REPORT, 5), EGRESS, 300) == Reply(
        Command.REPORT, 5, EGRESS, 3, Delays(10, 20, 20, 30), 300
    )
    assert known.reply(Request(Command.HELLO, 6), EGRESS, 300) == Reply(Command.HELLO, 6, EGRESS, 0, None, 300)


def test_an_echo_carries_the_send_time_of_the_one_before() -> None:
    known = ProbeSessions()
    first = known.echo(Probe(PROBE, 5, 3, 100), 130, 140)
    assert first is not None
    known.on_sent(first, 145)
    assert known.echo(Probe(PROBE, 5, 1, 200), 230, 240) == Probe(ECHO, 5, 1, 200, 230, 240, 3, 145)
    assert known.echo(Probe(PROBE, 6, 1, 200), 230, 240) == Probe(ECHO, 6, 1, 200, 230, 240)


def test_the_next_probe_corrects_when_one_was_sent() -> None:
    known = ProbeSessions()
    known.echo(Probe(PROBE, 5, 0, 100), 130, 140)
    known.echo(Probe(PROBE, 5, 1, 200, previous=0, previous_ns=120), 210, 240)
    reply = known.reply(Request(Command.REPORT, 5), EGRESS, 300)
    assert reply.delays == Delays(10, 10, 10, 10)


def test_a_series_finishes_once() -> None:
    known = ProbeSessions()
    assert not known.finish(Request(Command.REPORT, 5))
    assert known.finish(Request(Command.FINISH, 5))
    assert not known.finish(Request(Command.FINISH, 5))
    assert known.finish(Request(Command.FINISH, 6))
    assert known.finished == 2


def test_unsolicited_datagrams_cannot_exhaust_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 2)
    monkeypatch.setattr(sessions, "MAX_PROBES", 2)
    known = ProbeSessions()
    assert [known.echo(Probe(PROBE, 1, sequence, 0), 1, 1) is not None for sequence in range(3)] == [True, True, False]
    for session in (2, 3):
        assert known.echo(Probe(PROBE, session, 0, 0), 1, 1)
    assert [known.reply(Request(Command.REPORT, session), EGRESS, 0).received for session in (1, 2, 3)] == [0, 1, 1]
    assert [known.finish(Request(Command.FINISH, session)) for session in (1, 2, 3)] == [True, True, False]


def test_all_sessions_together_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_PROBES", 2)
    known = ProbeSessions()
    for session in (1, 2, 3):
        for sequence in range(2):
            assert known.echo(Probe(PROBE, session, sequence, 0), 1, 1)
    assert [known.reply(Request(Command.REPORT, session), EGRESS, 0).received for session in (1, 2, 3)] == [0, 2, 2]
