from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from testbed.analysis.events import MAX_POINTS, Curve, most_ahead, parse_events, read_events

LOG = """# realtime_offset_ns=1732303456000000000
op,start_ns,end_ns,bytes,total_bytes
connect,100,200,0,0
write,1000,2000,100,100
write,3000,2003000,100,200
eof,2003000,2004000,0,200
close,2004000,2005000,0,200
"""


def test_a_log_is_summed_up() -> None:
    log = parse_events(LOG.splitlines(keepends=True))
    writes = log.of("write")
    assert (writes.count, writes.total_bytes, writes.first_start_ns, writes.last_end_ns) == (2, 200, 1000, 2003000)
    assert (writes.spent_ns, writes.blocked_ns, writes.longest_ns) == (2001000, 2000000, 2000000)
    assert log.bad_lines == 0
    assert log.of("read").count == 0


def test_a_log_cut_anywhere_or_full_of_rubbish_is_read_as_far_as_it_goes() -> None:
    for end in range(len(LOG)):
        assert parse_events(LOG[:end].splitlines()).of("write").total_bytes in (0, 1, 10, 100, 101, 110, 200)
    rubbish = parse_events(["write,1,2", "write,a,b,c,d", "write,5,4,1,1", "write,1,2,-1,0", "\x00", "write,1,2,3,3"])
    assert (rubbish.bad_lines, rubbish.of("write").total_bytes) == (5, 3)


def test_no_file_is_no_log(tmp_path: Path) -> None:
    assert read_events(tmp_path / "events.csv") is None
    (tmp_path / "events.csv").write_bytes(b"write,1,2,3,3\n\xff\xfe\n")
    log = read_events(tmp_path / "events.csv")
    assert log is not None
    assert (log.of("write").total_bytes, log.bad_lines) == (3, 1)


def test_a_curve_stays_small_and_keeps_its_end() -> None:
    curve = Curve()
    for at_ns in range(100_000):
        curve.add(at_ns, at_ns * 2)
    assert len(curve.points) < 2 * MAX_POINTS
    assert curve.at(99_999) == 199_998
    assert abs(curve.at(50_000) - 100_000) <= 200
    assert curve.at(-1) == 0


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 9)), max_size=50), st.integers(0, 300))
def test_a_curve_is_the_last_point_not_after(steps: list[tuple[int, int]], when: int) -> None:
    curve = Curve()
    at_ns = total = expected = 0
    for step, size in steps:
        at_ns += step
        total += size
        curve.add(at_ns, total)
        if at_ns <= when:
            expected = total
    assert curve.at(when) == expected


def test_most_ahead() -> None:
    written, read = Curve(), Curve()
    for at_ns, total in ((1, 100), (2, 300), (3, 350)):
        written.add(at_ns, total)
    for at_ns, total in ((2, 50), (3, 200), (4, 350)):
        read.add(at_ns, total)
    assert most_ahead(written, read) == 250
    assert most_ahead(Curve(), read) == 0
