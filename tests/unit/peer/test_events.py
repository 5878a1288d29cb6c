import os
import re
import time

import pytest

from testbed.peer.errors import SystemCallError
from testbed.peer.events import KEPT_EVENTS, EventLog, Op


def test_format(tmp_path):
    log = EventLog(str(tmp_path / "events.csv"))
    log.add(Op.CONNECT, 10, 20)
    log.add(Op.WRITE, 30, 40, 100)
    log.add(Op.WRITE, 41, 50, 60)
    log.add(Op.CLOSE, 60, 70)
    log.close()
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
    log = EventLog(str(tmp_path / "events.csv"))
    count = 2 * KEPT_EVENTS + 10
    for number in range(count):
        log.add(Op.READ, number, number, 3)
    assert len((tmp_path / "events.csv").read_text().splitlines()) == 2 + 2 * KEPT_EVENTS
    log.close()
    log.close()
    lines = (tmp_path / "events.csv").read_text().splitlines()[2:]
    assert lines == [f"read,{n},{n},3,{3 * (n + 1)}" for n in range(count)]


def test_the_log_begins_before_the_first_event(tmp_path):
    log = EventLog(str(tmp_path / "events.csv"))
    assert len((tmp_path / "events.csv").read_text().splitlines()) == 2
    log.close()


def test_none():
    log = EventLog("")
    log.add(Op.READ, 1, 2, 3)
    log.close()


def test_cannot_be_created(tmp_path):
    with pytest.raises(SystemCallError, match=r"create event log .*: No such file"):
        EventLog(str(tmp_path / "none" / "events.csv"))


def test_a_full_device():
    with pytest.raises(SystemCallError, match="event log /dev/full: No space left"):
        EventLog("/dev/full")


def test_a_log_that_cannot_go_on_is_given_up(tmp_path):
    log = EventLog(str(tmp_path / "events.csv"))

    os.close(log._fd)
    log._fd = os.open("/dev/full", os.O_WRONLY)
    for number in range(KEPT_EVENTS + 1):
        log.add(Op.READ, number, number, 1)
    with pytest.raises(SystemCallError, match=r"write event log .*: No space left"):
        log.close()
    log.close()
