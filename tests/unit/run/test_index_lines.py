import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.result import cell_folder
from testbed.run.index_lines import IndexBuilder, index_text, line_of, parse_index, parse_line
from testbed.run.summary import Summary
from tests.support.runs import summary

texts = st.text(max_size=20)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
names = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=9)


@st.composite
def summaries(draw: st.DrawFn) -> Summary:
    cell = draw(names.filter(lambda name: not name.startswith(".")))
    repetition, attempt = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    return Summary(
        folder=cell_folder(cell, repetition, attempt),
        cell=cell,
        repetition=repetition,
        attempt=attempt,
        status=draw(st.sampled_from(["passed", "failed", "error", "unsupported"])),
        reason=draw(texts),
        failure_kind=draw(st.sampled_from(["", "timeout"])),
        timing_reliable=draw(st.sampled_from([True, False, None])),
        machine_name=draw(texts),
        inputs=draw(texts),
        reused_from=draw(texts),
        isolation=draw(st.sampled_from(["fresh", "warm"])),
        duration_s=draw(numbers),
        goodput_bytes_per_s=draw(numbers),
        bytes=draw(st.integers(0, 1 << 40)),
        ended_ns=draw(st.integers(0, 1 << 62)),
    )


@given(summaries())
def test_a_line_is_one_line_and_reads_back(one: Summary) -> None:
    line = line_of(one)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert parse_line(line[:-1]) == one


@given(st.lists(summaries(), max_size=8), st.data())
def test_what_is_torn_anywhere_keeps_every_whole_line(written: list[Summary], data: st.DataObject) -> None:
    lines = [line_of(one) for one in written]
    everything = b"".join(lines)
    cut = data.draw(st.integers(0, len(everything)))
    whole = [one for number, one in enumerate(written) if sum(map(len, lines[: number + 1])) <= cut]
    found = parse_index(everything[:cut])
    assert list(found.by_folder.values()) == list({one.folder: one for one in whole}.values())
    assert found.whole_bytes == sum(len(line_of(one)) for one in whole)
    assert found.bad_lines == 0


@given(st.lists(summaries(), max_size=6), st.data())
def test_the_parts_in_which_a_file_is_read_do_not_matter(written: list[Summary], data: st.DataObject) -> None:
    everything = index_text(written).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(everything)), max_size=5)))
    builder = IndexBuilder()
    for start, stop in zip([0, *cuts], [*cuts, len(everything)], strict=True):
        builder.feed(everything[start:stop])
    assert builder.index() == parse_index(everything)


@given(st.binary(max_size=200))
def test_garbage_is_never_an_error(data: bytes) -> None:
    found = parse_index(data)
    assert found.by_folder == {}
    assert found.whole_bytes <= len(data)


def test_of_one_folder_the_last_line_counts() -> None:
    old, new, other = summary("a", "error"), summary("a", "passed", ended_ns=2), summary("b")
    found = parse_index(index_text([old, other, new]).encode())
    assert found.by_folder == {"a": new, "b": other}


def test_the_last_attempt_of_each_repetition_counts() -> None:
    first, second, later = summary("a"), summary("a", "failed", attempt=2), summary("a", repetition=2)
    found = parse_index(index_text([second, first, later]).encode())
    assert found.last_attempts() == {("a", 1): second, ("a", 2): later}


@pytest.mark.parametrize(
    "changed",
    [
        {"folder": "elsewhere"},
        {"folder": "../a", "cell": "../a"},
        {"folder": ".lock", "cell": ".lock"},
        {"status": "fine"},
        {"repetition": None},
        {"cell": None},
    ],
)
def test_a_line_that_is_not_ours_is_counted_and_ignored(changed: dict[str, object]) -> None:
    line = json.dumps(json.loads(line_of(summary("a"))) | changed).encode() + b"\n"
    found = parse_index(line_of(summary("b")) + line + b"\n" + line_of(summary("c")))
    assert list(found.by_folder) == ["b", "c"]
    assert found.bad_lines == 1


def test_keys_of_a_later_version_are_ignored_and_missing_ones_unknown() -> None:
    whole = json.loads(line_of(summary("a")))
    assert parse_line(json.dumps(whole | {"later": 1}).encode()) == summary("a")
    needed = {name: whole[name] for name in ("folder", "cell", "repetition", "attempt", "status")}
    least = parse_line(json.dumps(needed).encode())
    assert least is not None
    assert least == replace(
        least, reason="", failure_kind="", timing_reliable=None, machine_name="", inputs="", reused_from="",
        isolation="fresh", duration_s=None, goodput_bytes_per_s=None, bytes=0, ended_ns=0,
    )  # fmt: skip
