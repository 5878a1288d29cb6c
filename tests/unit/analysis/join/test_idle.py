from dataclasses import replace

import pytest

from testbed.analysis.join.idle import sender_idle
from tests.support.transfers import slow_network, slow_reader, slow_sender


def test_a_program_that_writes_slowly_leaves_nothing_unsent() -> None:
    found = sender_idle(slow_sender().observe())
    assert found is not None
    assert found.not_written_s == pytest.approx(0.95, abs=0.05)  # 20 writes, 50 ms apart
    assert found.no_room_s == 0.0


def test_what_waits_for_window_or_path_is_unsent() -> None:
    for transfer in (slow_network(), slow_reader()):
        found = sender_idle(transfer.observe())
        assert found is not None
        assert found.not_written_s < 0.01
        assert found.no_room_s < 0.01


def test_a_buffer_full_of_bytes_on_their_way() -> None:
    transfer = slow_network(total_bytes=20_000)
    # All goes out at once, and the program waits 300 ms for room.
    transfer.segments = [replace(s, time_ns=transfer.segments[2].time_ns) for s in transfer.segments]
    op, start, end, size, total = transfer.logs["client"][7].split(",")
    late = [line.split(",") for line in transfer.logs["client"][8:]]
    transfer.logs["client"][7:] = [
        ",".join((op, start, str(int(end) + 300_000_000), size, total)),
        *(",".join((o, str(int(s) + 300_000_000), str(int(e) + 300_000_000), b, t)) for o, s, e, b, t in late),
    ]
    found = sender_idle(transfer.observe())
    assert found is not None
    assert found.no_room_s == pytest.approx(0.3, abs=0.01)


def test_without_log_or_capture_it_is_not_known() -> None:
    observation = slow_sender().observe()
    assert sender_idle(replace(observation, sender=replace(observation.sender, log=None))) is None
    assert sender_idle(replace(observation, sender=replace(observation.sender, capture=None))) is None
