from dataclasses import replace

import pytest

from testbed.analysis.findings.closing import NotClosed, StrayReset, measure
from testbed.analysis.findings.measured import Measured, NotMeasured
from testbed.analysis.join.observation import End, Observation
from testbed.report.sentences.registry import words
from tests.support.captures import ACK, FIN, RST
from tests.support.transfers import broken_off, fast_reader, slow_network, slow_reader, swallowed


def test_a_sender_that_is_done_long_before() -> None:
    found = measure(swallowed().observe())
    assert isinstance(found, Measured)
    assert found.fact.ahead_s == pytest.approx(2.1, abs=0.01)
    assert found.fact.ahead_s == pytest.approx(2.1, abs=0.01)


@pytest.mark.parametrize(("by_server", "who"), [(True, "server"), (False, "client")])
@pytest.mark.parametrize("logged", [True, False])
def test_a_reset(by_server: bool, who: str, *, logged: bool) -> None:
    transfer = slow_reader()
    transfer.segments[-3:] = [replace(transfer.segments[-3], flags=RST | 16, from_server=by_server)]
    transfer.sockets["server"] = transfer.sockets["server"][:20]
    if logged:
        del transfer.logs["server"][-4:]
    else:
        transfer.logs["server"] = []
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert found.fact.reset_by == who
    assert int(found.fact.unread_bytes) > 0
    assert ("never read" in words(found.fact)) is by_server
    assert found.evidence[0].numbers.tolist() == [len(transfer.segments)]


def test_a_reset_after_the_end_is_harmless() -> None:
    """A link that duplicates or reorders: the last acknowledgement comes again to a socket that is gone."""
    transfer = slow_reader()
    last = transfer.segments[-1]
    stray = replace(last, time_ns=last.time_ns + 1_000_000)
    transfer.segments += [stray, replace(stray, flags=RST, from_server=True)]
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert isinstance(found.fact, StrayReset)
    assert found.strength < 0.2
    assert len(found.evidence[0].numbers) == 1


def test_a_reset_when_all_was_read_leaves_nothing_unread() -> None:
    transfer = slow_reader()
    transfer.segments[-3:] = [replace(transfer.segments[-3], flags=RST | 16, from_server=True)]
    transfer.sockets["server"] = transfer.sockets["server"][:20]  # the last sample still shows a queue
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert found.fact.unread_bytes == 0
    assert "never read" not in words(found.fact)


def test_a_reset_without_samples() -> None:
    transfer = slow_reader()
    transfer.segments[-3:] = [replace(transfer.segments[-1], flags=RST)]
    transfer.sockets["server"] = transfer.logs["server"] = []
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert found.not_observed == ["what the receiver had not read"]


def test_a_connection_that_does_not_end() -> None:
    transfer = slow_reader()
    del transfer.segments[-3:]
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert found.fact == NotClosed()


@pytest.mark.parametrize("transfer", [fast_reader, slow_network])
def test_not_applicable_about_a_regular_end(transfer) -> None:
    found = measure(transfer().observe())
    assert isinstance(found, NotMeasured)
    assert found.observable


def test_without_a_capture_it_is_unobservable() -> None:
    found = measure(Observation(sender=End("client"), receiver=End("server")))
    assert isinstance(found, NotMeasured)
    assert not found.observable


def test_a_receiver_that_closed_alone() -> None:
    transfer = broken_off()
    last = transfer.segments[-1]
    closes = replace(last, flags=FIN | ACK, from_server=True, length=0)
    if not last.from_server:
        closes = replace(closes, seq=last.ack, ack=last.seq + last.length)
    transfer.segments.append(closes)
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert (found.fact.receiver, found.fact.sender, found.fact.acknowledged) == ("server", "client", False)
    assert found.fact.unread_bytes
    assert len(found.evidence[0].numbers) == 1


def test_a_receiver_that_did_not_close() -> None:
    transfer = fast_reader()
    del transfer.segments[-2:]
    found = measure(transfer.observe())
    assert isinstance(found, NotMeasured)
    assert found.reason.not_closed_by == "server"
