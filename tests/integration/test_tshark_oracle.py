"""Compare every mark of the analysis with tshark, frame by frame: on real traffic, crafted and random frames."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import docker
import pytest

from testbed.analysis.packets.capture import analyse_capture
from testbed.stack.images import Images
from tests.support import tshark_oracle
from tests.support.captures import (
    ACK,
    FIN,
    RST,
    SYN,
    TIMESTAMPS,
    Segment,
    Wrapping,
    exchange,
    handshake,
    pcap,
    pcapng,
    sack,
    spaced,
)
from tests.support.damage import damaged_capture
from tests.support.random_exchange import random_segments
from tests.support.sidecar import Bed, bed
from tests.support.tshark_tools import TOOLS, Tools, provide_tools

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600, func_only=True)]

TSHARK = "4.4."
"""The series that defines the rules; docs/packets.md lists where others differ."""


@pytest.fixture(scope="module")
def tools() -> Iterator[Tools]:
    with provide_tools() as made:
        yield made


def test_the_tshark_series(tools: Tools) -> None:
    assert f"TShark (Wireshark) {TSHARK}" in tools.run("tshark", "--version")


SLOW = {"bytes": 150_000, "rcvbuf": 8192, "sndbuf": 8192, "read": 8192, "delay_s": 0.1}
RECORDED: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "slow reader, small buffers": ("none", SLOW | {"chunk": 100}, {"zero_window", "window_full", "window_update"}),
    "long pause": ("none", SLOW | {"chunk": 1000, "bytes": 60_000, "pause_s": 3}, {"keep_alive", "zero_window"}),
    "default buffers": ("none", {"bytes": 1_500_000, "chunk": 1000, "delay_s": 0.1}, set()),
    "fast reader": ("none", {"bytes": 5_000_000, "chunk": 1000}, set()),
    "small writes": ("none", {"bytes": 1_000_000, "chunk": 100, "nodelay": True}, set()),
    "queue overflow": ("queue", {"bytes": 3_000_000, "chunk": 10_000}, {"lost_segment", "retransmission"}),
    "lost data": ("in-2", {"bytes": 6_000_000, "chunk": 10_000}, {"retransmission", "duplicate_ack"}),
    "lost acknowledgements": ("back-20", {"bytes": 2_000_000, "chunk": 3000, "rcvbuf": 65536, "delay_s": 0.005}, set()),
    "reused ports": ("none", {"bytes": 3000, "chunk": 1000, "port": 45_678, "connections": 4}, {"reused_ports"}),
    "keep-alives": ("none", {"bytes": 1000, "chunk": 1000, "keepalive": True, "idle_s": 3}, {"keep_alive"}),
}


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("name", RECORDED)
def test_real_traffic(tools: Tools, name: str, version: int) -> None:
    impairment, settings, expected = RECORDED[name]
    found = tools.compare(tools.record(impairment, settings | {"family": version}))
    assert not found.differences
    assert expected <= set(found.flags)


READERS: dict[str, dict[str, Any]] = {
    "slow": {"bytes": 60_000, "chunk": 1000, "rcvbuf": 4096, "sndbuf": 8192, "read": 4096, "delay_s": 0.02},
    "initial pause": {"bytes": 60_000, "chunk": 100, "rcvbuf": 8192, "sndbuf": 8192, "pause_s": 0.5},
    "fast": {"bytes": 200_000, "chunk": 10_000, "nodelay": True},
}
LINKS = {
    "": {"zero_window", "window_full", "window_update", "keep_alive"},
    "delay 5ms 2ms": {"zero_window"},
    "delay 2ms loss 5%": {"retransmission", "duplicate_ack", "lost_segment"},
    "delay 10ms reorder 30%": {"lost_segment", "duplicate_ack"},
    "delay 2ms duplicate 10%": {"spurious_retransmission"},
    "delay 2ms corrupt 5%": {"retransmission"},
    "delay 2ms rate 20mbit": set(),
}
"""Impairments in the client's sidecar, and marks that they must cause."""
CELLS = [reader | {"family": family} for reader in READERS.values() for family in (4, 6)]


@pytest.fixture(scope="module")
def captures(testbed_images: Images) -> Iterator[dict[str, tuple[bytes, bytes]]]:
    """The captures of both sidecars by link; each link has its own pair of sidecars and programs, all in parallel."""
    # The threads share its connections: docker-py closes those of one request that are too many, while others use them.
    client = docker.from_env(max_pool_size=64)
    code = (TOOLS / "cells.py").read_text()
    quiet = {"engine": "user", "probes": 0, "sample_interval_ms": 0}

    def capture(made: Bed, link: str) -> tuple[bytes, bytes]:
        pair = made.pair(client_impairment=link, **quiet)
        server = pair[1].start(code, "server", json.dumps(CELLS))
        pair[1].wait("listening")
        pair[0].run(code, "client", json.dumps(CELLS))
        assert server.wait(timeout=60)["StatusCode"] == 0, server.logs().decode()
        reports = [sidecar.stop()["capture"] for sidecar in pair]
        assert all(report["complete"] for report in reports), reports
        return pair[0].file("capture.pcap"), pair[1].file("capture.pcap")

    with ExitStack() as beds, ThreadPoolExecutor(len(LINKS)) as pool:
        pairs = [beds.enter_context(bed(client, testbed_images.ours("netem")[0])) for _ in LINKS]
        yield dict(zip(LINKS, pool.map(capture, pairs, LINKS), strict=True))
    client.close()


@pytest.mark.xdist_group("captures")  # one process makes them all
@pytest.mark.parametrize("link", LINKS)
def test_cells_over_the_user_engine(tools: Tools, captures: dict[str, tuple[bytes, bytes]], link: str) -> None:
    """Slow, pausing and fast readers on both families over every kind of link, captured at both ends."""
    flags: Counter[str] = Counter()
    for data in captures[link]:
        # A frame that was corrupted on the link may look like a segment between other ports; it is compared as well.
        assert len(analyse_capture(data)) >= len(CELLS)
        found = tools.compare(data)
        assert not found.differences
        flags += found.flags
    assert LINKS[link] <= set(flags), flags


def crafted() -> dict[str, tuple[list[Segment], set[str]]]:
    """Return frames that Linux sends rarely or never; the client begins at 1001, the server at 5001."""
    begin = handshake()
    data = Segment(1001, 5001, length=100)
    closed = Segment(5001, 1101, window=0, from_server=True)
    probe = Segment(1101, 5001, length=1)
    repeat = Segment(5001, 1001, from_server=True)
    return {
        "probe with a byte, rejected": ([*begin, data, closed, probe, closed], {"zero_window_probe_ack"}),
        "probe with a byte, accepted": (
            [*begin, data, closed, probe, replace(closed, ack=1102), replace(closed, ack=1102, window=9)],
            {"zero_window_probe", "zero_window_probe_ack", "window_update"},
        ),
        "probe that opens": ([*begin, data, closed, probe, replace(closed, ack=1102, window=9)], {"window_update"}),
        "keep-alive with a byte": (
            [*begin, data, replace(closed, window=500), replace(probe, seq=1100), replace(closed, window=500)],
            {"keep_alive", "keep_alive_ack"},
        ),
        "keep-alive without data": (
            [*begin, data, replace(closed, window=500), Segment(1100, 5001), replace(closed, window=500)],
            {"keep_alive", "keep_alive_ack"},
        ),
        "fast retransmission": (
            [*begin, *(replace(data, seq=1001 + 100 * n) for n in range(5)), *[repeat] * 4, data],
            {"duplicate_ack", "fast_retransmission"},
        ),
        "window update with SACK": (
            [*begin, data, repeat, replace(repeat, window=501, options=sack(1101, 1201))],
            {"duplicate_ack"},
        ),
        "out of order": (
            [*begin, replace(data, seq=1201), data, replace(data, seq=1101), replace(repeat, ack=1301)],
            {"out_of_order", "lost_segment"},
        ),
        "acknowledges uncaptured data": (
            [*begin, data, replace(repeat, ack=1501)],
            {"ack_lost_segment"},
        ),
        "spurious retransmission": ([*begin, data, replace(repeat, ack=1101), data], {"spurious_retransmission"}),
        "part of a large frame": (
            [*begin, replace(data, length=3000), replace(repeat, ack=2001), replace(repeat, ack=4001)],
            {"partial_ack"},
        ),
        "retransmitted SYN": ([begin[0], *begin, data], {"retransmission"}),
        "another SYN": ([*begin, data, *handshake(client_isn=77_777), replace(data, seq=77_778)], {"reused_ports"}),
        "the same SYN after a reset": ([*begin, replace(data, flags=RST | ACK), *begin, data], {"reused_ports"}),
        "the same SYN after FIN": ([*exchange(4), *exchange(4)], {"reused_ports"}),
        "SYN/ACK of another connection": (
            [*begin, data, Segment(9000, 88, SYN | ACK, from_server=True)],
            {"reused_ports"},
        ),
        "no window scale": ([*handshake(scale=None), repeat, replace(data, length=500)], {"window_full"}),
        "window full to the byte": ([*begin, replace(repeat, window=1), replace(data, length=128)], {"window_full"}),
        "RST without ACK": ([*begin, data, replace(data, seq=1101, flags=RST, ack=0)], set()),
        "FIN with data": ([*begin, replace(data, flags=FIN | ACK), replace(repeat, ack=1102)], set()),
        "wrapping numbers": (exchange(40, client_isn=2**32 - 1500, server_isn=2**32 - 1), set()),
    }


@pytest.mark.parametrize("name", crafted())
def test_crafted_frames(tools: Tools, name: str) -> None:
    segments, expected = crafted()[name]
    found = tools.compare(pcap(spaced(segments)))
    assert not found.differences
    assert expected <= set(found.flags)


GOLDEN = {
    "no handshake": pcap(exchange()[3:]),
    "microseconds": pcap(exchange(), nanoseconds=False),
    "other byte order": pcap(exchange(), order=">"),
    "pcapng": pcapng(exchange()),
    "one VLAN tag": pcap(exchange(), Wrapping("vlan")),
    "two VLAN tags": pcap(exchange(), Wrapping("qinq")),
    "SLL": pcap(exchange(), Wrapping("sll")),
    "SLL2": pcap(exchange(), Wrapping("sll2", version=6)),
    "raw": pcap(exchange(), Wrapping("raw", version=6)),
    "raw IPv4": pcap(exchange(), Wrapping("raw4")),
    "BSD loopback": pcap(exchange(), Wrapping("null", version=6)),
    "OpenBSD loopback": pcap(exchange(), Wrapping("loop")),
    "extension headers": pcap(exchange(), Wrapping(version=6, extensions=(0, 60, 43))),
    "authentication header": pcap(exchange(), Wrapping(version=6, extensions=(51,))),
    "IPv4 options": pcap(exchange(), Wrapping(ip_options=b"\x01" * 8)),
    "total length zero": pcap(exchange(length=3000), Wrapping(total_length_zero=True)),
    "snaplen 80": pcap([replace(segment, options=segment.options or TIMESTAMPS) for segment in exchange()], snaplen=80),
    "truncated tail": pcap(exchange())[:-30],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_captures(tools: Tools, name: str) -> None:
    data = GOLDEN[name]
    if name == "truncated tail":  # tshark reads the whole records, then reports an error
        data = pcap(exchange()[:-1])
        assert analyse_capture(GOLDEN[name]).frames.number.tolist() == analyse_capture(data).frames.number.tolist()
    assert not tools.compare(data).differences


@pytest.mark.long
def test_random_exchanges(tools: Tools) -> None:
    """All flags, in orders that no TCP stack would send, with reused ports in half of the captures."""
    flags: Counter[str] = Counter()
    for seed in range(40):
        found = tools.compare(pcap(random_segments(seed, same_ports=bool(seed % 2))))
        assert not found.differences, seed
        flags += found.flags
    assert flags.keys() == tshark_oracle.FLAGS.keys()


@pytest.mark.long
def test_damaged_frames(tools: Tools) -> None:
    """Corrupted bits in any header field, also in handshakes, give the same result as in tshark."""
    skipped = compared = 0
    for seed in range(25):
        found = tools.compare(damaged_capture(seed))
        assert not found.differences, seed
        skipped, compared = skipped + found.skipped, compared + found.compared
    assert compared > 20 * skipped > 0
