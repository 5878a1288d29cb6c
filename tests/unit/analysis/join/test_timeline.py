import numpy as np

from testbed.analysis.join.samples import ABSENT
from tests.support.transfers import Transfer, slow_reader


def test_every_byte_is_in_one_buffer() -> None:
    timeline = slow_reader().observe().timeline
    assert timeline is not None
    assert np.array_equal(
        timeline.acked_bytes + timeline.not_sent_bytes + timeline.in_flight_bytes, timeline.accepted_bytes
    )
    assert timeline.accepted_bytes[-1] == timeline.read_bytes[-1] == 60_000
    assert np.all(np.diff(timeline.accepted_bytes) >= 0)
    assert timeline.held_bytes.max() > 28_000
    assert timeline.stalled.any()
    assert not timeline.stalled.all()


def test_a_blocked_write_is_going_on() -> None:
    timeline = slow_reader(chunk_bytes=10_000).observe().timeline
    assert timeline is not None
    assert set(timeline.in_progress_bytes.tolist()) == {0, 10_000}


def test_without_logs_the_kernels_counts_are_used() -> None:
    transfer = slow_reader()
    transfer.logs = {"client": [], "server": []}
    timeline = transfer.observe().timeline
    assert timeline is not None
    assert set(timeline.written_bytes.tolist()) == {ABSENT}
    assert timeline.read_bytes[-1] == 60_000


def test_without_the_receiver_nothing_is_stalled() -> None:
    transfer = slow_reader()
    transfer.sockets["server"] = []
    timeline = transfer.observe().timeline
    assert timeline is not None
    assert not timeline.stalled.any()
    assert set(timeline.receive_queue_bytes.tolist()) == {ABSENT}


def test_the_fin_in_the_queue_is_no_byte() -> None:
    transfer = Transfer(total_bytes=1000).run()
    transfer._sample(40, "FIN_WAIT1")
    transfer.sockets["client"][-1] = transfer.sockets["client"][-1].replace(",0,0,0,cubic", ",0,1,2,cubic", 1)
    timeline = transfer.observe().timeline
    assert timeline is not None
    assert timeline.send_queue_bytes[-1] == 0
