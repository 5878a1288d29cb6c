import pytest

from testbed.analysis.join.observation import End, Observation
from tests.support.captures import pcap
from tests.support.transfers import START_NS, broken_off, captured, seen_in, slow_reader


def test_times_and_sizes() -> None:
    seen = slow_reader().observe()
    assert seen.start_ns == START_NS + 3_000_000
    assert seen.sent_bytes == 60_000
    assert seen.mss_bytes == 1448
    assert seen.sending_s == pytest.approx(1.5, rel=0.01)
    assert seen.duration_s == pytest.approx(2.1, rel=0.01)


def test_the_window_is_looked_at_in_the_receivers_capture() -> None:
    seen = slow_reader().observe()
    assert seen.window_end is seen.receiver
    assert seen.wire() is seen.sender
    assert len(seen.closures) == 6
    assert seen.closed_ns == sum(closure.duration_ns for closure in seen.closures)


def test_captures_alone_tell_nearly_as_much() -> None:
    seen = seen_in(slow_reader().segments)
    assert seen.sent_bytes == 60_000
    assert seen.mss_bytes == 1448
    assert seen.sending_s == pytest.approx(1.5, rel=0.01)
    assert seen.timeline is None


def test_samples_alone() -> None:
    whole = slow_reader().observe()
    seen = Observation(sender=End("client", samples=whole.sender.samples), receiver=End("server"))
    assert seen.sent_bytes == 60_000
    assert seen.window_end is None
    assert seen.closures == ()
    assert seen.sending_s is not None


def test_nothing_at_all() -> None:
    seen = Observation(sender=End("client"), receiver=End("server"))
    assert (seen.start_ns, seen.acked_ns, seen.duration_s, seen.sent_bytes, seen.mss_bytes) == (None,) * 5


def test_a_capture_of_the_handshake_only() -> None:
    seen = Observation(sender=End("client", capture=captured(pcap(slow_reader().segments[:3]))), receiver=End("server"))
    assert (seen.sent_bytes, seen.acked_ns) == (0, None)


@pytest.mark.parametrize("transfer", [broken_off, lambda: broken_off(sndbuf_bytes=262_144)])
def test_a_transfer_that_was_broken_off_lasts_until_it_was_last_seen(transfer) -> None:
    """All that was sent is acknowledged; what had been accepted and not sent never is."""
    seen = transfer().observe()
    assert seen.acked_ns is None
    assert not seen.all_read
    assert seen.sending_s == seen.duration_s == pytest.approx(0.697, abs=0.02)
    assert seen.closed_ns / 1e9 < seen.sending_s


def test_a_socket_that_was_closed_with_data_in_its_queue_had_it_never_acknowledged() -> None:
    whole = slow_reader().observe()
    assert whole.sender.samples is not None
    whole.sender.samples.column("send_queue_bytes")[-1] = 5000
    seen = Observation(sender=End("client", samples=whole.sender.samples), receiver=End("server"))
    assert seen.acked_ns is None
