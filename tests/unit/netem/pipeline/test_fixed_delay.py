import pytest

from netem.pipeline import FixedDelay, fixed_delay
from netem.spec import parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, 1000, True)),
        ("delay 5ms", (5_000_000, None, True)),
        ("delay 5ms limit 7 nd per-segment", (5_000_000, 7, False)),
        ("limit 0", (0, 0, True)),
    ],
)
def test_a_delay_and_a_limit_are_plain(text: str, expected: tuple[int, int | None, bool]) -> None:
    found = fixed_delay(parse(text))
    assert found is not None
    delay_ns, limit_packets, exempts_nd = expected
    assert found == FixedDelay(delay_ns, found.limit_packets if limit_packets is None else limit_packets, exempts_nd)


@pytest.mark.parametrize(
    "text",
    [
        "delay 5ms 1ms",
        "loss 1%",
        "rate 1mbit",
        "slot 1ms",
        "delay 5ms filter port 1",
        "drop-list 1",
        "blackhole 1s 1s",
        "keep-order",
        "corrupt 1%",
        "duplicate 1%",
        "delay 5ms reorder 5%",
    ],
)
def test_whatever_takes_more_is_not(text: str) -> None:
    assert fixed_delay(parse(text)) is None
