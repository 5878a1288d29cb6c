"""Traffic from the client's end of a link to the server's, by programs that are unaware of the link.

Both ends stamp with CLOCK_MONOTONIC, which all containers of a host share.
"""

import json
from dataclasses import dataclass
from typing import NamedTuple

from docker.models.containers import Container

from tests.support.sidecar import START_S, Sidecar
from tests.support.waiting import wait_until

SCHEDULING_MS = 4.0
"""How late the median of a few dozen datagrams may be on a machine that runs other tests."""
UDP_SINK = """
import json, socket, struct, sys, time
count, seconds = int(sys.argv[1]), float(sys.argv[2])
sink = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sink.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
sink.bind(("::", 9000))
print("bound", flush=True)
sink.settimeout(30)  # a busy machine takes its time to start the one that sends
seen = []
try:
    while len(seen) < count:
        data = sink.recv(65536)
        sink.settimeout(seconds)
        number, sent_ns = struct.unpack_from("!Qq", data)
        if number < 10**9:  # not the one that warms up
            seen.append((number, time.monotonic_ns() - sent_ns, len(data), sent_ns))
except TimeoutError:
    pass
print(json.dumps(seen))
"""
UDP_SOURCE = """
import signal, socket, struct, sys, time
family = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}[sys.argv[1]]
count, gap_s, size = int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
stops = []
signal.signal(signal.SIGTERM, lambda *_: stops.append(1))
address = socket.getaddrinfo("server", 9000, family, socket.SOCK_DGRAM)[0][4]
source = socket.socket(family, socket.SOCK_DGRAM)
source.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
source.sendto(struct.pack("!Qq", 10**9, time.monotonic_ns()), address)
time.sleep(0.2)
print("sending", flush=True)
sent = 0
while sent < count and not stops:
    source.sendto(struct.pack("!Qq", sent, time.monotonic_ns()) + bytes(size - 16), address)
    sent += 1
    time.sleep(gap_s)
print(sent)
"""


class Datagram(NamedTuple):
    """One that arrived."""

    number: int
    delay_ms: float
    size_bytes: int
    sent_ns: int


@dataclass
class Stream:
    """Numbered datagrams in transit."""

    sink: Container
    source: Container

    def wait_sending(self) -> None:
        """Return once the first has left."""
        wait_for_line(self.source, "sending")

    def stop(self) -> int:
        """Send no more; return how many left."""
        self.source.kill("SIGTERM")
        return self._sent()

    def arrived(self) -> list[Datagram]:
        """Wait for the end; return what arrived, in the order of arrival."""
        self._sent()
        self.sink.wait(timeout=START_S)
        seen = json.loads(self.sink.logs().decode().splitlines()[-1])
        return [Datagram(number, delay_ns / 1e6, bytes_, sent_ns) for number, delay_ns, bytes_, sent_ns in seen]

    def _sent(self) -> int:
        status = self.source.wait(timeout=START_S)["StatusCode"]
        output: str = self.source.logs().decode()
        assert status == 0, output
        return int(output.splitlines()[-1])


def wait_for_line(container: Container, text: str) -> None:
    """Wait until a program has printed `text`."""
    wait_until(lambda: text in container.logs().decode(), START_S, lambda: container.logs().decode())


def start_datagrams(
    pair: tuple[Sidecar, Sidecar], family: str, count: int, *, gap_s: float, size: int = 100, quiet_s: float = 4.5
) -> Stream:
    """Start to send from client to server; the sink ends after `count`, or when none arrives for `quiet_s`."""
    client, server = pair
    sink = server.start(UDP_SINK, count, quiet_s)
    wait_for_line(sink, "bound")
    return Stream(sink, client.start(UDP_SOURCE, family, count, gap_s, size))


def datagrams(
    pair: tuple[Sidecar, Sidecar], family: str, count: int, *, gap_s: float = 0.002, size: int = 100
) -> list[Datagram]:
    """Send datagrams from client to server; return those that arrived."""
    return start_datagrams(pair, family, count, gap_s=gap_s, size=size).arrived()


def goodput_share(family: str, mtu_bytes: int = 1500) -> float:
    """Return the share of a link's rate that TCP payload can have: a full frame without its headers.

    Ethernet 14 bytes, IP 20 or 40, TCP 20 and its timestamp option 12 (RFC 7323), in every segment.
    """
    headers = (20 if family == "ipv4" else 40) + 32
    return (mtu_bytes - headers) / (mtu_bytes + 14)
