"""What the link does to frames on the wire, measured by ordinary programs."""

import itertools
import json
from statistics import median
from typing import Any

import pytest

from tests.support.link_traffic import SCHEDULING_MS, datagrams, goodput_share
from tests.support.sidecar import Bed

TCP_SINK = """
import json, socket, time
with socket.create_server(("::", 8888), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
    while True:
        connection, _ = listener.accept()
        stamps, total = [], 0
        with connection:
            while data := connection.recv(1 << 20):
                total += len(data)
                stamps.append((time.monotonic_ns(), total))
        print(json.dumps(stamps[len(stamps) // 4 :: max(1, len(stamps) // 200)]), flush=True)
"""
TCP_SOURCE = """
import socket, sys, time
family = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}[sys.argv[1]]
address = socket.getaddrinfo("server", 8888, family, socket.SOCK_STREAM)[0][4]
with socket.socket(family) as connection:
    # Reno fills the queue, so the link never waits for a sender that a busy machine has held up; BBR keeps it empty.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
    connection.connect(address)
    end = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < end:
        connection.sendall(bytes(1 << 16))
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
"""


@pytest.mark.parametrize("delay_ms", [0, 1, 10, 100, 1000])
def test_udp_is_delayed_by_the_requested_time(made: Bed, family: str, delay_ms: int) -> None:
    pair = made.pair(engine="user", client_impairment=f"delay {delay_ms}ms")
    arrived = datagrams(pair, family, 100)
    assert len(arrived) == 100
    delays_ms = [each.delay_ms for each in arrived]
    assert min(delays_ms) >= delay_ms
    assert median(delays_ms) <= delay_ms + SCHEDULING_MS


def test_exactly_the_listed_packets_are_dropped(made: Bed, family: str) -> None:
    # The first packet is the one that warms up, so the datagram numbered n is packet n + 2.
    pair = made.pair(engine="user", client_impairment="drop-list 3,7-9 filter protocol udp port 9000")
    assert [each.number for each in datagrams(pair, family, 20)] == [0, *range(2, 5), *range(8, 20)]


def test_loss_is_within_its_interval_and_repeats_with_its_seed(made: Bed) -> None:
    lost = []
    for _ in range(2):
        pair = made.pair(engine="user", client_impairment="loss 10% filter protocol udp port 9000", client_seed=5)
        arrived = {each.number for each in datagrams(pair, "ipv4", 1000, gap_s=0.0005)}
        lost.append(set(range(1000)) - arrived)
        for sidecar in pair:
            sidecar.container.remove(force=True)
    assert 60 <= len(lost[0]) <= 145  # 99.9 % of a binomial distribution
    assert lost[0] == lost[1]


def test_a_blackhole_begins_and_ends(made: Bed) -> None:
    pair = made.pair(engine="user", client_impairment="blackhole 400ms 300ms filter protocol udp port 9000")
    arrived = [each.number for each in datagrams(pair, "ipv4", 100, gap_s=0.01)]
    gaps = [after - before for before, after in itertools.pairwise(arrived)]
    assert arrived[0] == 0
    assert arrived[-1] == 99
    assert 20 <= max(gaps) <= 33


@pytest.mark.parametrize("size", [1400, 9000, 60_000, 65_000])
def test_large_datagrams_survive_whole(made: Bed, family: str, size: int) -> None:
    """They leave as IP fragments: each is a frame of its own to the link."""
    pair = made.pair(engine="user", client_impairment="delay 5ms")
    arrived = datagrams(pair, family, 10, gap_s=0.02, size=size)
    assert [each.size_bytes for each in arrived] == [size] * 10
    assert min(each.delay_ms for each in arrived) >= 5


@pytest.mark.parametrize("rate_mbit", [10, 100])
def test_tcp_gets_the_requested_rate(made: Bed, family: str, rate_mbit: int) -> None:
    client, server = made.pair(engine="user", client_impairment=f"rate {rate_mbit}mbit limit 200")
    sink = server.start(TCP_SINK)
    server.wait("listening")
    client.run(TCP_SOURCE, family, 4)
    stamps = json.loads(sink.logs().decode().splitlines()[-1])
    (first_ns, first_bytes), (last_ns, last_bytes) = stamps[0], stamps[-1]
    goodput_bps = (last_bytes - first_bytes) * 8e9 / (last_ns - first_ns)
    assert goodput_bps == pytest.approx(rate_mbit * 1e6 * goodput_share(family), rel=0.03)


def test_tcp_keeps_its_speed_at_a_hundred_milliseconds(made: Bed, family: str) -> None:
    """The kernel's queue limits for the endpoint (TCP small queues) must not count the delayed frames."""
    client, server = made.pair(engine="user", impairment="delay 50ms", capture=0)
    sink = server.start(TCP_SINK)
    server.wait("listening")
    client.run(TCP_SOURCE, family, 4)
    stamps: list[Any] = json.loads(sink.logs().decode().splitlines()[-1])
    goodput_bps = (stamps[-1][1] - stamps[0][1]) * 8e9 / (stamps[-1][0] - stamps[0][0])
    assert goodput_bps > 50e6  # small queues would leave 2 x 64 kB each 100 ms: 10 Mbit/s


def test_arp_and_neighbour_discovery_pass_unless_requested_otherwise(made: Bed) -> None:
    for nd, low_s, high_s in ((0, 1.0, 1.9), (1, 2.0, 4.0)):
        client, server = made.pair(
            engine="user", client_impairment="delay 500ms", server_impairment="delay 500ms", nd=nd, probes=0
        )
        server.start(TCP_SINK)
        server.wait("listening")
        connect = "import socket,time; a=socket.getaddrinfo('server',8888,socket.AF_INET)[0][4]; b=time.monotonic(); "
        connect += "socket.create_connection(a); print(time.monotonic()-b)"
        assert low_s <= float(client.run(connect)) < high_s
        for sidecar in (client, server):
            sidecar.container.remove(force=True)


def test_the_kernel_engine_shows_the_egress_before_its_qdisc(made: Bed) -> None:
    """The mirror needs no netem: any kernel with clsact, mirred and a dummy or an ifb can show it."""
    client, server = made.pair(capture=0)
    assert server
    look = """
import json, os, signal, socket, sys, time
from netem.engines.kernel.engine import HELPER, KernelEngine
from netem.observe import tcpdump
from netem.system.process import spawn
from netem.spec import parse
engine = KernelEngine(device="eth0", impairment=parse("delay 1ms"), seed=0, reason="")
engine.make_devices()
points = [[point.device, point.inbound_only] for point in engine.capture_points]
child = spawn(tcpdump.arguments(HELPER, "/run/mirror.pcap", port=8888, snaplen_bytes=128, inbound_only=False))
text = ""
while not tcpdump.is_listening(text):
    text += os.read(child.stderr, 4096).decode()
probe = socket.socket()
probe.setblocking(False)
probe.connect_ex((socket.gethostbyname("server"), 8888))
time.sleep(0.3)
child.signal(signal.SIGINT)
while not tcpdump.has_reported(text):
    text += os.read(child.stderr, 4096).decode()
engine.close()
print(json.dumps([points, engine.capture_note, tcpdump.counters(text).captured, sorted(os.listdir("/sys/class/net"))]))
"""
    result = client.container.exec_run(["python3", "-c", look])
    assert result.exit_code == 0, result.output.decode()
    points, note, captured, devices = json.loads(result.output)
    assert points == [["netem0", False], ["eth0", True]]
    assert note == ""
    assert captured == 1
    assert "netem0" not in devices
