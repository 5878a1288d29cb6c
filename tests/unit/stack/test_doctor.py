import json

import pytest

from testbed.stack.doctor import Row, _sidecar_rows
from testbed.stack.ports import Exit


def rows(document: object) -> list[Row]:
    return list(_sidecar_rows(Exit(0), json.dumps(document)))


def test_what_the_sidecar_tried_becomes_rows() -> None:
    checks = [
        {"name": "netem", "ok": False, "fact": "qdisc kind is unknown", "hint": "modprobe sch_netem"},
        {"name": "tap", "ok": True, "fact": "a TAP can be made", "hint": ""},
    ]
    assert rows({"engine": "user", "checks": checks}) == [
        Row("engine of links", "ok", "auto takes user"),
        Row("sidecar netem", "limited", "qdisc kind is unknown", "modprobe sch_netem"),
        Row("sidecar tap", "ok", "a TAP can be made"),
    ]


def test_without_any_engine_no_run_can_work() -> None:
    assert rows({"engine": "none", "checks": []})[0].verdict == "missing"


@pytest.mark.parametrize("said", ["", "rubbish", "[]", "{}", '{"checks": 3}'])
def test_a_sidecar_that_says_something_else(said: str) -> None:
    row = next(iter(_sidecar_rows(Exit(2), said)))
    assert row.verdict == "missing"
    assert "exit status 2" in row.fact
    assert "no end within" in next(iter(_sidecar_rows(None, said))).fact
