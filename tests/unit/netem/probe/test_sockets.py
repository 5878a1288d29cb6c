import time
from collections.abc import Callable, Iterator

import pytest

from netem.probe.sockets import both_clocks

BOOT_NS = 10**18
"""How far CLOCK_REALTIME is ahead of CLOCK_MONOTONIC in this test."""


def clock(passing_ns: Iterator[int]) -> tuple[Callable[[], int], Callable[[], int]]:
    """Return both clocks; `passing_ns` holds the duration of each reading."""
    now_ns = 0

    def read() -> int:
        nonlocal now_ns
        now_ns += next(passing_ns)
        return now_ns

    return read, lambda: BOOT_NS + read()


@pytest.mark.parametrize(
    ("passing_ns", "apart_ns"),
    [
        ([50, 50, 50], 50),
        ([50, 3_000_000, 50, 50, 60, 50], 60),
        ([0, 9_000_000, 0, 0, 8_000, 0, 0, 9_000, 0, 0, 9_000, 0, 0, 9_000, 0], 8_000),
    ],
    ids=["undisturbed", "interrupted once", "always interrupted: the least"],
)
def test_both_clocks_show_the_same_instant(
    passing_ns: list[int], apart_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monotonic, realtime = clock(iter(passing_ns))
    monkeypatch.setattr(time, "monotonic_ns", monotonic)
    monkeypatch.setattr(time, "time_ns", realtime)
    monotonic_ns, realtime_ns = both_clocks()
    assert realtime_ns - BOOT_NS - monotonic_ns == apart_ns
