from collections import Counter
from itertools import pairwise
from statistics import fmean

import pytest

from netem.pipeline import Pipeline
from netem.spec import parse
from tests.support.effort import many
from tests.support.frames import numbered, send, send_numbered

MS = 10**6


def bunches(text: str, packets: int = many(20_000), every_ns: int = MS // 10) -> list[tuple[int, int]]:
    """Return (time, packets) of each bunch."""
    _, left = send_numbered(f"limit 100000 {text}", packets, every_ns=every_ns)
    assert [number for _, number in left] == list(range(packets))
    return sorted(Counter(at_ns for at_ns, _ in left).items())


def test_slots_of_fixed_length_hold_what_came_meanwhile() -> None:
    found = bunches("slot 10ms")
    # the first packet waits a slot; the packet that comes after a slot has opened draws the next one
    assert {later - earlier for (earlier, _), (later, _) in pairwise(found)} == {10 * MS + MS // 10}
    assert {count for _, count in found[:-1]} == {101}


def test_slots_between_two_times_are_uniform() -> None:
    pauses = [later - earlier for (earlier, _), (later, _) in pairwise(bunches("slot 2ms 6ms"))]
    assert min(pauses) >= 2 * MS
    assert max(pauses) <= 6 * MS + MS // 10
    assert fmean(pauses) == pytest.approx(4.05 * MS, abs=4 * (4 * MS / 12**0.5) / len(pauses) ** 0.5 + MS / 20)


def test_a_slot_distribution() -> None:
    pauses = [later - earlier for (earlier, _), (later, _) in pairwise(bunches("slot distribution normal 5ms 1ms"))]
    assert fmean(pauses) == pytest.approx(5.05 * MS, abs=4 * MS / len(pauses) ** 0.5 + MS / 20)
    uniform = [b - a for (a, _), (b, _) in pairwise(bunches("slot distribution uniform 5ms 1ms"))]
    assert min(uniform) >= 4 * MS
    assert max(uniform) <= 6 * MS + MS // 10


@pytest.mark.parametrize(("bound", "count"), [("packets 5", 5), ("bytes 150", 4), ("packets 9 bytes 76", 2)])
def test_a_slot_has_a_limit(bound: str, count: int) -> None:
    # a slot is closed by the packet that exhausts its bytes, as in the kernel: 4 x 38 is the first sum above 150
    found = bunches(f"slot 1ms {bound}", 1000, every_ns=1)
    assert {size for _, size in found[:-1]} == {count}
    assert {later - earlier for (earlier, _), (later, _) in pairwise(found)} == {MS}


def test_the_draws_do_not_depend_on_when_one_pops() -> None:
    text = parse("delay 1ms 2ms slot 1ms 3ms packets 4 loss 5%")
    prompt, late = Pipeline(text, 5), Pipeline(text, 5)
    arrivals = [(number * 100_000, numbered(number)) for number in range(2000)]
    expected = [frame for _, frame in send(prompt, arrivals)]
    out = []
    for number, (at_ns, frame) in enumerate(arrivals):
        late.push(frame, at_ns)
        if number % 97 == 0:
            out += late.pop_due(at_ns)
    assert [*out, *late.pop_due(10**12)] == expected
