from netem.pipeline import Pipeline
from netem.pipeline.ecn import mark_ce
from netem.pipeline.frame import checksum
from netem.spec import parse
from tests.support.frames import ETHERNET, ipv4, ipv6, send


def test_ipv4_is_marked_with_its_checksum() -> None:
    for tos in range(256):
        marked = mark_ce(ipv4(b"data", tos=tos), 0)
        if tos & 3 == 0:
            assert marked is None, tos
            continue
        assert marked is not None, tos
        assert checksum(marked[14:34]) == 0, tos
        assert marked == ipv4(b"data", tos=tos | 3), tos


def test_ipv6_is_marked() -> None:
    for traffic_class in range(256):
        marked = mark_ce(ipv6(b"data", traffic_class=traffic_class), 0)
        expected = ipv6(b"data", traffic_class=traffic_class | 3)
        assert marked == (expected if traffic_class & 3 else None), traffic_class


def test_what_is_no_ip_is_not_marked() -> None:
    assert mark_ce(ETHERNET + b"\x08\x06" + bytes(28), 0) is None
    assert mark_ce(ipv4(tos=1, vlan=True), 0) == ipv4(tos=3, vlan=True)


def test_capable_packets_are_marked_instead_of_dropped() -> None:
    pipeline = Pipeline(parse("loss 100% ecn"))
    left = send(pipeline, [(0, ipv4(tos=2)), (1, ipv4(tos=0)), (2, ipv6(traffic_class=1)), (3, ipv4(tos=3))])
    assert [frame for _, frame in left] == [ipv4(tos=3), ipv6(traffic_class=3), ipv4(tos=3)]
    counters = pipeline.stats().counters
    assert (counters.ce_marked, counters.dropped_loss) == (3, 1)


def test_a_drop_list_still_loses() -> None:
    pipeline = Pipeline(parse("loss 100% ecn drop-list 1"))
    assert send(pipeline, [(0, ipv4(tos=2))]) == []
    assert pipeline.stats().counters.dropped_list == 1
    assert pipeline.stats().counters.ce_marked == 0
