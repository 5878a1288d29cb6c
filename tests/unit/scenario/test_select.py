import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import InputError
from testbed.scenario.expand import PlannedCell, expand
from testbed.scenario.select import Selection, Shards, parse_shard, repeated, scenario_digest

CELL = expand({})[0].cell
CELLS = expand({"family": ["ipv4", "ipv6"], "nodes": [1, 2, 3]})

counts = st.integers(1, 9)


def numbered(count: int) -> list[PlannedCell]:
    return [PlannedCell(f"c{number}", CELL) for number in range(count)]


@given(st.integers(0, 40), counts)
def test_the_shards_are_disjoint_equally_long_and_together_everything(length: int, count: int) -> None:
    cells = numbered(length)
    shards = [Shards((number,), count).of(cells) for number in range(1, count + 1)]
    assert sorted(each.id for shard in shards for each in shard) == sorted(each.id for each in cells)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1
    for shard in shards:
        assert [cells.index(each) for each in shard] == sorted(cells.index(each) for each in shard)


@given(st.integers(0, 40), counts, st.sets(counts))
def test_several_shards_are_the_cells_of_each(length: int, count: int, numbers: set[int]) -> None:
    cells = numbered(length)
    found = Shards(tuple(sorted(numbers)), count).of(cells)
    each_alone = [each for number in numbers for each in Shards((number,), count).of(cells)]
    assert sorted(each.id for each in found) == sorted(each.id for each in each_alone)


def test_neighbours_are_in_different_shards() -> None:
    assert [each.id for each in parse_shard("2/3").of(numbered(8))] == ["c1", "c4", "c7"]
    assert str(parse_shard(" 2/3 ")) == "2/3"


@pytest.mark.parametrize("text", ["", "2", "0/3", "4/3", "-1/3", "1/0", "1/3/5", "a/b", "1/999999999", "\u0661/\u0663"])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_shard(text)
    assert caught.value.problems[0].startswith("--shard: ")
    assert caught.value.hint == "such as 2/8, the second of eight"


@given(st.integers(1, 10), st.integers(1, 5))
def test_repetitions_are_interleaved(length: int, times: int) -> None:
    cells = numbered(length)
    found = repeated(cells, times)
    assert [each.repetition for each in found] == sorted(each.repetition for each in found)
    for number in range(1, times + 1):
        assert [each.id for each in found if each.repetition == number] == [each.id for each in cells]
    assert len({each.folder for each in found}) == length * times


def test_a_selection_filters_then_shards_then_repeats() -> None:
    found = Selection("family == ipv4", Shards((2,), 2), 3).apply(CELLS)
    assert [(each.cell.family, each.cell.nodes, each.repetition) for each in found] == [
        ("ipv4", 2, 1),
        ("ipv4", 2, 2),
        ("ipv4", 2, 3),
    ]
    assert Selection().apply(CELLS) == tuple(CELLS)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection("nodes == 9"), "--filter: none of 6 cells matches 'nodes == 9'"),
        (Selection(shards=Shards((7,), 7)), "--shard: shard 7/7 of 6 cells has no cell"),
        (Selection(repeat=100_000), "--repeat: 6 cells, 100000 times each, are more than"),
    ],
)
def test_a_selection_of_nothing_or_too_much(selection: Selection, message: str) -> None:
    with pytest.raises(InputError) as caught:
        selection.apply(CELLS)
    assert caught.value.message.startswith(message)


@given(st.builds(Selection, st.text(), st.none() | st.builds(Shards, st.tuples(counts), counts), counts))
def test_a_selection_survives_its_document(selection: Selection) -> None:
    document = selection.document(CELLS, {})
    assert Selection.of_document(document) == selection
    assert document["cells"] == len(CELLS)
    assert Selection.of_document({}) == Selection()


def test_the_digest_of_a_scenario() -> None:
    one = scenario_digest(["a", "b"], {"t.dist": b"1"})
    assert one == scenario_digest(["a", "b"], {"t.dist": b"1"})
    others = [
        scenario_digest(["b", "a"], {"t.dist": b"1"}),
        scenario_digest(["a"], {"t.dist": b"1"}),
        scenario_digest(["a", "b"], {"t.dist": b"2"}),
        scenario_digest(["a", "b"], {"u.dist": b"1"}),
        scenario_digest(["a", "b"], {}),
    ]
    assert len({one, *others}) == 6
