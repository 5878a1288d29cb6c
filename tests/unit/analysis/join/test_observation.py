from dataclasses import replace

import numpy as np
import pytest

from testbed.analysis.join.observation import End, Observation
from testbed.analysis.join.samples import Int64, Samples
from tests.support.captures import pcap
from tests.support.samples import with_columns
from tests.support.transfers import START_NS, broken_off, captured, captures_of, slow_reader


def test_times_and_sizes() -> None:
    observation = slow_reader().observe()
    assert observation.start_ns == START_NS + 3_000_000
    assert observation.sent_bytes == 60_000
    assert observation.mss_bytes == 1448
    assert observation.sending_s == pytest.approx(1.5, rel=0.01)
    assert observation.duration_s == pytest.approx(2.1, rel=0.01)


def test_the_window_is_looked_at_in_the_receivers_capture() -> None:
    observation = slow_reader().observe()
    assert observation.window_end is observation.receiver
    assert observation.wire() is observation.sender
    assert len(observation.zero_window_periods) == 6
    assert observation.closed_ns == sum(period.duration_ns for period in observation.zero_window_periods)


def test_captures_alone_show_nearly_as_much() -> None:
    observation = captures_of(slow_reader().segments)
    assert observation.sent_bytes == 60_000
    assert observation.mss_bytes == 1448
    assert observation.sending_s == pytest.approx(1.5, rel=0.01)
    assert observation.timeline is None


def test_samples_alone() -> None:
    whole = slow_reader().observe()
    observation = Observation(sender=End("client", samples=whole.sender.samples), receiver=End("server"))
    assert observation.sent_bytes == 60_000
    assert observation.window_end is None
    assert observation.zero_window_periods == ()
    assert observation.sending_s is not None


def test_nothing_at_all() -> None:
    observation = Observation(sender=End("client"), receiver=End("server"))
    assert (
        observation.start_ns,
        observation.acked_ns,
        observation.duration_s,
        observation.sent_bytes,
        observation.mss_bytes,
    ) == (None,) * 5


def test_a_capture_of_the_handshake_only() -> None:
    observation = Observation(
        sender=End("client", capture=captured(pcap(slow_reader().segments[:3]))), receiver=End("server")
    )
    assert (observation.sent_bytes, observation.acked_ns) == (0, None)


@pytest.mark.parametrize("transfer", [broken_off, lambda: broken_off(sndbuf_bytes=262_144)])
def test_a_transfer_that_was_broken_off_lasts_until_its_last_observation(transfer) -> None:
    """All that was sent is acknowledged; what had been accepted and not sent never is."""
    observation = transfer().observe()
    assert observation.acked_ns is None
    assert not observation.all_read
    assert observation.sending_s == observation.duration_s == pytest.approx(0.697, abs=0.02)
    assert observation.closed_ns / 1e9 < observation.sending_s


def test_a_socket_that_was_closed_with_data_in_its_queue_had_it_never_acknowledged() -> None:
    def queued_at_the_end(samples: Samples) -> Int64:
        return np.where(samples.line == samples.line[-1], 5000, samples.column("send_queue_bytes"))

    sender = with_columns(slow_reader().observe(), send_queue_bytes=queued_at_the_end).sender
    observation = Observation(sender=End("client", samples=sender.samples), receiver=End("server"))
    assert observation.acked_ns is None


def test_a_value_is_computed_once_for_each_observation() -> None:
    calls = []

    def compute(observation: Observation) -> int:
        calls.append(observation)
        return len(calls)

    observation = slow_reader().observe()
    assert [observation.computed.once(compute), observation.computed.once(compute)] == [1, 1]
    other = replace(observation, rtt_ms=1.0)
    assert other.computed.once(compute) == 2
    assert calls == [observation, other]
