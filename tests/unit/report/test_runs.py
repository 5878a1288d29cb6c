from typing import Any

import pytest

from testbed.report.runs import age_text, cell_line, cell_lines, run_line

CELL: dict[str, Any] = {
    "folder": "py-c-ipv4-abc",
    "status": "passed",
    "machine_name": "host1",
    "reused_from": "",
    "timing_reliable": True,
    "duration_s": 1.5,
    "goodput_bytes_per_s": 2000.0,
    "reason": "",
}


@pytest.mark.parametrize(
    ("age_s", "text"), [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (86_400 * 3 + 5, "3 d")]
)
def test_an_age_has_its_largest_unit(age_s: float, text: str) -> None:
    assert age_text(age_s) == text


def test_the_line_of_a_run() -> None:
    row = {
        "run": "r",
        "state": "interrupted",
        "finished": 3,
        "cells": 4,
        "bytes": 1_234_000,
        "changed_ns": 0,
        "scenario": "s.yaml",
        "shards": "2/8",
        "statuses": {"passed": 2, "failed": 1},
    }
    assert " ".join(run_line(row, 120 * 10**9).split()) == (
        "r interrupted 3/4 1.23 MB 2 min ago s.yaml, shard 2/8: 2 passed, 1 failed"
    )
    assert run_line({**row, "statuses": {}, "shards": ""}, 0).endswith("s.yaml: no results")


def test_the_line_of_a_cell() -> None:
    assert cell_line(CELL, machines=False).split() == ["passed", "py-c-ipv4-abc", "1.5", "s", "2", "kB/s"]
    marked = {**CELL, "reused_from": "r0", "timing_reliable": False, "reason": "first\nsecond"}
    assert cell_line(marked, machines=True).endswith("on host1  from r0  timing unreliable  first")
    pending = {**CELL, "status": "pending", "duration_s": None, "goodput_bytes_per_s": None, "machine_name": ""}
    assert cell_line(pending, machines=True).split() == ["pending", "py-c-ipv4-abc"]


def test_several_machines_are_not_compared() -> None:
    assert len(list(cell_lines([CELL], 1))) == 1
    assert list(cell_lines([CELL], 2))[-1] == "2 machines: times of different machines are not comparable"
