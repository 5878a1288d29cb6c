"""Evaluate one cell's folder: status, metrics, checks, findings."""

from collections.abc import Sequence
from pathlib import Path

from testbed.analysis.events import Calls, EventLog, most_ahead, read_events
from testbed.analysis.join.load import load_cell, read_record
from testbed.evaluation.content import check_output
from testbed.evaluation.explanation import explain
from testbed.evaluation.host import host_state, timing_issues
from testbed.evaluation.link import links
from testbed.peer.contract import UNSUPPORTED
from testbed.result import CellRecord, Check, Finding, Metrics, Result, Rtt, Status


def _seconds(duration_ns: int) -> float:
    return round(duration_ns / 1e9, 9)


def rtt_ms(record: CellRecord) -> Rtt | None:
    """Return what the client's sidecar measured for the cell's family before the endpoints started."""
    verified = record.sidecars.get("client", {}).get("verified", {})
    measured = (verified.get("rtt_ms") or {}).get(record.requested["family"])
    return Rtt.model_validate(measured) if measured else None


def _link_notes(record: CellRecord) -> list[str]:
    probes = [probe for events in record.sidecars.values() for probe in events.get("verified", {}).get("probes", [])]
    return [
        f"the link to the {probe.get('peer')} ({probe.get('direction')}) is not as requested: {probe.get('sentence')}"
        for probe in probes
        if probe.get("ok") is False
    ]


def _capture_notes(record: CellRecord) -> list[str]:
    captures = {role: events.get("stopped", {}).get("capture") or {} for role, events in record.sidecars.items()}
    return [
        f"{role}/capture.pcap is not complete: {capture.get('why', '')}"
        for role, capture in captures.items()
        if capture.get("complete") is False
    ]


def _kernel_counters(record: CellRecord) -> dict[str, dict[str, int]]:
    counters = {role: (events.get("stopped") or {}).get("tcp") for role, events in record.sidecars.items()}
    return {role: counted for role, counted in counters.items() if counted is not None}


def _write_metrics(metrics: Metrics, writes: Calls) -> None:
    metrics.bytes_written = writes.total_bytes
    metrics.write_calls = writes.count
    metrics.write_blocked_s = _seconds(writes.blocked_ns)
    metrics.write_longest_s = _seconds(writes.longest_ns)
    if writes.first_start_ns is not None and writes.last_end_ns is not None:
        metrics.write_s = _seconds(writes.last_end_ns - writes.first_start_ns)


def _read_metrics(metrics: Metrics, log: EventLog) -> None:
    reads = log.of("read")
    metrics.bytes_read = reads.total_bytes
    metrics.read_calls = reads.count
    metrics.read_delay_total_s = _seconds(log.of("sleep").spent_ns)


def measure(client: EventLog | None, server: EventLog | None, rtt: Rtt | None) -> Metrics:
    """Return the metrics from the event logs of both ends."""
    metrics = Metrics(rtt_ms=rtt)
    if client is not None and client.of("write").count:
        _write_metrics(metrics, client.of("write"))
    if server is not None and server.of("read").count:
        _read_metrics(metrics, server)
    if client is None or server is None:
        return metrics
    writes, reads = client.of("write"), server.of("read")
    if writes.first_start_ns is not None and reads.last_end_ns is not None:
        duration_ns = reads.last_end_ns - writes.first_start_ns
        if duration_ns > 0:
            metrics.duration_s = _seconds(duration_ns)
            metrics.goodput_bytes_per_s = round(reads.total_bytes * 1e9 / duration_ns, 3)
        metrics.bytes_ahead_max = most_ahead(writes.curve, reads.curve)
    return metrics


def _checks(record: CellRecord, metrics: Metrics, folder: Path) -> list[Check]:
    checks = []
    for role, exited in sorted(record.exits.items()):
        sentence = f"the {role} ended with exit code {exited.exit_code}"
        checks.append(Check(name=f"{role}-exit", ok=exited.exit_code == 0, sentence=sentence))
    if record.failure is None:
        checks += check_output(record.requested, folder)
        written, read = metrics.bytes_written, metrics.bytes_read
        if written is not None and read is not None:
            same = "every byte written was read" if written == read else f"{written} bytes written, {read} read"
            checks.append(Check(name="conservation", ok=written == read, sentence=same))
    return checks


def _status(record: CellRecord, checks: list[Check]) -> tuple[Status, str]:
    unsupported = [role for role, exited in record.exits.items() if exited.exit_code == UNSUPPORTED]
    if unsupported:
        return "unsupported", f"the {' and the '.join(unsupported)} does not support this case"
    if record.failure is not None:
        status: Status = "failed" if record.failure.kind == "endpoint" else "error"
        return status, record.failure.message
    wrong = [check.sentence for check in checks if not check.ok]
    return ("failed", "; ".join(wrong)) if wrong else ("passed", "")


def _first_zero_window_s(findings: Sequence[Finding]) -> float | None:
    closed = next((finding for finding in findings if finding.name == "window-closed"), None)
    return None if closed is None else float(closed.facts["first_at_s"])


def analyse(folder: Path) -> Result:
    """Return the result of the cell in `folder`, from its `cell.json` and raw files."""
    record = read_record(folder)
    logs = {role: read_events(folder / role / "events.csv") for role in ("client", "server")}
    metrics = measure(logs["client"], logs["server"], rtt_ms(record))
    observation = load_cell(folder)
    explanation = explain(observation)
    metrics.first_zero_window_s = _first_zero_window_s(explanation.findings)
    checks = _checks(record, metrics, folder)
    status, reason = _status(record, checks)
    notes = [*record.notes, *_link_notes(record), *_capture_notes(record)]
    for role, log in logs.items():
        if log is not None and log.bad_lines:
            notes.append(f"{role}/events.csv: {log.bad_lines} lines cannot be read")
    host = host_state(record)
    issues = timing_issues(host)
    return Result(
        run=record.run,
        cell=record.id,
        status=status,
        reason=reason,
        requested=record.requested,
        link=links(record, observation, folder),
        metrics=metrics,
        machine=record.machine,
        emulated=bool(record.machine.get("emulated")),
        timing_reliable=None if issues is None else not issues,
        timing_issues=issues or [],
        host=host,
        kernel_counters=_kernel_counters(record),
        checks=checks,
        verdict=explanation.verdict,
        findings=list(explanation.findings),
        not_reported=list(explanation.not_reported),
        notes=notes,
    )


def transfers(folder: Path) -> dict[str, Calls]:
    """Return the client's writes and the server's reads, by `write` and `read`, where there are logs of them."""
    found = {}
    for role, op in (("client", "write"), ("server", "read")):
        log = read_events(folder / role / "events.csv")
        if log is not None and log.of(op).count:
            found[op] = log.of(op)
    return found
