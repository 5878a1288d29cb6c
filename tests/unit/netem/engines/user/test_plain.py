import pytest

from netem.engines.user.plain import is_plain
from netem.spec import parse


@pytest.mark.parametrize(
    "text",
    [
        "",
        "delay 0ms",
        "limit 1",
        "nd",
        "seed 7",
        "per-skb",
        "delay 0ms limit 5 filter family ipv4 protocol tcp port 80",
    ],
)
def test_what_does_nothing(text: str) -> None:
    assert is_plain(parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "delay 1ns",
        "limit 0",
        "delay 0ms 1ms",
        "loss 0%",
        "loss 5% filter port 80",
        "duplicate 1%",
        "corrupt 0%",
        "rate 100gbit",
        "slot 1ms",
        "drop-list 9",
        "blackhole 60s 1s",
        "keep-order",
        "per-segment",
    ],
)
def test_what_decides_or_changes_anything(text: str) -> None:
    assert not is_plain(parse(text))
