import ast
import json
from pathlib import Path

import pytest

from netem.contract.events import EVENT_KINDS, RECORDED_ALL, RECORDED_LAST, EventStream

NETEM = Path(__file__).resolve().parents[4] / "netem"


def make_log() -> tuple[EventStream, list[str]]:
    lines: list[str] = []
    clock = iter(range(1, 100))
    return EventStream(lines.append, lambda: next(clock), lambda: 1000), lines


def test_one_object_a_line_with_both_clocks() -> None:
    log, lines = make_log()
    log.emit("ready")
    log.emit("progress", bytes_written=3)
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    assert [json.loads(line) for line in lines] == [
        {"event": "ready", "monotonic_ns": 1, "realtime_ns": 1000},
        {"event": "progress", "monotonic_ns": 2, "realtime_ns": 1000, "bytes_written": 3},
    ]


def test_the_last_of_each_recorded_event_and_all_changes_and_errors() -> None:
    log, _ = make_log()
    log.emit("link", engine="user")
    log.emit("link", engine="kernel")
    log.emit("ready")
    log.emit("change", impairment="a")
    log.emit("change", impairment="b")
    log.emit("error", message="x")
    assert log.recorded["link"]["engine"] == "kernel"
    assert [change["impairment"] for change in log.recorded["changes"]] == ["a", "b"]
    assert [error["message"] for error in log.recorded["errors"]] == ["x"]
    assert "ready" not in log.recorded


def test_an_event_may_be_recorded_first_and_written_later() -> None:
    log, lines = make_log()
    line = log.record("stopped", counters={})
    assert log.recorded["stopped"]["counters"] == {}
    assert lines == []
    log.write(line)
    assert json.loads(lines[0])["event"] == "stopped"


def test_no_nan() -> None:
    log, _ = make_log()
    with pytest.raises(ValueError, match="JSON"):
        log.emit("verified", rtt=float("nan"))


def emitted(path: Path) -> set[str]:
    """Return the events that a module emits or records by a constant name."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in ("emit", "record")
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }


def test_the_table_has_every_event_that_is_emitted_and_no_other() -> None:
    found = set().union(*map(emitted, NETEM.rglob("*.py")))
    assert found == {kind.name for kind in EVENT_KINDS}


def test_what_link_json_records() -> None:
    assert (RECORDED_LAST, RECORDED_ALL) == (("link", "verified", "stopped"), ("change", "error"))
