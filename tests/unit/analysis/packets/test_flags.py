from testbed.analysis.packets.flags import RETRANSMISSIONS, Mark


def test_every_mark_is_one_bit_of_its_own() -> None:
    assert len(Mark) == 18
    assert sum(Mark) == 2 ** len(Mark) - 1
    assert Mark.OUT_OF_ORDER not in RETRANSMISSIONS
