from pathlib import Path

import numpy as np
import pytest

from benchmarks.fidelity.sample import (
    MARK,
    WORD,
    WORDS,
    Frame,
    after,
    bunches,
    bursts,
    lag_correlation,
    longest_pause_ms,
    make_sample,
    read_frames,
    spacing_ms,
)
from netem.observe.pcap import file_header


def frame(time_ns: int, number: int, flip: int | None = None, row: int = 3) -> Frame:
    data = bytearray(bytes(42) + WORD.pack(MARK, row, number) * WORDS)
    if flip is not None:
        data[flip] ^= 4
    return Frame(time_ns, number, bytes(data))


def test_frames_are_known_by_their_words_even_when_damaged(tmp_path: Path) -> None:
    capture = tmp_path / "x.pcap"
    frames = [frame(1_000_000_005, 1), frame(2_000_000_000, 2, flip=60), frame(3, 1, row=4)]
    records = b""
    for each in frames:
        head = np.array([*divmod(each.time_ns, 10**9), len(each.data), len(each.data)], dtype="<u4").tobytes()
        records += head + each.data
    capture.write_bytes(file_header(200) + records)
    assert [(each.time_ns, each.number) for each in read_frames(capture, 3)] == [(1_000_000_005, 1), (2_000_000_000, 2)]


def test_a_sample_has_the_outcome_of_each_packet() -> None:
    entered = [frame(0, 0), frame(1_000_000, 1), frame(2_000_000, 2), frame(3_000_000, 3)]
    left = [frame(7_000_000, 0), frame(6_000_000, 2, flip=5), frame(9_000_000, 3), frame(8_000_000, 3, flip=41)]
    sample = make_sample(entered, left)
    assert sample.delays_ms[[0, 2, 3]] == pytest.approx([7, 4, 5])
    assert np.isnan(sample.delays_ms[1])
    assert sample.copies.tolist() == [1, 0, 1, 2]
    assert sample.damaged.tolist() == [False, False, True, False]  # byte 41 is the checksum, complete only later
    assert sample.left_ms.tolist() == [0, 1, 2, 3]
    assert sample.known_ms.tolist() == pytest.approx([7, 4, 5])


def test_bursts_and_what_follows_a_loss() -> None:
    arrived = np.array([False, True, True, False, False, False, True, False])
    assert bursts(arrived).tolist() == [1, 3, 1]
    assert after(arrived, loss=True) == (2, 4)
    assert after(arrived, loss=False) == (2, 3)
    assert bursts(np.ones(4, dtype=bool)).tolist() == []


def test_bunches_leave_out_the_cut_ones_at_the_ends() -> None:
    left_ms = np.array([0.0, 1.0, 100.0, 101.0, 102.0, 250.0, 251.0, 400.0])
    sizes, pauses = bunches(left_ms)
    assert sizes.tolist() == [3, 2]
    assert pauses.tolist() == [150, 150]


def test_lag_correlation() -> None:
    assert lag_correlation(np.array([1.0, -1.0] * 50)) == pytest.approx(-1)


def test_a_stall_does_not_change_the_spacing() -> None:
    left_ms = np.cumsum(np.full(2001, 4.0))
    left_ms[700:] += 900
    assert spacing_ms(left_ms) == pytest.approx(4)


def test_the_longest_pause_is_sought_in_the_middle() -> None:
    left_ms = np.arange(1000.0)
    assert longest_pause_ms(left_ms) == 1
    left_ms[990:] += 500
    assert longest_pause_ms(left_ms) == 1
    left_ms[400:] += 70
    assert longest_pause_ms(left_ms) == 71
