import numpy as np

from netem.observe.rows import COLUMNS
from testbed.analysis.join.samples import ABSENT, MAX_INT64, parse_samples, read_samples
from tests.support.transfers import slow_reader


def row(**values: object) -> str:
    known = {"monotonic_ns": 1, "realtime_ns": 2, "cookie": 7, "state": "ESTABLISHED", "remote_port": 8888} | values
    return ",".join(str(known.get(name, "")) for name in COLUMNS)


def parsed(*rows: str, port: int | None = None):
    return parse_samples([",".join(COLUMNS), *rows], port)


def test_columns_are_numbers_and_absent_is_not_zero() -> None:
    samples = parsed(row(bytes_acked=0, congestion="bbr"), row(monotonic_ns=5, pacing_rate=1 << 64))
    assert samples is not None
    assert samples.column("bytes_acked").tolist() == [0, ABSENT]
    assert samples.column("no_such_field").tolist() == [ABSENT, ABSENT]
    assert samples.column("pacing_rate")[1] == MAX_INT64
    assert (samples.last("bytes_acked"), samples.most("rcv_wnd"), samples.has("rcv_wnd")) == (0, None, False)
    assert (samples.text("congestion"), samples.text("nothing")) == ("bbr", "")
    assert (samples.at_ns.tolist(), samples.line.tolist()) == ([1, 5], [2, 3])


def test_the_connection_that_moved_most_is_taken() -> None:
    rows = [row(cookie=1, bytes_acked=5), row(cookie=2, bytes_acked=500), row(cookie=3, local_port=9, remote_port=9)]
    samples = parsed(*rows, port=8888)
    assert samples is not None
    assert samples.last("bytes_acked") == 500


def test_rows_that_cannot_be_read_are_left_out() -> None:
    good = row(bytes_acked=1)
    samples = parsed("garbage", good[:30], row(monotonic_ns="x"), good, good + ",1")
    assert samples is not None
    assert (len(samples), samples.line.tolist()) == (1, [5])


def test_states() -> None:
    samples = parsed(row(), row(state="FIN_WAIT1"))
    assert samples is not None
    assert np.array_equal(samples.state_in(("FIN_WAIT1",)), [False, True])


def test_files(tmp_path) -> None:
    assert read_samples(tmp_path / "none.csv") is None
    (tmp_path / "empty.csv").write_text("")
    assert read_samples(tmp_path / "empty.csv") is None
    (tmp_path / "s.csv").write_bytes(slow_reader().files()["client/sockets.csv"])
    samples = read_samples(tmp_path / "s.csv", 8888)
    assert samples is not None
    assert samples.state[-1] == "CLOSE"


def test_numbers_that_no_kernel_reports_are_no_crash() -> None:
    huge = "9" * 30
    found = parse_samples(["monotonic_ns,realtime_ns,rtt", f"10,20,-{huge}", f"20,30,{huge}"])
    assert found is not None
    assert found.column("rtt").tolist() == [-1, 2**63 - 1]
