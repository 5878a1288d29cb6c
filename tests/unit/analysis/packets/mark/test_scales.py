from dataclasses import replace

from testbed.analysis.packets.mark.reference import NOT_SCALED, UNKNOWN_SCALE
from testbed.analysis.packets.mark.scales import follow_scales
from tests.support.batches import batch_of
from tests.support.captures import Segment, exchange, handshake, syn_options

UNKNOWN, NONE = [UNKNOWN_SCALE] * 2, [NOT_SCALED] * 2


def test_of_several_connections() -> None:
    batch = batch_of(exchange(), exchange(scale=None), exchange()[3:], exchange()[1:])
    assert follow_scales(batch).final.tolist() == [[7, 7], NONE, UNKNOWN, [UNKNOWN_SCALE, 7]]


def test_known_from_the_frame_after_the_syn() -> None:
    begin = handshake(scale=7)
    before = follow_scales(batch_of([*begin, Segment(1001, 5001, length=9)])).before
    assert before.tolist() == [UNKNOWN, [7, UNKNOWN_SCALE], [7, 7], [7, 7]]


def test_a_repeated_syn_replaces_a_corrupted_offer() -> None:
    first, *rest = handshake(scale=10)
    damaged = replace(first, options=syn_options(scale=None))
    scales = follow_scales(batch_of([damaged, first, *rest]))
    assert scales.before.tolist() == [UNKNOWN, NONE, [10, NOT_SCALED], [10, 10]]
    assert scales.final.tolist() == [[10, 10]]
