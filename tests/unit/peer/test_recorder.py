import os
import re
import time
from pathlib import Path

import pytest

from testbed.peer.errors import SystemCallError
from testbed.peer.recorder import MAX_BUFFERED_CALLS, CallRecorder, Op


def test_format(tmp_path):
    recorder = CallRecorder(str(tmp_path / "events.csv"))
    recorder.record(Op.CONNECT, 10, 20)
    recorder.record(Op.WRITE, 30, 40, 100)
    recorder.record(Op.WRITE, 41, 50, 60)
    recorder.record(Op.CLOSE, 60, 70)
    recorder.close()
    first, *rest = (tmp_path / "events.csv").read_text().splitlines()
    assert rest == [
        "op,start_ns,end_ns,bytes,total_bytes",
        "connect,10,20,0,0",
        "write,30,40,100,100",
        "write,41,50,60,160",
        "close,60,70,0,160",
    ]
    offset_ns = int(re.fullmatch(r"# realtime_offset_ns=(\d+)", first)[1])
    assert abs(time.time_ns() - time.monotonic_ns() - offset_ns) < 10_000_000_000


def test_more_events_than_are_kept(tmp_path):
    recorder = CallRecorder(str(tmp_path / "events.csv"))
    count = 2 * MAX_BUFFERED_CALLS + 10
    for number in range(count):
        recorder.record(Op.READ, number, number, 3)
    assert len((tmp_path / "events.csv").read_text().splitlines()) == 2 + 2 * MAX_BUFFERED_CALLS
    recorder.close()
    recorder.close()
    lines = (tmp_path / "events.csv").read_text().splitlines()[2:]
    assert lines == [f"read,{n},{n},3,{3 * (n + 1)}" for n in range(count)]


def test_the_log_begins_before_the_first_event(tmp_path):
    recorder = CallRecorder(str(tmp_path / "events.csv"))
    assert len((tmp_path / "events.csv").read_text().splitlines()) == 2
    recorder.close()


def test_none():
    recorder = CallRecorder("")
    recorder.record(Op.READ, 1, 2, 3)
    recorder.close()


def test_a_file_that_cannot_be_created(tmp_path):
    with pytest.raises(SystemCallError, match=r"create event log .*: No such file"):
        CallRecorder(str(tmp_path / "none" / "events.csv"))


def test_a_full_device():
    with pytest.raises(SystemCallError, match="event log /dev/full: No space left"):
        CallRecorder("/dev/full")


def test_a_log_that_cannot_be_written_is_abandoned(tmp_path):
    path = tmp_path / "events.csv"
    recorder = CallRecorder(str(path))
    fd = next(int(entry.name) for entry in Path("/proc/self/fd").iterdir() if entry.readlink() == path)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, fd)
    os.close(full)
    for number in range(MAX_BUFFERED_CALLS + 1):
        recorder.record(Op.READ, number, number, 1)
    with pytest.raises(SystemCallError, match=r"write event log .*: No space left"):
        recorder.close()
    recorder.close()
