import json

import pytest

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


def test_without_an_emulation_engine_runs_are_prevented() -> None:
    assert rows({"engine": "none", "checks": []})[0].verdict == "missing"


@pytest.mark.parametrize("output", ["", "garbage", "[]", "{}", '{"checks": 3}'])
def test_other_output_of_the_sidecar(output: str) -> None:
    row = next(iter(_sidecar_rows(Exit(2), output)))
    assert row.verdict == "missing"
    assert "exit code 2" in row.fact
    assert "did not exit within" in next(iter(_sidecar_rows(None, output))).fact
