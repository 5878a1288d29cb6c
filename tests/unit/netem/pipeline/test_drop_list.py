from netem.pipeline import Pipeline
from netem.spec import parse
from tests.support.frames import ETHERNET, numbered, send, send_numbered


def test_exactly_the_listed_packets_are_lost() -> None:
    pipeline, left = send_numbered("drop-list 2,3,7-9", 12)
    assert [number + 1 for _, number in left] == [1, 4, 5, 6, 10, 11, 12]
    counters = pipeline.stats().counters
    assert (counters.dropped_list, counters.dropped_loss) == (5, 0)


def test_exempt_packets_are_not_counted() -> None:
    arp = ETHERNET + b"\x08\x06" + bytes(28)
    left = send(Pipeline(parse("drop-list 1")), [(0, arp), (1, numbered(1)), (2, numbered(2))])
    assert [frame for _, frame in left] == [arp, numbered(2)]


def test_a_duplicate_has_no_number_and_does_not_save_the_listed() -> None:
    _, left = send_numbered("duplicate 100% drop-list 2", 3)
    assert [number for _, number in left] == [0, 0, 2, 2]
