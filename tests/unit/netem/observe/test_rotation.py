"""A capture in several files: which are kept, what is left out, and how they are read as one."""

import io
from pathlib import Path

import pytest

from netem.observe.pcap import merge, read_records, read_snaplen
from netem.observe.rotation import Gap, Joined, find_gap, prune, segment_units, segments
from tests.unit.netem.observe.test_pcap import capture


def tap(folder: Path, name: str, *stamps: tuple[int, ...]) -> list[Path]:
    for index, each in enumerate(stamps):
        (folder / f"{name}{index or ''}").write_bytes(capture(*each, mark=name.encode()))
    return segments(folder / name)


@pytest.mark.parametrize(
    ("max_bytes", "points", "units"), [(1 << 30, 2, 134), (1 << 30, 1, 268), (8_000_000, 2, 1), (1, 2, 1)]
)
def test_what_is_kept_stays_below_the_cap(max_bytes: int, points: int, units: int) -> None:
    assert segment_units(max_bytes, points) == units


def test_files_are_in_order_of_their_numbers_and_others_are_not_among_them(tmp_path: Path) -> None:
    for name in ("a.part", "a.part10", "a.part2", "a.part1", "a.parted", "b.part"):
        (tmp_path / name).touch()
    assert [path.name for path in segments(tmp_path / "a.part")] == ["a.part", "a.part1", "a.part2", "a.part10"]


def test_the_first_and_the_last_three_are_kept(tmp_path: Path) -> None:
    tap(tmp_path, "a", *((index,) for index in range(1, 9)))
    prune(tmp_path / "a")
    assert [path.name for path in segments(tmp_path / "a")] == ["a", "a5", "a6", "a7"]
    prune(tmp_path / "a")
    assert len(segments(tmp_path / "a")) == 4


def test_nothing_is_missing_while_there_are_few_files(tmp_path: Path) -> None:
    points = [tap(tmp_path, "a", (1,), (2,), (3,), (4,)), tap(tmp_path, "b", (1,))]
    assert find_gap(points) is None


def test_what_one_direction_lacks_is_left_out_of_both(tmp_path: Path) -> None:
    tap(tmp_path, "a", *((index * 10, index * 10 + 5) for index in range(1, 9)))
    prune(tmp_path / "a")
    points = [segments(tmp_path / "a"), tap(tmp_path, "b", (12, 16, 30, 59, 61))]
    gap = find_gap(points)
    assert gap == Gap(15, 60)
    target = io.BytesIO()
    joined = [Joined(each) for each in points]
    assert merge(joined, target, gap) == 10
    for each in joined:
        each.close()
    target.seek(0)
    assert read_snaplen(target) == 128
    stamps = [record.time_ns for record in read_records(target)]
    assert stamps == [10, 12, 15, 60, 61, 65, 70, 75, 80, 85]


def test_joined_files_have_one_header_and_may_be_empty(tmp_path: Path) -> None:
    joined = Joined(tap(tmp_path, "a", (1, 2), (), (3,)))
    assert read_snaplen(joined) == 128
    assert [record.time_ns for record in read_records(joined)] == [1, 2, 3]
    joined.close()
