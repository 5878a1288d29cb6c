"""The documents of a run with several cells: a table and a test report. No I/O."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Final

from testbed.result import Result


def results_csv(results: Sequence[Result]) -> str:
    """Return a table with one line a cell: what was asked and what was measured."""
    rows = []
    for result in results:
        metrics = result.metrics.model_dump(exclude={"rtt_ms"})
        rtt = result.metrics.rtt_ms
        rows.append(
            {"cell": result.cell, "status": result.status, "reason": result.reason}
            | {name: _flat(value) for name, value in result.requested.items()}
            | metrics
            | {"rtt_median_ms": rtt.median if rtt else None, "emulated": result.emulated, "tainted": result.tainted}
        )
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()


def _flat(value: object) -> object:
    """Return what fits in a column: lists and mappings as JSON, empty ones as nothing."""
    if isinstance(value, dict | list):
        return json.dumps(value) if value else ""
    return value


_XML_TAGS: Final = {"failed": "failure", "error": "error", "unsupported": "skipped"}


def _xml_text(text: str) -> str:
    # XML 1.0 cannot hold other control characters at all, and a program under test may print any.
    return "".join(
        c if c in "\t\n" or (c >= " " and not "\ud800" <= c <= "\udfff" and c < "\ufffe") else "�" for c in text
    )


def junit_xml(name: str, results: Sequence[Result]) -> str:
    """Return the results as JUnit XML, one test case a cell."""
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
