import json

import pytest

from testbed.errors import CapabilityError
from testbed.stack.doctor import Row, _sidecar_rows
from testbed.stack.ports import Exit


def rows(document: object) -> list[Row]:
    return list(_sidecar_rows(Exit(0), json.dumps(document)))


def test_each_check_of_the_sidecar_becomes_a_row() -> None:
    checks = [
        {"name": "netem", "ok": False, "fact": "qdisc kind is unknown", "hint": "modprobe sch_netem"},
        {"name": "tap", "ok": True, "fact": "a TAP can be made", "hint": ""},
    ]
    assert rows({"engine": "user", "checks": checks}) == [
        Row("link emulation", "ok", "auto selects user"),
        Row("sidecar netem", "limited", "qdisc kind is unknown", "modprobe sch_netem"),
        Row("sidecar tap", "ok", "a TAP can be made"),
    ]


def test_how_the_link_would_be_scheduled() -> None:
    granted = {"name": "scheduling", "ok": True, "fact": "deadline 0.2 ms of 2 ms", "hint": ""}
    ordinary = {"name": "scheduling", "ok": False, "fact": "ordinary: no SYS_NICE", "hint": "add it"}
    assert rows({"engine": "user", "checks": [granted]})[1:] == [
        Row("sidecar scheduling", "ok", "deadline 0.2 ms of 2 ms")
    ]
    assert rows({"engine": "user", "checks": [ordinary]})[1:] == [
        Row("sidecar scheduling", "limited", "ordinary: no SYS_NICE", "add it")
    ]
    refused = CapabilityError("the engine refuses it", hint="allow it")
    document = json.dumps({"engine": "user", "checks": [ordinary]})
    assert list(_sidecar_rows(Exit(0), document, refused))[1:] == [
        Row("sidecar scheduling", "limited", "ordinary: the engine refuses it", "allow it")
    ]


def test_without_an_emulation_engine_runs_are_prevented() -> None:
    assert rows({"engine": "none", "checks": []})[0].verdict == "missing"


@pytest.mark.parametrize("output", ["", "garbage", "[]", "{}", '{"checks": 3}'])
def test_other_output_of_the_sidecar(output: str) -> None:
    row = next(iter(_sidecar_rows(Exit(2), output)))
    assert row.verdict == "missing"
    assert "exit code 2" in row.fact
    assert "did not exit within" in next(iter(_sidecar_rows(None, output))).fact
