import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from testbed.analysis.join.observation import End, Observation
from testbed.analysis.packets.delays import OneWay
from testbed.evaluation.link import counters, distribution, links
from testbed.result import CellRecord, Delays
from testbed.scenario.model import Cell

NOT_OBSERVED = Observation(End("client"), End("server"))
MEASURED = {"packets_in": 10, "bytes_in": 900, "packets_out": 7, "dropped_loss": 2, "dropped_limit": 1, "queue": 3}


def record(client: dict[str, Any], server: dict[str, Any] | None = None) -> CellRecord:
    return CellRecord(
        run="r",
        id="c",
        requested=Cell().requested(),
        impairment={"client": "delay 20ms"},
        images={},
        sidecars={"client": client, "server": server or {}},
    )


def test_the_counters_of_the_user_engine() -> None:
    found = counters({"measured": MEASURED, "rx_overruns": 4, "tx_rejected": 0})
    assert found is not None
    assert (found.packets_in, found.bytes_in, found.packets_out) == (10, 900, 7)
    assert (found.dropped, found.dropped_loss, found.dropped_limit) == (3, 2, 1)
    assert (found.rx_overruns, found.tx_rejected, found.dropped_list) == (4, 0, None)


def test_what_stayed_in_the_kernel() -> None:
    found = counters({"measured": MEASURED, "bypassed": {"packets": 5, "bytes": 400}})
    assert found is not None
    assert (found.packets_bypassed, found.bytes_bypassed, found.packets_in) == (5, 400, 10)
    found = counters({"measured": MEASURED})
    assert found is not None
    assert (found.packets_bypassed, found.bytes_bypassed) == (None, None)


def test_the_counters_of_the_kernel_engine() -> None:
    found = counters({"measured": {"packets": 7, "bytes": 900, "drops": 3, "dropped": 2, "ecn_marked": 1, "qlen": 0}})
    assert found is not None
    assert (found.packets_out, found.dropped, found.dropped_loss, found.dropped_limit) == (7, 3, 2, 1)
    assert (found.ce_marked, found.packets_queued, found.packets_in) == (1, 0, None)


@pytest.mark.parametrize("counted", [{}, {"measured": {}}])
def test_no_counters(counted: dict[str, Any]) -> None:
    assert counters(counted) is None


@pytest.mark.parametrize("at_the_end", ["", "ordinary: 200 ms without a pause under fifo 10"])
def test_what_was_requested_and_what_came_of_it(tmp_path: Path, at_the_end: str) -> None:
    probe = {"family": "ipv4", "received": 19, "delay_ns": {"min": 1, "p50": 20_000_000, "p99": 3, "max": 4}}
    verified = {"probes": [probe | {"direction": "egress"}, probe | {"family": "ipv6", "direction": "egress"}]}
    delay = {"packets": 7, "min": 0, "p50": 20_100_000, "p99": 21_000_000, "max": 22_000_000}
    late = {"packets": 6, "p50": 30_000, "p99": 400_000, "max": 900_000}
    counted = {"scheduling": at_the_end} if at_the_end else {}
    stopped = {"counters": {"link": {"measured": MEASURED | {"delay_ns": delay, "lateness_ns": late}, **counted}}}
    link = {
        "engine": "user",
        "scheduling": "fifo 10",
        "reason": "requested",
        "readback": "x",
        "route": {"ipv4": {"mtu": 1400}},
    }
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / "link.json").write_text(json.dumps({"changes": [{}, {}]}))
    found = links(record({"link": link, "verified": verified, "stopped": stopped}), NOT_OBSERVED, tmp_path)
    assert set(found) == {"client"}
    client = found["client"]
    assert (client.engine, client.reason, client.requested, client.readback) == ("user", "requested", "delay 20ms", "x")
    assert (client.route, client.sysctls, client.changes) == ({"ipv4": {"mtu": 1400}}, {}, 2)
    assert client.probe_delays is not None
    assert (client.probe_delays.packets, client.probe_delays.ms["p50"]) == (19, 20.0)
    assert client.engine_delays is not None
    assert (client.engine_delays.packets, client.engine_delays.ms["p50"]) == (7, 20.1)
    assert client.one_way_delays is None
    assert client.scheduling == (at_the_end or "fifo 10")
    assert client.engine_lateness == Delays(packets=6, ms={"p50": 0.03, "p99": 0.4, "max": 0.9})


def test_the_server_suffers_what_the_client_sees_come_in(tmp_path: Path) -> None:
    probe = {"family": "ipv4", "direction": "ingress", "received": 5, "delay_ns": {"p50": 7_000_000}}
    found = links(record({"verified": {"probes": [probe]}}, {"link": {"engine": "user"}}), NOT_OBSERVED, tmp_path)
    assert set(found) == {"server"}
    assert found["server"].probe_delays is not None
    assert found["server"].probe_delays.ms == {"p50": 7.0}
    assert (found["server"].scheduling, found["server"].engine_lateness) == (None, None)


def test_the_distribution_of_one_way_delays() -> None:
    at = np.arange(100)
    found = distribution(OneWay(at, at, np.arange(1, 101) * 10**6, unmatched_sent=3, unmatched_received=0))
    assert found is not None
    assert (found.packets, found.unmatched_sent, found.unmatched_received) == (100, 3, 0)
    assert found.ms | {"min": 1.0, "p1": 1.0, "p10": 10.0, "p50": 50.0, "p99": 99.0, "max": 100.0} == found.ms
    assert distribution(OneWay(at[:0], at[:0], at[:0], unmatched_sent=3, unmatched_received=0)) is None
