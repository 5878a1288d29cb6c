import pytest

from netem.spec import kernel_obstacles, limit_packets, parse, tc_words


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("drop-list 1", "drop-list"),
        ("blackhole 1s 1s", "blackhole"),
        ("keep-order delay 1ms 1ms", "keep-order"),
        ("per-segment", "per-segment"),
        ("loss 1% 5% correlation true", "correlation true"),
        ("trace cable", "trace"),
        ("filter port 80", "filter"),
        ("rate 1001", "rate"),
        ("duplicate 1% 5%", "duplicate"),
        ("loss state 60% 10% 10% 10% 60%", "loss state"),
    ],
)
def test_each_kernel_obstacle_is_one_sentence(text: str, word: str) -> None:
    (sentence,) = kernel_obstacles(parse(text))
    assert sentence.startswith(f"{word}: ")
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "delay 40ms 5ms 25% distribution normal loss 1% duplicate 1% 5%",
        "duplicate 1% 5% corrupt 1% 5%",
        "duplicate 1% 5% delay 1ms reorder 0% 5%",
        "rate 1kbit",
        "loss state 1%",
        "nd",
    ],
)
def test_what_the_kernel_can_do(text: str) -> None:
    assert kernel_obstacles(parse(text)) == ()


def test_tc_gets_units_and_a_limit() -> None:
    assert tc_words(parse("delay 100 limit 7 nd")) == ["limit", "7", "delay", "100us"]


def test_tc_has_no_table_for_uniform() -> None:
    words = " ".join(tc_words(parse("delay 5ms 1ms distribution uniform slot distribution uniform 10ms 1ms bytes 9")))
    assert words.endswith("delay 5ms 1ms slot 9ms 11ms bytes 9")


@pytest.mark.parametrize(
    ("text", "packets"),
    [
        ("", 1000),
        ("limit 5 delay 1s", 5),
        ("delay 12ms", 1000 + 2000),  # 12 ms at 1 Gbit/s are 1000 frames of 1500 bytes
        ("delay 12ms rate 100mbit", 1000 + 200),
        ("delay 3ms 1ms rate 12mbit", 1000 + 14),
        ("delay 1h".replace("1h", "3600s"), 100_000),
    ],
)
def test_a_limit_is_sized_from_delay_and_rate(text: str, packets: int) -> None:
    assert limit_packets(parse(text)) == packets
