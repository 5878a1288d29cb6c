import pytest

from testbed.result import SCHEMA_VERSION
from testbed.result_upgrade import upgrade_cell, upgrade_event, upgrade_result, upgrade_run


@pytest.mark.parametrize("upgrade", [upgrade_cell, upgrade_result, upgrade_run])
def test_a_document_of_this_version_stays_as_it_is(upgrade) -> None:
    document = {"schema_version": SCHEMA_VERSION, "asked": {"delay": "1s"}}
    assert upgrade(document) is document


@pytest.mark.parametrize("version", [1, 2])
def test_a_cell(version: int) -> None:
    measured = {"packets_seen": 3, "lost_model": 1, "passed": 0, "delay_ns": {"p50": 7}}
    document = {
        "schema_version": version,
        "asked": {"delay": "1s", "chunk": 10},
        "endings": {"client": {"exit_code": 0}},
        "failure": {"kind": "timeout", "message": "late", "remedy": "wait"},
        "sidecars": {"client": {"stopped": {"counters": {"link": {"measured": measured, "refused_frames": 2}}}}},
        "made_by": "hand",
    }
    found = upgrade_cell(document)
    assert found["schema_version"] == SCHEMA_VERSION
    assert found["requested"] == {"read_delay": "1s", "chunk": 10}
    assert found["exits"] == {"client": {"exit_code": 0}}
    assert found["failure"]["hint"] == "wait"
    assert found["sidecars"]["client"]["stopped"]["counters"]["link"] == {
        "measured": {"packets_in": 3, "dropped_loss": 1, "exempt": 0, "delay_ns": {"p50": 7}},
        "tx_rejected": 2,
    }
    assert found["made_by"] == "hand"
    assert "asked" in document, "the document itself does not change"


def test_what_is_missing_or_null_stays_so() -> None:
    assert upgrade_cell({"failure": None}) == {"failure": None, "schema_version": SCHEMA_VERSION}
    assert upgrade_cell("no object") == "no object"
    assert upgrade_event({"event": "stopped", "counters": {"link": {}, "sockets": {"samples": 1}}}) == {
        "event": "stopped",
        "counters": {"link": {}, "sockets": {"samples": 1}},
    }


def test_events() -> None:
    link = {"event": "link", "asked": "delay 1ms", "readback": {"impairment": "delay 1ms"}}
    assert upgrade_event(link) == {"event": "link", "requested": "delay 1ms", "readback": link["readback"]}
    verified = {"event": "verified", "probes": [{"asked": "", "ok": True}]}
    assert upgrade_event(verified)["probes"] == [{"requested": "", "ok": True}]


def test_a_result() -> None:
    numbers = {"closures": 2, "path_causes": "queue, losses", "engine": "kernel and user", "missing_fields": 1}
    finding = {"name": "x", "numbers": numbers, "contradicting": [], "not_observed": ["total_rto"]}
    document = {
        "schema_version": 2,
        "tainted": True,
        "taints": ["busy"],
        "silent": [],
        "metrics": {"read_sleep_s": 1.0},
        "link": {"client": {"asked": "", "one_way": None, "counters": {"lost": 3, "overflowed": 1}}},
        "findings": [finding | {"evidence": [{"says": "frames"}]}],
    }
    found = upgrade_result(document)
    assert (found["timing_reliable"], found["timing_issues"], found["not_reported"]) == (False, ["busy"], [])
    assert found["metrics"] == {"read_delay_total_s": 1.0}
    assert found["link"]["client"] == {
        "requested": "",
        "one_way_delays": None,
        "counters": {"dropped": 3, "rx_overruns": 1},
    }
    assert found["findings"] == [
        {
            "name": "x",
            "facts": {
                "periods": 2,
                "path_causes": ["queue", "losses"],
                "engines": ["kernel", "user"],
                "missing_fields": ["total_rto"],
            },
            "contradicted_by": [],
            "not_observed": ["total_rto"],
            "evidence": [{"description": "frames"}],
        }
    ]
    assert upgrade_result({"tainted": None})["timing_reliable"] is None


def test_a_run() -> None:
    found = upgrade_run({"schema_version": 1, "cells": [{"id": "c", "asked": {"delay": "0"}}], "kernel": "6"})
    assert found == {
        "schema_version": SCHEMA_VERSION,
        "cells": [{"id": "c", "requested": {"read_delay": "0"}}],
        "kernel": "6",
    }
