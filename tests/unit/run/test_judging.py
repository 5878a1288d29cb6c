from dataclasses import replace

from testbed.run.judging import Pairs
from testbed.scenario.expand import expand


def test_twins_differ_in_their_family_only() -> None:
    cells = expand({"family": ["ipv4", "ipv6"], "nodes": [1, 2]})
    cells += [replace(cell, repetition=2) for cell in cells]
    pairs = Pairs(cells)
    for cell in cells:
        (twin,) = [
            other.folder
            for other in cells
            if other.repetition == cell.repetition
            and other.cell.nodes == cell.cell.nodes
            and other.cell.family != cell.cell.family
        ]
        assert pairs.candidates(cell.folder) == pairs.candidates(f"{cell.folder}.a2") == [f"{twin}.a2", twin]


def test_those_that_ended_before_their_twins_are_judged_again_whatever_the_order() -> None:
    one, two, alone = expand({"family": ["ipv4", "ipv6"]}) + expand({"nodes": 7})
    pairs = Pairs([one, two, alone])
    assert pairs.candidates(alone.folder) == []
    assert pairs.before_their_twins([one.folder, alone.folder, two.folder]) == [one.folder]
    assert pairs.before_their_twins([two.folder, one.folder]) == [two.folder]
    assert pairs.before_their_twins([one.folder]) == []


def test_the_second_attempt_of_a_twin_is_the_one_to_compare_with() -> None:
    one, two = expand({"family": ["ipv4", "ipv6"]})
    again = f"{two.folder}.a2"
    found = Pairs([one, two]).before_their_twins([two.folder, one.folder, again])
    assert found == [two.folder, one.folder]
