import selectors
import time
from collections.abc import Callable, Iterator

import pytest

from netem.contract.settings import Family
from netem.probe.sockets import both_clocks, open_socket, receive, send

BOOT_NS = 10**18
"""How far CLOCK_REALTIME is ahead of CLOCK_MONOTONIC in this test."""
CLOCKS_NS = 50_000_000
"""How far apart two times of one clock and the other may seem on a machine that is busy between two readings."""


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


@pytest.mark.parametrize(("family", "address"), [("ipv4", "127.0.0.1"), ("ipv6", "::1")])
def test_the_kernel_reports_when_it_sent_and_received(family: Family, address: str) -> None:
    sender, receiver = (open_socket(family, 0) for _ in range(2))
    assert sender is not None
    assert receiver is not None
    with sender, receiver, selectors.DefaultSelector() as selector:
        selector.register(receiver, selectors.EVENT_READ)
        for text in (b"first", b"second"):
            began_ns = time.monotonic_ns()
            sent_ns = send(sender, text, (address, receiver.getsockname()[1]))
            assert selector.select(timeout=10)
            datagram = receive(receiver)
            assert datagram is not None
            assert datagram.data == text
            assert sent_ns is not None
            assert began_ns - CLOCKS_NS <= sent_ns <= datagram.received_ns + CLOCKS_NS
            assert datagram.received_ns <= time.monotonic_ns()
        assert receive(sender) is None
