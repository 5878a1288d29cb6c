"""One cell for a terminal: what was requested, what the link did, what happened."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from testbed.report.chart import Glyphs, draw
from testbed.report.link import engine_text, kernel_text, measured_texts, requested_text
from testbed.report.wrapping import WIDTH, wrapped
from testbed.result import Finding, Result, Rtt
from testbed.units import format_bytes, format_figures, format_rate, format_seconds, pluralize

if TYPE_CHECKING:
    from testbed.analysis.events import Calls

_LABEL: Final = 10

_ABOUT_THE_SETUP: Final = ("capture-trust", "context")

STRONGEST: Final = 3
"""Findings shown with a result; `testbed explain` shows all."""


def _row(label: str, text: str) -> str:
    return f"  {label:<{_LABEL}}{text}"


def _size(name: str, count: int, given: Mapping[str, Any]) -> str:
    raw = str(given.get(name, count))
    size = pluralize(count, "byte")
    return size if raw in (str(count), f"{count}B") else f"{raw} = {size}"


def requested_lines(
    requested: Mapping[str, Any], impairment: Mapping[str, str], total_bytes: int, given: Mapping[str, Any]
) -> list[str]:
    """Return what is requested; `given` holds sizes as the user wrote them, to show them beside the bytes."""
    content = _size("content", requested["content"], given)
    lists = f"{pluralize(requested['repeat'], 'list')} of " if requested["repeat"] != 1 else ""
    nodes = pluralize(requested["nodes"], "node")
    sender = f"chunk {_size('chunk', requested['chunk'], given)}"
    if requested["sndbuf"]:
        sender += f", SO_SNDBUF {_size('sndbuf', requested['sndbuf'], given)}"
    if requested["nodelay"]:
        sender += ", TCP_NODELAY"
    read_delay = f"read delay {requested['read_delay']}" if requested["read_delay"] != "0" else "no read delay"
    receiver = f"read size {_size('read_size', requested['read_size'], given)}, {read_delay}"
    if requested["rcvbuf"]:
        receiver += f", SO_RCVBUF {_size('rcvbuf', requested['rcvbuf'], given)}"
    kernel = kernel_text(requested)
    guest = f", under kernel {requested['kernel']}" if requested.get("kernel", "host") != "host" else ""
    return [
        _row(
            "requested",
            f"{requested['client']} client to {requested['server']} server over {requested['family']}{guest}",
        ),
        _row("data", f"{lists}{nodes}, content {content}: {format_bytes(total_bytes)} in all"),
        _row("sender", sender),
        _row("receiver", receiver),
        _row("link", requested_text(requested, impairment)),
        *([_row("kernel", kernel)] if kernel else []),
    ]


def machine_text(machine: Mapping[str, Any]) -> str:
    """Return what guest it was and what its times are worth, from facts of a machine; empty for the host itself."""
    if "accelerator" not in machine:
        return ""
    guest = f"kernel {machine.get('kernel')} in a guest"
    if not machine.get("emulated"):
        return f"{guest} ({machine.get('accelerator')})"
    return f"{guest}, emulated: its times are not those of a real machine"


def _rtt_text(rtt: Rtt | None) -> str:
    if rtt is None:
        return "round trip not measured"
    middle, least, most = (format_figures(value, 3) for value in (rtt.median, rtt.min, rtt.max))
    return f"round trip {middle} ms (min {least}, max {most}, {pluralize(rtt.samples, 'probe')})"


def _measured(result: Result) -> list[str]:
    metrics = result.metrics
    machine = machine_text(result.machine)
    lines = [_row("machine", machine)] if machine else []
    engine = engine_text(result.link)
    lines.append(_row("link", f"{engine}, {_rtt_text(metrics.rtt_ms)}" if engine else _rtt_text(metrics.rtt_ms)))
    lines += [_row("", text) for text in measured_texts(result)]
    if metrics.bytes_written is not None and metrics.write_s is not None:
        lines.append(
            _row(
                "sender",
                f"{format_bytes(metrics.bytes_written)} in {pluralize(metrics.write_calls, 'write')}, "
                f"the last one accepted after {format_seconds(metrics.write_s)}",
            )
        )
        blocked = f"{format_seconds(metrics.write_blocked_s)} in write()" if metrics.write_blocked_s else "never"
        longest = f", the longest write took {format_seconds(metrics.write_longest_s or 0.0)}"
        lines.append(_row("blocked", blocked + longest))
    if metrics.bytes_read is not None:
        after = f", the last one after {format_seconds(metrics.duration_s)}" if metrics.duration_s else ""
        delay_s = metrics.read_delay_total_s
        delays = f", read delays {format_seconds(delay_s)} in all" if delay_s else ""
        reads = pluralize(metrics.read_calls, "read")
        lines.append(_row("receiver", f"{format_bytes(metrics.bytes_read)} in {reads}{after}{delays}"))
    if metrics.goodput_bytes_per_s is not None:
        lines.append(_row("goodput", format_rate(metrics.goodput_bytes_per_s)))
    return lines


def verdict(result: Result) -> str:
    """Return the status and, when it is not good, the reason."""
    return f"{result.status}: {result.reason}" if result.reason else result.status


def _found(result: Result) -> list[Finding]:
    """Return the findings to show: none about captures and kernel when nothing was ever sent."""
    if result.status == "passed" or result.metrics.bytes_written is not None:
        return result.findings
    return [finding for finding in result.findings if finding.name not in _ABOUT_THE_SETUP]


def result_lines(result: Result, transfers: "Mapping[str, Calls]", glyphs: Glyphs, width: int = WIDTH) -> list[str]:
    """Return what happened: the measured numbers, the picture, findings, notes."""
    lines = _measured(result)
    if {"write", "read"} <= transfers.keys():
        picture = draw(transfers["write"], transfers["read"], glyphs)
        lines += ["", *(f"  {line}" for line in picture)] if picture else []
    if result.verdict:
        lines += ["", *wrapped(result.verdict, 2, width=width)]
    if found := _found(result)[:STRONGEST]:
        lines += ["", *(line for finding in found for line in wrapped(finding.sentence, 4, "  - ", width))]
    return [*lines, *(line for part in _doubts(result, 2, width) for line in ("", *part))]


def _doubts(result: Result, indent: int, width: int) -> list[list[str]]:
    """Return why the result may mislead: timing issues and notes."""
    unreliable = f"Timing unreliable: {'; '.join(result.timing_issues)}."
    notes = [line for note in result.notes for line in wrapped(note, indent + 2, f"{' ' * indent}note: ", width)]
    return ([wrapped(unreliable, indent, width=width)] if result.timing_issues else []) + ([notes] if notes else [])


def matrix_lines(number: int, count: int, result: Result, width: int = WIDTH) -> list[str]:
    """Return the lines about one of many cells: its summary, its verdict, timing issues and notes."""
    verdict_lines = wrapped(result.verdict, 4, width=width) if result.verdict else []
    line = matrix_line(number, count, result, width)
    reason_lines: list[str] = []
    if result.reason and len(line) > width:
        line = matrix_line(number, count, result.model_copy(update={"reason": ""}), width)
        reason_lines = wrapped(result.reason.splitlines()[0], 4, width=width)
    return [
        line,
        *reason_lines,
        *verdict_lines,
        *(line for part in _doubts(result, 4, width) for line in part),
    ]


def matrix_line(number: int, count: int, result: Result, width: int = WIDTH) -> str:
    """Return one line for one of many cells; its columns fit the width unless a name is longer."""
    metrics = result.metrics
    took = format_seconds(metrics.duration_s) if metrics.duration_s is not None else ""
    goodput = format_rate(metrics.goodput_bytes_per_s) if metrics.goodput_bytes_per_s is not None else ""
    mark = "  again, alone" if result.attempt > 1 else ""
    mark += "  emulated" if result.emulated else ""
    reason = f"  {result.reason.splitlines()[0]}" if result.reason else ""
    digits = len(str(count))
    name_columns = min(44, max(0, width - 2 * digits - 37 - len(mark)))
    begin = f"{number:>{digits}}/{count}  {result.status:<11} {result.cell:<{name_columns}}"
    return f"{begin} {took:>9}  {goodput:>10}{mark}{reason}"
