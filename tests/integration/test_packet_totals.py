"""Compare sums of the analysis with the kernel's counters, the sender's tcp_info and tcptrace."""

import csv
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from testbed.analysis.packets.capture import analyse_capture
from testbed.analysis.packets.flags import FIN, RETRANSMISSIONS, SYN, Mark
from testbed.analysis.packets.model import Frames
from testbed.analysis.packets.zero_window import find_zero_window_periods
from tests.support.tshark_tools import Tools, provide_tools

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600, func_only=True)]

SLOW: dict[str, Any] = {"rcvbuf": 8192, "sndbuf": 8192, "read": 8192, "delay_s": 0.1, "chunk": 1000, "bytes": 60_000}
DUPLICATES: dict[str, Any] = {"chunk": 1000, "bytes": 1_500_000, "nodelay": True, "rcvbuf": 8192, "sndbuf": 8192}
CHRONOGRAPH_NS = 20_000_000
"""The kernel's chronographs count jiffies: each period may lose one at its begin and one at its end."""


@pytest.fixture(scope="module")
def tools() -> Iterator[Tools]:
    with provide_tools() as made:
        yield made


def repeats(frames: Frames, own: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which of these frames repeat data, a SYN or a FIN, at any distance.

    The capture is made at the sender, so an out-of-order frame repeats earlier data, unless the capture itself has two
    frames in the wrong order.
    """
    begins = frames.relative_seq_bytes
    ends = begins + frames.payload_bytes + (frames.tcp_flags & (SYN | FIN) != 0)
    before = np.zeros(len(frames.number), np.bool_)
    sends = np.flatnonzero(own & (ends > begins))
    for n, at in enumerate(sends):
        earlier = sends[:n]
        before[at] = np.any((begins[earlier] < ends[at]) & (begins[at] < ends[earlier]))
    return before & frames.having(RETRANSMISSIONS | Mark.OUT_OF_ORDER)


def kernel_counters(tools: Tools) -> dict[str, int]:
    """Return the TcpExt counters of the container's network."""
    names, values = (line.split() for line in tools.run("cat", "/proc/net/netstat").splitlines()[:2])
    return {name: int(value) for name, value in zip(names[1:], values[1:], strict=True)}


@pytest.mark.parametrize("version", [4, 6])
def test_the_kernel_counts_the_same_probes_and_zero_window_periods(tools: Tools, version: int) -> None:
    """Window probes, for which tshark has no flag, on traffic whose cause is known."""
    before = kernel_counters(tools)
    settings = SLOW | {"family": version, "pause_s": 3}
    connection = analyse_capture(tools.record("none", settings)).connection(0)
    counted = {name: count - before[name] for name, count in kernel_counters(tools).items()}
    periods = find_zero_window_periods(connection, of_client=False)
    assert len(periods) == counted["TCPToZeroWindowAdv"] > 1
    assert sum(period.probes for period in periods) == counted["TCPWinProbe"] >= 3
    assert int(connection.frames.having(Mark.WINDOW_PROBE).sum()) == counted["TCPWinProbe"]
    assert max(period.duration_ns for period in periods) > 2_000_000_000
    assert all(period.reopened_bytes > 0 for period in periods)
    assert not connection.frames.having(Mark.ZERO_WINDOW_PROBE).any()  # Linux probes without data
    assert not find_zero_window_periods(connection, of_client=True)


@pytest.mark.alone("its counts are compared one by one with the kernel's, and differed once on a busy machine")
@pytest.mark.parametrize("version", [4, 6])
def test_tcp_info_at_the_close_agrees_on_losses(tools: Tools, version: int) -> None:
    settings = {"family": version, "chunk": 10_000, "bytes": 6_000_000}
    connection = analyse_capture(tools.record("in-2", settings)).connection(0)
    tcp_info = json.loads(tools.output)
    frames, segments = connection.frames, connection.segments()
    data = frames.from_client & (frames.payload_bytes > 0)
    repeated = repeats(frames, frames.from_client)
    assert segments[data].sum() == tcp_info["data_segs_out"]
    assert np.maximum(segments[repeated], 1).sum() == tcp_info["total_retrans"] > 0  # a FIN is one, too
    assert frames.payload_bytes[repeated].sum() == tcp_info["bytes_retrans"]


@pytest.mark.parametrize("version", [4, 6])
def test_tcp_info_at_the_close_agrees_on_the_closed_time(tools: Tools, version: int) -> None:
    connection = analyse_capture(tools.record("none", SLOW | {"family": version, "pause_s": 1})).connection(0)
    tcp_info = json.loads(tools.output)
    periods = find_zero_window_periods(connection, of_client=False)
    closed_ns = sum(period.duration_ns for period in periods)
    limited_ns = tcp_info["rwnd_limited_us"] * 1000
    assert limited_ns <= tcp_info["busy_us"] * 1000
    assert closed_ns > 1_000_000_000
    # The sender is limited by a small window as well as by a zero window, so the time is at least that of zero windows.
    assert limited_ns > closed_ns - len(periods) * CHRONOGRAPH_NS


@pytest.mark.parametrize("version", [4, 6])
def test_the_kernel_counts_the_same_duplicate_sacks(tools: Tools, version: int) -> None:
    """Lost acknowledgements cause spurious retransmissions."""
    before = kernel_counters(tools)
    connection = analyse_capture(tools.record("back-10", DUPLICATES | {"family": version})).connection(0)
    counted = {name: count - before[name] for name, count in kernel_counters(tools).items()}
    marked = connection.frames.having(Mark.DUPLICATE_SACK)
    assert marked.sum() == counted["TCPDSACKOldSent"] + counted["TCPDSACKOfoSent"] > 0
    assert not (marked & connection.frames.from_client).any()


TRACED: dict[str, tuple[str, dict[str, Any]]] = {
    "slow reader": ("none", SLOW),
    "loss": ("in-2", {"chunk": 10_000, "bytes": 1_000_000}),
    "lost acknowledgements": ("back-20", {"chunk": 3000, "bytes": 1_000_000}),
}


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("name", TRACED)
def test_tcptrace_agrees(tools: Tools, name: str, version: int) -> None:
    impairment, settings = TRACED[name]
    connection = analyse_capture(tools.record(impairment, settings | {"family": version})).connection(0)
    table = [
        line
        for line in tools.run("tcptrace", "-n", "-l", "--csv", "/tools/recorded").splitlines()
        if "," in line and line[0] != "#"
    ]
    (traced,) = csv.DictReader(line.replace(" ", "") for line in table)
    frames = connection.frames
    for end, own in (("a2b", frames.from_client), ("b2a", ~frames.from_client)):
        data = own & (frames.payload_bytes > 0)
        sent = frames.relative_seq_bytes[data] + frames.payload_bytes[data]
        repeated = repeats(frames, own)
        ours = {
            "total_packets": own.sum(),
            "actual_data_pkts": data.sum(),
            "actual_data_bytes": frames.payload_bytes[data].sum(),
            "unique_bytes_sent": np.max(sent, initial=1) - 1,
            "rexmt_data_pkts": repeated.sum(),
            "zero_win_adv": (own & frames.having(Mark.ZERO_WINDOW)).sum(),
        }
        assert {key: int(traced[f"{key}_{end}"]) for key in ours} == {key: int(value) for key, value in ours.items()}
