import json
from pathlib import Path
from typing import Any

import pytest

from testbed.evaluation.cell import analyse, transfers
from testbed.evaluation.content import expected_client_lines, expected_server_lines
from testbed.result import CellRecord, Failure, ProgramExit, Result
from testbed.scenario.model import Cell

OP = "op,start_ns,end_ns,bytes,total_bytes\n"
CLIENT_LOG = OP + "connect,0,1000,0,0\nwrite,1000,2000,200,200\nwrite,2000,1002000,80,280\n"
SERVER_LOG = OP + "read,5000,6000,100,100\nsleep,6000,4000006000,0,100\nread,4000006000,5000001000,180,280\n"


def record(**changes: Any) -> CellRecord:
    verified = {"rtt_ms": {"ipv4": {"min": 0.1, "median": 0.2, "max": 0.9, "samples": 20}}}
    link = {"engine": "user", "readback": {"delay": "20ms"}}
    facts: dict[str, Any] = {
        "run": "r",
        "id": "c",
        "requested": Cell(nodes=1, content=0).requested(),
        "impairment": {"client": "delay 20ms", "server": ""},
        "images": {},
        "exits": {"client": ProgramExit(exit_code=0), "server": ProgramExit(exit_code=0)},
        "sidecars": {"client": {"link": link, "verified": verified}, "server": {"link": {"engine": "none"}}},
    }
    return CellRecord(**(facts | changes))


def analysed(folder: Path, record: CellRecord, client_log: str = CLIENT_LOG, server_log: str = SERVER_LOG) -> Result:
    lines = {"client": expected_client_lines(1, 0), "server": expected_server_lines(1, 0, 1)}
    for role, log in (("client", client_log), ("server", server_log)):
        (folder / role).mkdir()
        (folder / role / "stdout.log").write_text("".join(f"{line}\n" for line in lines[role]))
        if log:
            (folder / role / "events.csv").write_text(log)
    (folder / "cell.json").write_text(record.model_dump_json())
    return analyse(folder)


def test_a_cell_that_passed(tmp_path: Path) -> None:
    result = analysed(tmp_path, record())
    assert (result.status, result.reason) == ("passed", "")
    metrics = result.metrics
    assert (metrics.bytes_written, metrics.bytes_read) == (280, 280)
    assert metrics.duration_s == 5.0
    assert metrics.goodput_bytes_per_s == 56.0
    assert (metrics.write_calls, metrics.write_s, metrics.write_blocked_s) == (2, 0.001001, 0.001)
    assert (metrics.read_calls, metrics.read_delay_total_s) == (2, 4.0)
    assert metrics.bytes_ahead_max == 200
    assert metrics.rtt_ms is not None
    assert (metrics.rtt_ms.median, metrics.rtt_ms.samples) == (0.2, 20)
    client = result.link["client"]
    assert (client.engine, client.requested, client.readback) == ("user", "delay 20ms", json.dumps({"delay": "20ms"}))
    assert result.link["server"].readback == ""
    assert [finding.name for finding in result.findings] == ["capture-trust"]


def test_bytes_that_were_written_and_never_read_fail_it(tmp_path: Path) -> None:
    result = analysed(tmp_path, record(), server_log=SERVER_LOG.replace("180,280", "179,279"))
    assert (result.status, result.reason) == ("failed", "280 bytes written, 279 read")


def test_without_event_logs_the_metrics_are_null(tmp_path: Path) -> None:
    result = analysed(tmp_path, record(), "", "")
    assert result.status == "passed"
    assert result.metrics.bytes_written is None
    assert result.metrics.goodput_bytes_per_s is None
    assert transfers(tmp_path) == {}


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"exits": {"client": ProgramExit(exit_code=127)}}, "unsupported", "the client does not support this case"),
        (
            {"exits": {"client": ProgramExit(exit_code=0), "server": ProgramExit(exit_code=3)}},
            "failed",
            "the server ended with exit code 3",
        ),
        ({"failure": Failure(kind="endpoint", role="server", message="it died")}, "failed", "it died"),
        ({"failure": Failure(kind="timeout", message="too long")}, "error", "too long"),
        ({"failure": Failure(kind="environment", message="no tun")}, "error", "no tun"),
        ({"failure": Failure(kind="interrupted", message="stopped")}, "error", "stopped"),
    ],
)
def test_status(tmp_path: Path, changes: dict[str, Any], status: str, reason: str) -> None:
    result = analysed(tmp_path, record(**changes))
    assert (result.status, result.reason) == (status, reason)


def test_a_cell_that_never_began_has_a_result(tmp_path: Path) -> None:
    failure = Failure(kind="environment", message="create network: no")
    text = record(failure=failure, exits={}, sidecars={}).model_dump_json()
    (tmp_path / "cell.json").write_text(text)
    assert analyse(tmp_path).status == "error"


@pytest.mark.parametrize(("share", "timing_reliable"), [(None, None), (0.4, True), (0.6, False)])
def test_a_busy_host_is_reported(tmp_path: Path, share: float | None, timing_reliable: bool | None) -> None:
    host = None if share is None else {"from_ns": 0, "until_ns": 10**9, "cpu_pressure_share": share}
    result = analysed(tmp_path, record(sidecars={"client": {"stopped": {"host": host}}}))
    assert (result.timing_reliable, bool(result.timing_issues)) == (timing_reliable, timing_reliable is False)


def test_the_kernels_counters_are_reported_for_each_end_that_read_them(tmp_path: Path) -> None:
    result = analysed(tmp_path, record(sidecars={"client": {"stopped": {"tcp": {"TcpOutSegs": 3}}}, "server": {}}))
    assert result.kernel_counters == {"client": {"TcpOutSegs": 3}}


def test_lines_that_cannot_be_read_are_noted(tmp_path: Path) -> None:
    result = analysed(tmp_path, record(), client_log=CLIENT_LOG + "garbage\n")
    assert result.notes == ["client/events.csv: 1 lines cannot be read"]


def test_a_link_that_is_not_as_requested_and_a_capture_that_is_not_whole_are_noted(tmp_path: Path) -> None:
    probes = [
        {
            "peer": "server",
            "direction": "egress",
            "ok": False,
            "sentence": "The median is 90 ms; requested: 20 ms.",
        },
        {"peer": "server", "direction": "ingress", "ok": True, "sentence": "The median is 20 ms."},
    ]
    stopped = {"capture": {"complete": False, "why": "3 frames were dropped"}}
    sidecars = {"client": {"verified": {"probes": probes}}, "server": {"stopped": stopped}}
    assert analysed(tmp_path, record(sidecars=sidecars)).notes == [
        "the link to the server (egress) is not as requested: The median is 90 ms; requested: 20 ms.",
        "server/capture.pcap is not complete: 3 frames were dropped",
    ]
