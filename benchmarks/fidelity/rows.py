"""The impairments to compare, and the comparisons.

Jitters and slots are long compared with the noise of an emulated guest VM, which is milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from netem.pipeline import is_portable
from netem.spec import parse

Compared = Literal[
    "delays", "least", "lag", "lost", "after a loss", "after none", "bursts", "doubled", "damaged", "overtook",
    "pauses", "bunches", "spacing",
]  # fmt: skip

ENGINES: Final = ("kernel", "user")
PACKETS: Final = 10_000
PACE_US: Final = 2000
FRAME_BYTES: Final = 138
"""On the wire: 96 bytes in UDP, IPv4 and Ethernet."""


@dataclass(frozen=True, slots=True)
class Row:
    """One impairment; `probabilities` are those in its text, if there is a closed form."""

    text: str
    compared: tuple[Compared, ...]
    probabilities: Mapping[Compared, float] = field(default_factory=dict)
    pace_us: int = PACE_US


FIXED_MS: Final = 20
NOISE: Final = Row(f"delay {FIXED_MS}ms", ("least",))
"""A fixed delay has no noise: the lateness of its packets is that of the engine or the machine."""
CONTROL: Final = f"delay {FIXED_MS}ms 1us"
CONTROL_PACE_US: Final = 10_000
"""Sent with a row whose delays are compared, to measure the noise of the method at that time. The jitter of a
microsecond makes the engine draw a number for each packet, as in the row. The user engine applies it in C, as all rows
but those of `in_python`."""
STALL_MS: Final = 100
"""A gap as long does not result from these rows, only from a stall of the machine. The row is repeated."""
ATTEMPTS: Final = 3

_CHAIN: Final[tuple[Compared, ...]] = ("after none", "after a loss", "bursts")
_JITTER: Final[tuple[Compared, ...]] = ("delays", "lag")

ROWS: Final = (
    NOISE,
    Row("delay 1s 250ms", _JITTER),
    Row("delay 1s 250ms distribution normal", _JITTER),
    Row("delay 1s 250ms distribution pareto", _JITTER),
    Row("delay 1s 250ms distribution paretonormal", _JITTER),
    Row("delay 1s 250ms 25%", _JITTER),
    Row("delay 1s 250ms 75% distribution normal", _JITTER),
    Row("loss 2%", ("lost", *_CHAIN), {"lost": 0.02, "after none": 0.02, "after a loss": 0.02}, 1200),
    Row("loss 20% 25%", ("lost", *_CHAIN), pace_us=1200),
    Row("loss state 2% 40%", _CHAIN, {"after none": 0.02, "after a loss": 0.6}, 1200),
    Row("loss state 2% 30% 10% 50% 1%", _CHAIN, pace_us=1200),
    Row("loss gemodel 2% 25%", _CHAIN, {"after none": 0.02, "after a loss": 0.75}, 1200),
    Row("loss gemodel 2% 25% 80% 0.5%", _CHAIN, pace_us=1200),
    Row("duplicate 3%", ("doubled",), {"doubled": 0.03}, 1200),
    Row("corrupt 3%", ("damaged",), {"damaged": 0.03}, 1200),
    Row("delay 200ms reorder 25%", ("overtook",), {"overtook": 0.25}, 1200),
    Row("delay 200ms reorder 50% gap 5", ("overtook",), {"overtook": 1 / 6}, 1200),
    Row("delay 200ms reorder 25% 50%", ("overtook",), pace_us=1200),
    Row("rate 1mbit 20 53 5", ("least",)),
    Row("rate 300kbit 20 53 5 limit 50", ("spacing",)),
    Row("slot 100ms 200ms", ("pauses", "bunches")),
    Row("slot distribution normal 150ms 30ms", ("pauses", "bunches")),
    Row("slot 100ms 200ms packets 90", ("pauses", "bunches")),
    Row("delay 1s 100ms distribution normal loss 1%", ("delays", "lost"), {"lost": 0.01}, 4000),
    Row(
        "delay 1s 100ms 25% loss gemodel 1% 30% duplicate 1% corrupt 0.5%", ("delays", *_CHAIN, "doubled"), pace_us=4000
    ),
    Row("delay 50ms rate 2mbit loss 1%", ("least", "lost"), {"lost": 0.01}),
    Row("delay 1s 200ms reorder 5% duplicate 2% loss 2%", ("delays", "doubled", "lost"), pace_us=4000),
)


def in_python() -> list[str]:
    """Return the rows that the user engine's data path in Python applies; the one in C applies the others."""
    return [row.text for row in ROWS if not is_portable(parse(row.text))]
