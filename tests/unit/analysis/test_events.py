from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from testbed.analysis.events import Calls, bytes_ahead_max, parse_log, read_log

LOG = """# realtime_offset_ns=1000
op,start_ns,end_ns,bytes,total_bytes
connect,100,200,0,0
write,1000,2000,100,100
write,3000,2003000,50,150
garbage
read,4000,4100,70,70
eof,2003000,2004000,0,150
"""


def calls(*rows: tuple[int, int, int]) -> Calls:
    made = parse_log(f"write,{start},{end},{size},0" for start, end, size in rows).of("write")
    assert made is not None
    return made


def test_calls_by_kind() -> None:
    log = parse_log(LOG.splitlines(keepends=True))
    writes = log.of("write")
    assert writes is not None
    assert (log.realtime_offset_ns, log.bad_lines, log.of("sleep")) == (1000, 1, None)
    assert len(writes) == 2
    assert writes.total_bytes.tolist() == [100, 150]
    assert writes.line.tolist() == [4, 5]
    assert writes.duration_ns.tolist() == [1000, 2_000_000]
    assert writes.blocked.tolist() == [False, True]


def test_what_was_done_and_what_is_in_progress() -> None:
    writes = calls((10, 20, 100), (30, 5_000_000, 50))
    at = np.array([9, 10, 20, 25, 40, 5_000_000])
    assert writes.done_at(at).tolist() == [0, 0, 100, 100, 100, 150]
    assert writes.in_progress_bytes_at(at).tolist() == [0, 100, 0, 0, 50, 0]


def test_whether_a_call_falls_into_a_period() -> None:
    found = calls((10, 20, 100), (30, 5_000_000, 50)).any_within(np.array([21, 21, 31]), np.array([29, 30, 4_999_999]))
    assert found.tolist() == [False, True, False]


def test_a_log_cut_anywhere_or_full_of_garbage_is_read_as_far_as_it_goes() -> None:
    for end in range(len(LOG)):
        writes = parse_log(LOG[:end].splitlines()).of("write")
        assert writes is None or writes.total_bytes[-1] in (1, 10, 100, 105, 150)
    garbage = parse_log(["write,1,2", "write,a,b,c,d", "write,5,4,1,1", "write,1,2,-1,0", "\x00", "write,1,2,3,3"])
    writes = garbage.of("write")
    assert writes is not None
    assert (garbage.bad_lines, writes.total_bytes.tolist()) == (5, [3])


def test_numbers_that_no_call_has_are_left_out() -> None:
    huge = "9" * 30
    lines = [f"write,1,{huge},5,5", f"write,-{huge},2,5,5", f"write,1,2,{huge},5", "write,1,2,5,5"]
    log = parse_log([f"# realtime_offset_ns={huge}", *lines])
    writes = log.of("write")
    assert writes is not None
    assert (writes.total_bytes.tolist(), log.realtime_offset_ns, log.bad_lines) == ([5], None, 3)
    assert parse_log(["# realtime_offset_ns=x"]).realtime_offset_ns is None


def test_no_file_is_no_log(tmp_path: Path) -> None:
    assert read_log(tmp_path / "events.csv") is None
    (tmp_path / "events.csv").write_bytes(b"write,1,2,3,3\n\xff\xfe\n")
    log = read_log(tmp_path / "events.csv")
    assert log is not None
    assert (list(log.by_op), log.bad_lines) == (["write"], 1)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 9)), min_size=1, max_size=50), st.integers(0, 300))
def test_done_is_what_ended_by_then(steps: list[tuple[int, int]], when: int) -> None:
    rows, at_ns, expected = [], 0, 0
    for step, size in steps:
        rows.append((at_ns, at_ns + step, size))
        at_ns += step
        expected += size if at_ns <= when else 0
    assert calls(*rows).done_at(np.array([when])).tolist() == [expected]


def test_bytes_ahead() -> None:
    written = calls((0, 1, 100), (1, 2, 200), (2, 3, 50))
    read = calls((1, 2, 50), (2, 3, 150), (3, 4, 150))
    assert bytes_ahead_max(written, read) == 250
    assert bytes_ahead_max(calls((9, 9, 0)), read) == 0
