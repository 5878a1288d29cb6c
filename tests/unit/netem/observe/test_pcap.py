import io
import struct
from collections.abc import Iterator

import pytest

from netem.observe.pcap import (
    REORDER_WINDOW_NS,
    PcapError,
    Record,
    file_header,
    in_order,
    merge,
    read_records,
    read_snaplen,
)


def capture(*stamps_ns: int, mark: bytes = b"x") -> bytes:
    records = b"".join(struct.pack("=IIII", *divmod(stamp_ns, 10**9), len(mark), 60) + mark for stamp_ns in stamps_ns)
    return file_header(128) + records


def merged(*sources: bytes) -> list[tuple[int, bytes]]:
    target = io.BytesIO()
    count = merge([io.BytesIO(source) for source in sources], target)
    target.seek(0)
    assert read_snaplen(target) == 128
    records = [(record.time_ns, record.data[16:]) for record in read_records(target)]
    assert count == len(records)
    return records


def test_two_captures_are_merged_by_time_the_first_one_first_at_equal_times() -> None:
    first, second = capture(10, 2 * 10**9 + 5, mark=b"a"), capture(3, 10, 4 * 10**9, mark=b"b")
    assert merged(first, second) == [(3, b"b"), (10, b"a"), (10, b"b"), (2 * 10**9 + 5, b"a"), (4 * 10**9, b"b")]


def test_late_records_are_sorted_in() -> None:
    assert [time_ns for time_ns, _ in merged(capture(5, 3, 9, 7), capture(4, 8, 6))] == [3, 4, 5, 6, 7, 8, 9]


def test_a_record_that_is_too_late_is_not_sorted_in() -> None:
    times = [*range(300), 2 * REORDER_WINDOW_NS, *range(2 * REORDER_WINDOW_NS + 1, 2 * REORDER_WINDOW_NS + 300), 5]
    found = [record.time_ns for record in in_order(Record(time_ns, b"x") for time_ns in times)]
    assert sorted(found) == sorted(times)
    assert found[:300] == list(range(300))
    assert found.index(5, 300) >= 300


def test_memory_does_not_grow_with_records_of_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netem.observe.pcap.REORDER_BUFFER_BYTES", 100)
    taken: list[int] = []

    def records() -> Iterator[Record]:
        for time_ns in range(1000):
            taken.append(time_ns)
            yield Record(time_ns, bytes(10))

    ahead = [len(taken) - 1 - record.time_ns for record in in_order(records())]
    assert max(ahead) <= 12


def test_equal_times_keep_their_order() -> None:
    records = [Record(7, bytes([index])) for index in range(9)]
    assert list(in_order(records)) == records


def test_empty_captures() -> None:
    assert merged(capture(), capture()) == []
    assert merged(capture(1), capture()) == [(1, b"x")]


def test_a_single_capture_stays_the_same() -> None:
    source, target = capture(1, 2, 3), io.BytesIO()
    merge([io.BytesIO(source)], target)
    assert target.getvalue() == source


def test_a_truncated_last_record_is_left_out() -> None:
    whole = capture(1, 2)
    for cut in range(len(capture(1)), len(whole)):
        assert merged(whole[:cut]) == [(1, b"x")]


def test_records_longer_than_a_chunk_boundary() -> None:
    big = capture(*range(1, 2001), mark=bytes(1000))
    assert [time_ns for time_ns, _ in merged(big)] == list(range(1, 2001))


def test_other_files_are_rejected() -> None:
    for data in (b"", b"\0" * 10, b"\0" * 24, file_header(128)[:20]):
        with pytest.raises(PcapError):
            read_snaplen(io.BytesIO(data))


def test_an_impossible_length() -> None:
    source = io.BytesIO(capture() + struct.pack("=IIII", 0, 0, 0xFFFFFFFF, 0))
    read_snaplen(source)
    with pytest.raises(PcapError, match="4294967295"):
        list(read_records(source))
