"""Check the effect of each impairment on a real transfer: on the wire, in the counters, in the raw files."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from testbed.analysis.packets.read.pcap import PcapFile
from testbed.pytest_plugin import CellShown
from testbed.result import LinkCounters
from tests.integration.conftest import Command
from tests.support.wire_view import connection, data_of, repeated, sent_by

pytestmark = pytest.mark.docker

Run = Callable[..., CellShown]

LATE_MS = 5.0
"""Tolerance of the median delay on a machine that runs other tests."""

MSS_BYTES = {"ipv4": 1448, "ipv6": 1428}
SMALL = {"nodes": 6, "chunk": 1000, "nodelay": True}
"""Some seven packets of at most 1000 bytes: each write leaves at once, within the first window."""


def passed(shown: CellShown) -> CellShown:
    assert (shown.result.status, shown.result.reason) == ("passed", "")
    return shown


def counters(shown: CellShown, role: str = "client") -> LinkCounters:
    found = shown.result.link[role].counters
    assert found is not None
    return found


def one_way_ms(shown: CellShown, role: str) -> dict[str, float]:
    found = shown.result.link[role].one_way_delays
    assert found is not None
    return found.ms


def events(folder: Path, role: str, name: str) -> list[dict[str, Any]]:
    lines = (folder / role / "netem.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == name]


def test_each_direction_has_its_own_impairment(testbed_cell: Run, family: str) -> None:
    shown = passed(testbed_cell(family=family, netem_client="delay 30ms", netem_server="delay 5ms", nodes=20))
    for role, requested_ms in (("client", 30.0), ("server", 5.0)):
        link = shown.result.link[role]
        assert requested_ms <= one_way_ms(shown, role)["p50"] < requested_ms + LATE_MS
        assert link.probe_delays is not None
        assert requested_ms <= link.probe_delays.ms["p50"] < requested_ms + LATE_MS
        assert link.engine_delays is not None
        assert requested_ms <= link.engine_delays.ms["p50"] < requested_ms + LATE_MS
        assert (counters(shown, role).dropped, counters(shown, role).rx_overruns) == (0, 0)


def test_exactly_the_packets_of_a_drop_list_are_lost(testbed_cell: Run, family: str) -> None:
    shown = passed(
        testbed_cell(family=family, netem_client="delay 10ms drop-list 5", netem_server="delay 10ms", **SMALL)
    )
    sent, arrived = (data_of(connection(shown.folder, role)) for role in ("client", "server"))
    assert (counters(shown).dropped, counters(shown).dropped_list) == (1, 1)
    assert len(repeated(sent)) == 1
    assert not len(repeated(arrived))
    assert set(repeated(sent)) < set(arrived.relative_seq_bytes.tolist())


def test_a_blackhole_is_a_gap_in_what_arrives(testbed_cell: Run, family: str) -> None:
    # TCP only: other packets of the kernel may start the clock, and the hole may drop the first SYN.
    link = {
        "netem_client": "delay 5ms rate 2mbit blackhole 200ms 300ms filter protocol tcp",
        "netem_server": "delay 5ms",
    }
    shown = passed(testbed_cell(family=family, **link))
    assert (counters(shown).dropped_blackhole or 0) >= 1
    assert counters(shown).dropped == counters(shown).dropped_blackhole
    sent = sent_by(connection(shown.folder, "client"), "client").time_ns
    arrived = sent_by(connection(shown.folder, "server"), "client").time_ns
    longest_ns = max(late - early for early, late in pairwise(arrived.tolist()))
    assert longest_ns >= 150e6
    # Frames that entered before the hole leave at the rate; frames sent inside it never arrive.
    inside = (sent > sent[0] + 205e6) & (sent < sent[0] + 495e6)
    assert inside.any()
    assert len(sent) > len(arrived)


@pytest.mark.parametrize("words", ["", " keep-order"])
def test_jitter_reorders_unless_order_is_kept(testbed_cell: Run, family: str, words: str) -> None:
    text = f"delay 10ms 9ms per-segment{words}"
    shown = passed(testbed_cell(family=family, netem_client=text, netem_server="delay 5ms"))
    sent, arrived = (data_of(connection(shown.folder, role)) for role in ("client", "server"))
    new = ~np.isin(sent.relative_seq_bytes, repeated(sent))
    assert new.any()
    reached = np.maximum.accumulate(arrived.relative_seq_bytes)
    behind = (arrived.relative_seq_bytes < reached) & ~np.isin(arrived.relative_seq_bytes, repeated(sent))
    assert behind.any() == (not words)


@pytest.mark.parametrize("words", ["per-skb", "per-segment"])
def test_what_a_loss_decision_applies_to(testbed_cell: Run, family: str, words: str) -> None:
    shown = passed(testbed_cell(family=family, netem=f"delay 5ms {words}", chunk="64k"))
    largest = int(data_of(connection(shown.folder, "server")).payload_bytes.max())
    assert (largest <= MSS_BYTES[family]) == (words == "per-segment")


@pytest.mark.parametrize(("words", "low", "high"), [("exact", 0.0, 0.045), ("true", 0.045, 0.22)])
def test_correlated_loss(testbed_cell: Run, family: str, words: str, low: float, high: float) -> None:
    # With 10 % requested, netem's generator drops 1.7 % (docs/link.md).
    text = f"delay 2ms loss 10% 25% per-segment correlation {words}"
    shown = passed(testbed_cell(family=family, netem_client=text, netem_server="delay 2ms", nodes=300, seed=1))
    found = counters(shown)
    assert found.dropped == found.dropped_loss
    assert low <= (found.dropped_loss or 0) / (found.packets_in or 1) <= high


@pytest.mark.parametrize(("words", "delayed"), [("protocol tcp port 8888", True), ("protocol udp", False)])
def test_only_what_the_filter_matches_is_impaired(testbed_cell: Run, family: str, words: str, *, delayed: bool) -> None:
    shown = passed(testbed_cell(family=family, netem_client=f"delay 60ms filter {words}", nodes=5))
    found = counters(shown)
    assert (one_way_ms(shown, "client")["p50"] >= 60) is delayed
    assert ((found.delayed or 0) > 0) is delayed
    assert delayed or found.exempt == found.packets_in


def test_neighbour_discovery_is_exempt_unless_requested(testbed_cell: Run, family: str) -> None:
    # Without probes the first packet of the endpoint triggers the neighbour discovery.
    plain, impaired = (
        passed(testbed_cell(family=family, netem="delay 40ms", nd=nd, probes=0, nodes=1)) for nd in (False, True)
    )
    assert (counters(plain).exempt or 0) > 0
    assert counters(impaired).exempt == 0
    assert plain.result.metrics.rtt_ms is None


def test_instruments_as_requested(testbed_cell: Run, family: str) -> None:
    shown = passed(testbed_cell(family=family, snaplen=100, sample_interval="0", probes=3, nodes=100))
    file = PcapFile((shown.folder / "server" / "capture.pcap").read_bytes())
    kept = [int(records.captured_bytes.max()) for chunk in file.chunks() for records in chunk.records]
    assert max(kept) == 100
    assert shown.result.metrics.rtt_ms is not None
    assert shown.result.metrics.rtt_ms.samples == 3
    assert not (shown.folder / "client" / "sockets.csv").exists()


def test_a_profile_changes_the_link_during_the_transfer(testbed_cell: Run, family: str) -> None:
    # It changes every second, and the transfer lasts more than three: however late that begins, it meets both.
    at_ms = range(300, 60_000, 1000)
    texts = [f"delay {(60, 2)[number % 2]}ms" for number in range(len(at_ms))]
    profile = {"client": [{"at": f"{at}ms", "netem": text} for at, text in zip(at_ms, texts, strict=True)]}
    slow = {"delay": "100ms", "rcvbuf": "8k", "sndbuf": "8k"}
    shown = passed(testbed_cell(family=family, latency="2ms", profile=profile, **slow))
    (ready,) = events(shown.folder, "client", "ready")
    changes = json.loads((shown.folder / "client" / "link.json").read_text())["changes"]
    made = len(changes)
    assert 3 <= made < len(at_ms)
    assert [each["impairment"] for each in changes] == texts[:made]
    # The profile starts when the sidecar is ready; the time stamp of that event is slightly later.
    found_ms = [(each["monotonic_ns"] - ready["monotonic_ns"]) / 1e6 for each in changes]
    assert all(found >= requested - 20 for found, requested in zip(found_ms, at_ms, strict=False))
    assert (shown.result.link["client"].changes, shown.result.link["server"].changes) == (made, 0)
    ms = one_way_ms(shown, "client")
    assert ms["min"] < 10
    assert ms["max"] >= 60


def matrix(command: Command, folder: Path, cell: str) -> dict[str, Any]:
    (folder / "scenario.yaml").write_text(f"cells:\n{cell}")
    done = command("matrix", str(folder / "scenario.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    return command.result()


def test_a_trace_beside_the_scenario_is_the_links_rate(command: Command, tmp_path: Path) -> None:
    # One opportunity of 1500 bytes every 4 ms: 375 000 bytes a second.
    (tmp_path / "slow").write_text("4\n")
    cell = "  {netem_client: trace slow, nodes: 200}\n"
    result = matrix(command, tmp_path, cell)
    assert result["metrics"]["duration_s"] >= 0.8 * 255_204 / 375_000
    assert (command.cell().parent / "files" / "slow").read_text() == "4\n"


def test_a_table_beside_the_scenario_is_the_delays_distribution(command: Command, tmp_path: Path) -> None:
    # Two entries, one sigma to either side: the delay is 10 or 30 ms and nothing else.
    (tmp_path / "two.dist").write_text("# two values\n-8192 8192\n")
    cell = "  {netem_client: delay 20ms 10ms distribution two keep-order, nodes: 200, nodelay: true, chunk: 1000}\n"
    held = matrix(command, tmp_path, cell)["link"]["client"]["engine_delays"]["ms"]
    assert held["p50"] >= 10
    assert held["max"] >= 30


def test_shapes_of_a_profile_in_a_scenario(command: Command, tmp_path: Path) -> None:
    cell = (
        "  delay: 20ms\n  profile:\n"
        "    - {at: 0s, step: {from: delay 1ms, to: delay 20ms, every: 50ms, for: 150ms}}\n"
        "    - {at: 200ms, ramp: {from: delay 20ms, to: delay 40ms, for: 100ms, every: 50ms}}\n"
        "    - {at: 350ms, sine: {from: delay 1ms, to: delay 9ms, period: 100ms, for: 100ms, every: 25ms}}\n"
    )
    matrix(command, tmp_path, cell)
    document = json.loads((command.cell() / "server" / "link.json").read_text())
    assert [change["impairment"] for change in document["changes"]] == [
        *(f"delay {number}ms" for number in (1, 20, 1)),
        *(f"delay {number}ms" for number in (20, 30, 40)),
        *(f"delay {number}ms" for number in (5, 9, 5, 1)),
    ]


@pytest.mark.parametrize(
    "text", ["drop-list 3", "blackhole 1s 1s", "delay 1ms keep-order", "delay 1ms per-segment", "filter port 1"]
)
def test_the_kernel_engine_rejects_before_anything_starts(command: Command, text: str) -> None:
    done = command("run", "--engine", "kernel", "--netem", text)
    assert done.returncode == 2
    assert "the kernel engine does not support this" in done.stderr
    assert command.runs() == []


def test_what_a_run_shows(command: Command) -> None:
    done = command(
        "run", "--netem-client", "delay 10ms drop-list 4", "--netem-server", "delay 5ms", "--rto-min", "300ms"
    )
    assert done.returncode == 0, done.stderr
    for words in (
        "client to server: delay 10ms drop-list 4; server to client: delay 5ms; RTT +15 ms; engine auto, seed 0",
        "rto_min 300ms",
        "client to server: requested delay 10ms drop-list 4",
        "dropped 1 of ",
        "(1 by drop-list)",
        "one-way delay min 1",
    ):
        assert words in done.stdout, done.stdout
