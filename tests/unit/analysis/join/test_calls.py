import numpy as np
import pytest

from testbed.analysis.join.calls import parse_calls, read_calls

LOG = """# realtime_offset_ns=1000
op,start_ns,end_ns,bytes,total_bytes
connect,0,5,0,0
write,10,20,100,100
write,30,5000000,50,150
rubbish
read,40,41,70,70
""".splitlines()


def test_calls_by_kind() -> None:
    log = parse_calls(LOG)
    writes = log.of("write")
    assert writes is not None
    assert log.realtime_offset_ns == 1000
    assert log.of("sleep") is None
    assert writes.total_bytes.tolist() == [100, 150]
    assert writes.line.tolist() == [4, 5]
    assert writes.blocked.tolist() == [False, True]


def test_what_was_done_and_what_is_going_on() -> None:
    writes = parse_calls(LOG).of("write")
    assert writes is not None
    at = np.array([9, 10, 20, 25, 40, 5_000_000])
    assert writes.done_at(at).tolist() == [0, 0, 100, 100, 100, 150]
    assert writes.size_going_on_at(at).tolist() == [0, 100, 0, 0, 50, 0]


def test_whether_a_call_touches_a_stretch() -> None:
    writes = parse_calls(LOG).of("write")
    assert writes is not None
    found = writes.any_within(np.array([21, 21, 31]), np.array([29, 30, 4_999_999]))
    assert found.tolist() == [False, True, False]


@pytest.mark.parametrize("text", ["", "# realtime_offset_ns=x\n", "rubbish\n"])
def test_a_log_without_calls_is_none(tmp_path, text: str) -> None:
    (tmp_path / "events.csv").write_text(text)
    assert read_calls(tmp_path / "events.csv") is None
    assert read_calls(tmp_path / "none.csv") is None


def test_numbers_that_no_call_has_are_left_out() -> None:
    huge = "9" * 30
    lines = [f"write,1,{huge},5,5", f"write,-{huge},2,5,5", f"write,1,2,{huge},5", "write,1,2,5,5"]
    log = parse_calls([f"# realtime_offset_ns={huge}", *lines])
    writes = log.of("write")
    assert writes is not None
    assert writes.total_bytes.tolist() == [5]
    assert log.realtime_offset_ns is None
