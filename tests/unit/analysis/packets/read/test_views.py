import numpy as np
import pytest

from testbed.analysis.packets.read.views import TRANSPOSED_ROWS, U16, U32, gather_rows, gather_words, unaligned_view


def test_numbers_at_unaligned_offsets() -> None:
    view = unaligned_view(b"\x00\x01\x02\x03\x04", U16.newbyteorder(">"))
    assert view.tolist() == [0x0001, 0x0102, 0x0203, 0x0304]


def test_a_short_buffer_has_none() -> None:
    assert len(unaligned_view(b"abc", U32)) == 0


def test_words_by_columns_in_either_order() -> None:
    data = b"x\x00\x01\x02\x03\x10\x11\x12\x13"
    assert gather_words(data, np.array([1, 5]), 4, ">").tolist() == [[0x00010203, 0x10111213]]
    assert gather_words(data, np.array([1]), 8, "<").tolist() == [[0x03020100], [0x13121110]]


def test_words_of_more_rows_than_are_transposed_at_once() -> None:
    count = 2 * TRANSPOSED_ROWS + 7
    data = np.arange(2 * count, dtype=">u4").tobytes()
    words = gather_words(data, np.arange(count) * 8, 8, ">")
    assert words.T.ravel().tolist() == list(range(2 * count))


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 20])
def test_rows_never_reach_beyond_the_buffer(size: int) -> None:
    data = bytes(range(1, size + 1))
    rows = gather_rows(data, np.arange(size + 3), 4)
    assert [bytes(row) for row in rows] == [(data[at : at + 4] + bytes(4))[:4] for at in range(size + 3)]
