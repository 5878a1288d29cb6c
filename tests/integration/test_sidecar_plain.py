"""A user engine with nothing to impair: the frames stay in the kernel, counted and captured, until a change."""

import io
from collections import Counter

import pytest

from netem.observe.pcap import read_records, read_snaplen
from tests.support.link_traffic import SCHEDULING_MS, datagrams, start_datagrams
from tests.support.sidecar import Bed, Sidecar, kill_engine
from tests.support.waiting import wait_until

STREAM_BYTES = 3_000_000
WRITES = 60
SINK = """
import hashlib, socket
with socket.create_server(("::", 8888), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
    connection, _ = listener.accept()
    digest, count = hashlib.sha256(), 0
    while data := connection.recv(1 << 20):
        digest.update(data)
        connection.sendall(b".")
    connection.sendall(digest.hexdigest().encode())
    connection.close()
"""
SOURCE = """
import hashlib, os, socket, sys, time
family = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}[sys.argv[1]]
address = socket.getaddrinfo("server", 8888, family, socket.SOCK_STREAM)[0][4]
data, writes = os.urandom(int(sys.argv[2])), int(sys.argv[3])
with socket.socket(family) as connection:
    connection.connect(address)
    for number in range(writes):
        connection.sendall(data[number * len(data) // writes : (number + 1) * len(data) // writes])
        time.sleep(0.05)
        if number == writes // 4:
            print("sending", flush=True)
    connection.shutdown(socket.SHUT_WR)
    answer = b""
    while more := connection.recv(1 << 16):
        answer += more
assert answer.endswith(hashlib.sha256(data).hexdigest().encode()), answer[-100:]
"""
TAP_FRAMES = "print(open('/sys/class/net/netem0/statistics/tx_packets').read())"


def change(sidecar: Sidecar, text: str) -> None:
    status, answer = sidecar.netem("change", text)
    assert status == 0, answer


def tcp_frames(sidecar: Sidecar, family: str) -> list[tuple[int, bytes]]:
    """Return time and bytes of each captured frame, up to its TCP checksum: offload leaves that to be completed."""
    file = io.BytesIO(sidecar.file("capture.pcap"))
    read_snaplen(file)
    start = 16 + 14
    length = 20 + 16 if family == "ipv4" else 40 + 16
    return [(record.time_ns, record.data[start : start + length]) for record in read_records(file)]


def test_frames_stay_in_the_kernel(made: Bed, family: str) -> None:
    pair = made.pair(engine="user", client_impairment="delay 0ms")
    readback = pair[0].events("link")[0]["readback"]
    assert (readback["data_path"], readback["redirect"]) == ("kernel", ["netem1"])
    assert all(probe["ok"] for probe in pair[0].wait("verified")["probes"])
    arrived = datagrams(pair, family, 100, size=100)
    assert [each.number for each in arrived] == list(range(100))
    assert int(pair[0].run(TAP_FRAMES)) == 0
    counted = pair[0].stop()["counters"]["link"]
    assert counted["data_path"] == "kernel"
    assert counted["measured"]["packets_in"] == 0
    # The one that warms up has 16 bytes; neighbour discovery may come on top.
    headers_bytes = 14 + (20 if family == "ipv4" else 40) + 8
    assert 101 <= counted["bypassed"]["packets"] < 200
    assert counted["bypassed"]["bytes"] >= 100 * (headers_bytes + 100) + headers_bytes + 16


def test_frames_meet_an_impairment_from_the_change_on(made: Bed, family: str) -> None:
    pair = made.pair(engine="user", capture=0)
    stream = start_datagrams(pair, family, 100_000, gap_s=0.002)
    stream.wait_sending()
    for text, impaired in (
        ("delay 100ms", True),
        ("", False),
        ("delay 100ms 1us", True),
        ("delay 0ms filter protocol udp", False),
    ):
        change(pair[0], text)
        first, second = (int(pair[0].run(TAP_FRAMES)) for _ in range(2))  # starting these takes some hundred ms
        assert (second > first) is impaired
    count = stream.stop()
    arrived = stream.arrived()
    assert sorted(each.number for each in arrived) == list(range(count))
    moments = [event["monotonic_ns"] for event in pair[0].events("change")]
    for number, least_ms in enumerate((100, 0, 100, 0)):
        end_ns = moments[number + 1] - 100_000_000 if number < 3 else 1 << 62  # before the next change began
        delays_ms = [each.delay_ms for each in arrived if moments[number] < each.sent_ns < end_ns]
        assert delays_ms
        assert least_ms <= min(delays_ms) <= least_ms + SCHEDULING_MS
    counted = pair[0].stop()["counters"]["link"]
    assert counted["bypassed"]["packets"] > 10
    assert counted["measured"]["delayed"] > 10
    assert counted["bypassed"]["packets"] + counted["measured"]["packets_in"] >= count


def test_no_frame_of_a_transfer_is_missing_from_the_capture_or_twice_in_it(made: Bed, family: str) -> None:
    pair = made.pair(engine="user")
    pair[1].start(SINK)
    pair[1].wait("listening")
    source = pair[0].start(SOURCE, family, STREAM_BYTES, WRITES)
    wait_until(lambda: "sending" in source.logs().decode(), 60)
    for text in ("delay 30ms", "", "delay 20ms limit 5000", "delay 0ms"):
        change(pair[0], text)
    assert source.wait(timeout=60)["StatusCode"] == 0, source.logs().decode()
    for sidecar in pair:
        sidecar.wait("idle")
    counted = pair[0].stop()
    assert counted["capture"]["complete"], counted["capture"]
    assert [point["device"] for point in counted["capture"]["points"]] == ["netem0", "eth0"]
    assert all(point["captured"] for point in counted["capture"]["points"])
    assert pair[1].stop()["capture"]["complete"]
    sent, received = (tcp_frames(sidecar, family) for sidecar in pair)
    assert Counter(data for _, data in sent) == Counter(data for _, data in received)
    assert [at_ns for at_ns, _ in sent] == sorted(at_ns for at_ns, _ in sent)
    link = counted["counters"]["link"]
    assert link["bypassed"]["bytes"] + link["measured"]["bytes_in"] > STREAM_BYTES
    assert link["measured"]["packets_in"] > 0


@pytest.mark.parametrize("policy", ["closed", "open"])
def test_the_engine_dies_while_the_link_is_plain(made: Bed, policy: str) -> None:
    pair = made.pair(engine="user", client_on_engine_death=policy)
    kill_engine(pair[0].container)
    assert f"the link is {policy} from now on" in pair[0].wait("error")["message"]
    if policy == "open":
        assert len(datagrams(pair, "ipv4", 20)) == 20
        pair[0].container.kill("SIGTERM")
    assert pair[0].wait_exit() == 1
    assert [error["attempt"] for error in pair[0].events("error")] == ["forward frames"]
