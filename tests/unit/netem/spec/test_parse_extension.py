import pytest

from netem.spec import SpecError, parse
from netem.spec.grammar import EXTENSION_KEYWORDS
from netem.spec.model import Blackhole, Extension, Filter
from netem.spec.parse_extension import EXTENSION_READERS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("drop-list 2,3,7-9", Extension(drop_list=((2, 2), (3, 3), (7, 9)))),
        ("blackhole 2s 500ms", Extension(blackholes=(Blackhole(2 * 10**9, 5 * 10**8),))),
        ("blackhole 0s 1ms blackhole 1s 1ms", Extension(blackholes=(Blackhole(0, 10**6), Blackhole(10**9, 10**6)))),
        ("keep-order", Extension(keep_order=True)),
        ("per-segment", Extension(per_segment=True)),
        ("per-skb", Extension()),
        ("correlation true", Extension(true_correlation=True)),
        ("correlation exact", Extension()),
        ("trace cable", Extension(trace="cable")),
        ("nd", Extension(impair_nd=True)),
        ("filter port 80 family ipv4 protocol udp", Extension(filter=Filter("ipv4", "udp", 80))),
        ("filter protocol 47", Extension(filter=Filter(protocol="47"))),
    ],
)
def test_a_text_means(text: str, expected: Extension) -> None:
    assert parse(text).extension == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("drop-list 0", "ascend"),
        ("drop-list 3,2", "ascend"),
        ("drop-list 2-1", "ascend"),
        ("drop-list 1,", "packet number"),
        ("drop-list a", "packet number"),
        ("blackhole 2s", "requires a duration"),
        ("blackhole 5 5ms", "no unit"),
        ("blackhole 5s 0ms", "outside"),
        ("per-skb per-segment", "contradicts"),
        ("correlation maybe", "kind of correlation"),
        ("filter", "the filter is empty"),
        ("filter family ipx", "no family"),
        ("filter protocol sctpp", "no protocol"),
        ("filter protocol 256", "outside"),
        ("filter port 0", "outside"),
        ("filter port 80 port 81", "repeated"),
        ("filter protocol icmp port 80", "ports"),
        ("delay 1ms reorder 5% keep-order", "contradict"),
    ],
)
def test_an_error_has_a_reason(text: str, part: str) -> None:
    with pytest.raises(SpecError, match=part):
        parse(text)


def test_every_word_of_ours_has_a_reader() -> None:
    assert set(EXTENSION_READERS) == set(EXTENSION_KEYWORDS)
