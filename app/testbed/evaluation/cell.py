"""Evaluate one cell's folder: status, metrics, checks, findings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed.analysis.events import CallLog, Calls, bytes_ahead_max, read_log
from testbed.analysis.join.cell_folder import load_cell, read_record
from testbed.evaluation.content import check_output
from testbed.evaluation.explanation import explain
from testbed.evaluation.host import host_state, timing_issues, timing_notes
from testbed.evaluation.lateness import scheduling_notes
from testbed.evaluation.link import links
from testbed.peer.contract import UNSUPPORTED
from testbed.result import CellRecord, Check, Finding, Link, Metrics, Result, Rtt, Status, circumstances


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


def _scheduling_notes(record: CellRecord, links: dict[str, Link]) -> list[str]:
    return [] if record.requested.get("realtime") == "off" else scheduling_notes(links)


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
    metrics.bytes_written = int(writes.total_bytes[-1])
    metrics.write_calls = len(writes)
    metrics.write_blocked_s = _seconds(int(writes.duration_ns[writes.blocked].sum()))
    metrics.write_longest_s = _seconds(int(writes.duration_ns.max()))
    metrics.write_s = _seconds(int(writes.end_ns[-1] - writes.start_ns[0]))


def _read_metrics(metrics: Metrics, reads: Calls, delays: Calls | None) -> None:
    metrics.bytes_read = int(reads.total_bytes[-1])
    metrics.read_calls = len(reads)
    metrics.read_delay_total_s = _seconds(0 if delays is None else int(delays.duration_ns.sum()))


def measure(client: CallLog | None, server: CallLog | None, rtt: Rtt | None) -> Metrics:
    """Return the metrics from the event logs of both ends."""
    metrics = Metrics(rtt_ms=rtt)
    writes = client.of("write") if client is not None else None
    reads = server.of("read") if server is not None else None
    if writes is not None:
        _write_metrics(metrics, writes)
    if server is not None and reads is not None:
        _read_metrics(metrics, reads, server.of("sleep"))
    if writes is not None and reads is not None:
        duration_ns = int(reads.end_ns[-1] - writes.start_ns[0])
        if duration_ns > 0:
            metrics.duration_s = _seconds(duration_ns)
            metrics.goodput_bytes_per_s = round(int(reads.total_bytes[-1]) * 1e9 / duration_ns, 3)
        metrics.bytes_ahead_max = bytes_ahead_max(writes, reads)
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


def _twin_notes(record: CellRecord, twin: Mapping[str, Any] | None) -> list[str]:
    """Return a note if the cell of the other family ran on another machine: their figures are not comparable."""
    theirs = str((twin or {}).get("machine_name", ""))
    if not theirs or not record.machine_name or theirs == record.machine_name:
        return []
    return [f"the cell of the other address family ran on {theirs}, this one on {record.machine_name}"]


def analyse(folder: Path, twins: Sequence[Path] | None = None) -> Result:
    """Return the result of the cell in `folder`, from its `cell.json` and raw files.

    `twins` are the folders in which the cell of the other family may be; None: search the run.
    """
    record = read_record(folder)
    observation = load_cell(folder, twins)
    logs = {end.role: end.log for end in (observation.sender, observation.receiver)}
    metrics = measure(logs["client"], logs["server"], rtt_ms(record))
    explanation = explain(observation)
    metrics.first_zero_window_s = _first_zero_window_s(explanation.findings)
    checks = _checks(record, metrics, folder)
    status, reason = _status(record, checks)
    notes = [*record.notes, *_twin_notes(record, observation.twin), *_link_notes(record), *_capture_notes(record)]
    for role, log in logs.items():
        if log is not None and log.bad_lines:
            notes.append(f"{role}/events.csv: {log.bad_lines} lines cannot be read")
    host = host_state(record)
    link = links(record, observation, folder)
    issues = timing_issues(host, link)
    return Result(
        run=record.run,
        cell=record.id,
        **circumstances(record),
        status=status,
        reason=reason,
        failure=record.failure,
        requested=record.requested,
        link=link,
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
        notes=[*notes, *_scheduling_notes(record, link), *timing_notes(host, link)],
    )


def transfers(folder: Path) -> dict[str, Calls]:
    """Return the client's writes and the server's reads, by `write` and `read`, where there are logs of them."""
    found = {}
    for role, op in (("client", "write"), ("server", "read")):
        log = read_log(folder / role / "events.csv")
        calls = log.of(op) if log is not None else None
        if calls is not None:
            found[op] = calls
    return found
