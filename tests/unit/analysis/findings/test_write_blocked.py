from dataclasses import replace

import pytest

from testbed.analysis.findings.measured import Measured, NotMeasured
from testbed.analysis.findings.write_blocked import WriteBlocked, WriteNotBlocked, measure
from testbed.report.sentences.registry import words
from tests.support.samples import with_columns
from tests.support.transfers import (
    captures_of,
    fast_reader,
    late_last_write,
    slow_network,
    slow_reader,
    slow_sender,
    swallowed,
)


def test_where_it_stopped_as_predicted() -> None:
    found = measure(slow_reader().observe())
    assert isinstance(found, Measured)
    assert found.fact.first_blocked_at_bytes == 16_000
    assert found.fact.blocked_s == pytest.approx(0.902, abs=0.01)
    assert found.fact.predicted_bytes == found.fact.predicted_before_bytes == 29_553
    assert found.fact.held_max_bytes == pytest.approx(29_553, rel=0.1)
    assert found.contradicted_by == []
    assert found.evidence[0].kind == "events"
    assert len(found.evidence[0].numbers) == found.fact.blocked_writes


def test_why_it_did_not_block_though_the_window_was_closed() -> None:
    found = measure(swallowed().observe())
    assert isinstance(found, Measured)
    assert words(found.fact).startswith("No write() was blocked: all 60 000 B")
    assert float(found.fact.predicted_bytes) > 60_000
    assert isinstance(found.fact, WriteNotBlocked)


@pytest.mark.parametrize("transfer", [fast_reader, slow_sender, slow_network])
def test_not_applicable_when_there_was_always_room(transfer) -> None:
    found = measure(transfer().observe())
    assert isinstance(found, NotMeasured)
    assert found.observable


def test_a_slow_network_blocks_writes_too() -> None:
    found = measure(slow_network(sndbuf_bytes=8192).observe())
    assert isinstance(found, Measured)
    assert float(found.fact.blocked_share) > 0.5
    assert "the data waited for the network" in words(found.fact)


def test_without_a_log_it_is_unobservable() -> None:
    found = measure(captures_of(slow_reader().segments))
    assert isinstance(found, NotMeasured)
    assert not found.observable


def test_a_stall_point_out_of_the_band_contradicts() -> None:
    found = measure(slow_reader(sndbuf_bytes=30_000).observe())
    assert isinstance(found, Measured)
    assert found.contradicted_by == []
    found = measure(
        with_columns(slow_reader().observe(), "receiver", rcvbuf=lambda samples: samples.column("rcvbuf") * 8)
    )
    assert isinstance(found, Measured)
    assert "fewer bytes than predicted" in words(found.contradicted_by[0])


def test_without_samples_nothing_is_compared() -> None:
    observation = slow_reader().observe()
    found = measure(replace(observation, sender=replace(observation.sender, samples=None)))
    assert isinstance(found, Measured)
    assert found.fact.held_max_bytes is None
    assert found.not_observed


def test_a_short_wait_is_reported_as_such() -> None:
    transfer = swallowed()
    op, start, end, size, total = transfer.logs["client"][9].split(",")
    transfer.logs["client"][9:] = [
        ",".join((op, start, str(int(end) + 44_000_000), size, total)),
        *(",".join((op, str(int(start) + 45_000_000), str(int(end) + 45_000_000), size, total)) for _ in range(50)),
    ]
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert words(found.fact).startswith("write() was hardly blocked (44 ms in all): all 60 000 B")
    assert found.fact.waited_s == pytest.approx(0.044, abs=0.001)


def test_what_the_program_buffers_is_not_called_swallowed_by_the_kernel() -> None:
    found = measure(slow_reader(total_bytes=400_000, in_program=True, read_delay_ms=30).observe())
    assert isinstance(found, Measured)
    assert "still in the program, which buffers by itself" in words(found.fact)


def test_a_stall_point_that_was_not_reached_is_not_compared() -> None:
    """The window is closed now and then, but no write waits before it: what was held shows nothing of the buffers."""
    transfer = swallowed()
    op, start, end, size, total = transfer.logs["client"][0].split(",")
    shift = 400_000_000
    transfer.logs["client"] = [
        f"{op},{int(start) - shift},{end},{size},{total}",
        *transfer.logs["client"][1:],
    ]
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert isinstance(found.fact, WriteBlocked)
    assert found.fact.stall_bytes is None
    assert "the prediction is" not in words(found.fact)
    assert found.contradicted_by == []


def test_a_write_that_never_went_in_at_once() -> None:
    found = measure(slow_reader(chunk_bytes=20_000, sndbuf_bytes=20_000, total_bytes=60_000).observe())
    assert isinstance(found, Measured)
    assert "after 0 B" not in words(found.fact)


def test_not_applicable_about_writes_that_only_waited_for_a_cpu() -> None:
    found = measure(late_last_write().observe())
    assert isinstance(found, NotMeasured)
    assert found.observable


def test_a_wait_that_is_reported_elsewhere_is_not_denied() -> None:
    """The summary of a run counts every write of a millisecond or more as blocked."""
    transfer = swallowed()
    op, start, end, size, total = transfer.logs["client"][9].split(",")
    transfer.logs["client"][9] = ",".join((op, start, str(int(end) + 2_000_000), size, total))
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert words(found.fact).startswith("write() was hardly blocked (2 ms in all)")


def test_a_busy_machine_does_not_hide_that_the_program_buffers() -> None:
    """A tenth of the time in writes that do not wait for the kernel, but for a CPU."""
    transfer = slow_reader(total_bytes=400_000, in_program=True, read_delay_ms=30)
    op, start, end, size, total = transfer.logs["client"][0].split(",")
    transfer.logs["client"][0] = ",".join((op, str(int(start) - 150_000_000), end, size, total))
    observation = transfer.observe()
    assert observation.duration_s is not None
    assert 0.05 * observation.duration_s < 0.15
    found = measure(observation)
    assert isinstance(found, Measured)
    assert "were still in the program, which buffers by itself" in words(found.fact)
