from ipaddress import IPv4Address, IPv6Address

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from testbed.analysis.packets.dissect.endpoints import Endpoint, find_runs, number_endpoints


def test_text() -> None:
    assert str(Endpoint("10.0.0.1", 80)) == "10.0.0.1:80"
    assert str(Endpoint("fd00::1", 80)) == "[fd00::1]:80"


addresses = st.one_of(
    st.tuples(st.just(False), st.integers(0, 2**32 - 1)), st.tuples(st.just(True), st.integers(0, 2**128 - 1))
)


@given(st.lists(st.tuples(addresses, st.integers(0, 65535)), min_size=1, max_size=30))
def test_there_and_back_in_order(ends: list[tuple[tuple[bool, int], int]]) -> None:
    uppers, lowers = (np.array([a >> shift & 2**64 - 1 for (_, a), _ in ends], np.uint64) for shift in (64, 0))
    ports, six = np.array([port for _, port in ends], np.uint16), np.array([six for (six, _), _ in ends])
    numbers, numbering = number_endpoints(uppers, lowers, ports, six)
    expected = [Endpoint(str(IPv6Address(a) if six else IPv4Address(a)), port) for (six, a), port in ends]
    assert [numbering.endpoint(n) for n in numbers.tolist()] == expected
    assert np.argsort(numbers, kind="stable").tolist() == sorted(range(len(ends)), key=lambda at: ends[at])


@given(st.lists(st.tuples(*[st.integers(0, 1)] * 6), min_size=1, max_size=40), st.integers(1, 2))
def test_a_run_is_one_pair_of_endpoints(frames: list[tuple[int, ...]], words: int) -> None:
    """Compare with a loop; a frame is two words of the source address, two of the target address and two ports."""
    columns = [np.array(column, np.uint32) for column in zip(*frames, strict=True)]
    runs = find_runs(columns[:words], columns[2 : 2 + words], columns[4] << np.uint32(16) | columns[5])
    ends = [((*f[:words], f[4]), (*f[2 : 2 + words], f[5])) for f in frames]
    number = -1
    for at, (source, target) in enumerate(ends):
        if not at or {source, target} != set(ends[at - 1]):
            number += 1
            assert runs.head[number] == at
        head = ends[int(runs.head[number])]
        assert runs.run[at] == number
        assert runs.reversed[at] == ((source, target) != head)
    assert len(runs.head) == number + 1
