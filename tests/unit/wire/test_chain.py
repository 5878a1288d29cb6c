from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.wire.chain import LinkFault, chain_order
from testbed.wire.errors import CycleError, DanglingNextIdError, DuplicateIdError, UnreachableError


def order(*links: tuple[int, int]) -> list[int]:
    return list(chain_order(array("i", [i for i, _ in links]), array("i", [n for _, n in links])))


def test_in_order_and_out_of_order():
    assert order() == []
    assert order((0, -1)) == [0]
    assert order((0, 1), (1, 2), (2, -1)) == [0, 1, 2]
    assert order((2, -1), (0, 1), (1, 2)) == [1, 2, 0]
    assert order((1, 2), (2, -1)) == [0, 1]


@pytest.mark.parametrize(
    ("links", "error", "index"),
    [
        ([(5, -1), (5, -1)], DuplicateIdError, 1),
        ([(0, 1), (1, 7)], DanglingNextIdError, 1),
        ([(0, 0)], CycleError, 0),
        ([(0, 1), (1, 2), (2, 0)], CycleError, 0),
        ([(3, -1), (0, 1), (1, 0)], CycleError, 1),
        ([(0, -1), (1, -1)], UnreachableError, 1),
        ([(0, 2), (1, 2), (2, -1)], UnreachableError, 1),
        ([(0, 1), (1, -1), (-1, -1)], UnreachableError, 2),
    ],
)
def test_each_rule_names_its_node(links, error, index):
    with pytest.raises(LinkFault) as fault:
        order(*links)
    assert (fault.value.error, fault.value.index) == (error, index)


@given(st.lists(st.tuples(st.integers(-1, 6), st.integers(-1, 6)), max_size=8))
def test_agrees_with_the_definition(links):
    """Against the definition itself: some node starts a walk that meets every node once and ends at -1."""
    ids = [i for i, _ in links]
    by_id = {node_id: index for index, (node_id, _) in enumerate(links)}
    walks = []
    for start in range(len(links)):
        walk, at = [], start
        while at is not None and at not in walk:
            walk.append(at)
            next_id = links[at][1]
            at = None if next_id == -1 else by_id.get(next_id, walk[0])
        if at is None and len(walk) == len(links):
            walks.append(walk)
    valid = len(set(ids)) == len(ids) and (bool(walks) or not links)
    try:
        found = order(*links)
    except LinkFault:
        assert not valid
    else:
        assert valid
        assert found == (walks[0] if walks else [])
