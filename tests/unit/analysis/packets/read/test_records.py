import numpy as np

from testbed.analysis.packets.read.records import Records


def test_take_chooses_rows() -> None:
    column = np.arange(5)
    chosen = Records(1, *[column] * 5).take(np.array([True, False, True, False, False]))
    assert chosen.number.tolist() == chosen.original_bytes.tolist() == [0, 2]
    assert chosen.link_type == 1
