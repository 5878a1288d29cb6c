import struct

from benchmarks.task_stats import Ended, attribute, by_process, ended_threads

FAMILY, AGGR_PID, AGGR_TGID, PID, STATS = 27, 4, 5, 1, 3


def stats_of(name: str, pid: int, parent: int, process: int, user_us: int, system_us: int) -> bytes:
    """Lay a record out as the kernel does."""
    data = bytearray(416)
    data[80 : 80 + len(name)] = name.encode()
    struct.pack_into("=II", data, 128, pid, parent)
    struct.pack_into("=QQ", data, 152, user_us, system_us)
    struct.pack_into("=I", data, 368, process)
    return bytes(data)


def message(kind: int, pid: int, stats: bytes) -> bytes:
    body = struct.pack("=BBH", 2, 1, 0)
    body += attribute(kind, attribute(PID, struct.pack("=I", pid)) + attribute(STATS, stats))
    return struct.pack("=IHHII", 16 + len(body), FAMILY, 0, 0, 0) + body


def test_records_of_threads() -> None:
    datagram = message(AGGR_PID, 11, stats_of("runc", 11, 3, 10, 5, 6))
    datagram += message(AGGR_TGID, 10, stats_of("", 0, 0, 0, 99, 99))
    datagram += message(AGGR_PID, 10, stats_of("runc", 10, 3, 10, 1, 2))
    threads = list(ended_threads(datagram))
    assert threads == [Ended("runc", 11, 3, 10, 11), Ended("runc", 10, 3, 10, 3)]
    assert by_process(threads) == {10: Ended("runc", 10, 3, 10, 14)}


def test_a_process_has_the_name_of_its_first_thread() -> None:
    threads = [Ended("worker", 11, 3, 10, 1), Ended("dockerd", 10, 3, 10, 1)]
    assert by_process(threads)[10].name == "dockerd"


def test_what_is_no_record() -> None:
    assert list(ended_threads(b"")) == []
    assert list(ended_threads(bytes(64))) == []
