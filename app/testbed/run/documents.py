"""The contents of a run's documents: run.json, cell.json, and a table and a test report of several cells. No I/O."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any, Final

from testbed.result import SCHEMA_VERSION, CellRecord, Circumstances, ImageUsed, Result, circumstances
from testbed.run.cell import CellOutcome
from testbed.scenario.ends import ROLES
from testbed.scenario.expand import PlannedCell, Scenario
from testbed.stack.ports import Image


def run_document(run: str, scenario: Scenario, site_facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return `run.json` before the first cell."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run": run,
        "scenario": scenario.name,
        "description": scenario.description,
        "cells": [{"id": planned.id, "requested": planned.cell.requested()} for planned in scenario.cells],
        **site_facts,
    }


def outcome_document(results: Sequence[Result]) -> dict[str, Any]:
    """Return what `run.json` contains in addition after the last cell."""
    links = [link for result in results for link in result.link.values()]
    return {
        "engines": sorted({link.engine for link in links}),
        "scheduling": sorted({link.scheduling for link in links if link.scheduling is not None}),
        "statuses": {result.folder: result.status for result in results},
    }


def cell_record(
    run: str,
    planned: PlannedCell,
    images: Mapping[str, tuple[str, Image]],
    outcome: CellOutcome,
    where: Circumstances | None = None,
) -> CellRecord:
    """Return `cell.json`: what was requested of a cell, what happened, and where and beside what it ran."""
    return CellRecord(
        **circumstances(where or Circumstances(repetition=planned.repetition)),
        run=run,
        id=planned.id,
        requested=planned.cell.requested(),
        impairment={role: planned.cell.impairment(role) for role in ROLES},
        images={name: ImageUsed(tag=tag, id=image.id) for name, (tag, image) in images.items()},
        exits=outcome.exits,
        failure=outcome.failure,
        sidecars=outcome.sidecars,
        notes=outcome.notes,
        phases_s=outcome.phases_s,
        machine=outcome.machine,
    )


def results_csv(results: Sequence[Result]) -> str:
    """Return a table with one line per cell: what was requested and what was measured."""
    rows = []
    for result in results:
        metrics = result.metrics.model_dump(exclude={"rtt_ms"})
        rtt = result.metrics.rtt_ms
        rows.append(
            {"cell": result.cell, "status": result.status, "reason": result.reason}
            | {name: _flat(value) for name, value in result.requested.items()}
            | metrics
            | {
                "rtt_median_ms": rtt.median if rtt else None,
                "emulated": result.emulated,
                "timing_reliable": result.timing_reliable,
            }
        )
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()


def _flat(value: object) -> object:
    """Return the text of a column: lists and mappings as JSON, empty ones as nothing."""
    if isinstance(value, dict | list):
        return json.dumps(value) if value else ""
    return value


_XML_TAGS: Final = {"failed": "failure", "error": "error", "unsupported": "skipped"}


def _xml_text(text: str) -> str:
    # XML 1.0 allows no other control characters, and a program under test may print any.
    return "".join(
        c if c in "\t\n" or (c >= " " and not "\ud800" <= c <= "\udfff" and c < "\ufffe") else "�" for c in text
    )


def junit_xml(name: str, results: Sequence[Result]) -> str:
    """Return the results as JUnit XML, one test case per cell."""
    counts = {status: sum(result.status == status for result in results) for status in _XML_TAGS}
    suite = ET.Element(
        "testsuite",
        name=name,
        tests=str(len(results)),
        failures=str(counts["failed"]),
        errors=str(counts["error"]),
        skipped=str(counts["unsupported"]),
    )
    for result in results:
        duration_s = result.metrics.duration_s or 0.0
        case = ET.SubElement(suite, "testcase", classname=name, name=result.cell, time=f"{duration_s:.6f}")
        if result.emulated:
            properties = ET.SubElement(case, "properties")
            ET.SubElement(properties, "property", name="emulated", value="true")
        if result.status in _XML_TAGS:
            ET.SubElement(case, _XML_TAGS[result.status], message=_xml_text(result.reason))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
