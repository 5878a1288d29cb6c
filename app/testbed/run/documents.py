"""The contents of a run's documents: run.json, cell.json, and a table and a test report of several cells. No I/O."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from testbed.evaluation.lateness import lateness_p99_ms
from testbed.result import (
    SCHEMA_VERSION,
    CellRecord,
    Circumstances,
    ImageUsed,
    Link,
    Result,
    cell_folder,
    circumstances,
)
from testbed.run.cell import CellOutcome
from testbed.run.plan_document import plan_document
from testbed.run.summary import Summary
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
        **plan_document(scenario.cells),
        **site_facts,
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


class ResultsTable:
    """The table `results.csv`, one line per attempt: what was requested and what was measured."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._columns: list[str] = []

    def add(self, result: Result) -> None:
        """Write the line of a result, and the names of the columns before the first."""
        row = table_row(result)
        out = io.StringIO()
        writer = csv.DictWriter(out, self._columns or row, restval="", extrasaction="ignore", lineterminator="\n")
        if not self._columns:
            self._columns = list(row)
            writer.writeheader()
        writer.writerow(row)
        self._write(out.getvalue())


def table_row(result: Result) -> dict[str, object]:
    """Return the columns of a result."""
    rtt = result.metrics.rtt_ms
    return {
        "cell": result.cell,
        "repetition": result.repetition,
        "attempt": result.attempt,
        "status": result.status,
        "reason": result.reason,
        **{name: _flat(value) for name, value in result.requested.items()},
        **result.metrics.model_dump(exclude={"rtt_ms"}),
        "rtt_median_ms": rtt.median if rtt else None,
        "lateness_p99_ms": lateness_p99_ms(result.link),
        "scheduling": scheduling(result.link.values()),
        "emulated": result.emulated,
        "timing_reliable": result.timing_reliable,
        "machine_name": result.machine_name,
        "isolation": result.isolation,
        "reused_from": result.reused_from,
    }


def scheduling(links: Iterable[Link]) -> str:
    """Return the policies that the user engines of the two ends obtained; empty if no user engine ran."""
    return "; ".join(dict.fromkeys(link.scheduling for link in links if link.scheduling is not None))


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


class JunitWriter:
    """A report in JUnit XML, one test case per cell; `summaries` are those of all test cases."""

    def __init__(self, write: Callable[[str], object], name: str, summaries: Iterable[Summary]) -> None:
        self._write = write
        self._name = name
        counts = Counter(summary.status for summary in summaries)
        suite = ET.Element(
            "testsuite",
            name=_xml_text(name),
            tests=str(counts.total()),
            failures=str(counts["failed"]),
            errors=str(counts["error"]),
            skipped=str(counts["unsupported"]),
        )
        opening = ET.tostring(suite, encoding="unicode", short_empty_elements=False).removesuffix("</testsuite>")
        write(f"<?xml version='1.0' encoding='utf-8'?>\n{opening}\n")

    def add(self, result: Result) -> None:
        """Write the test case of a result."""
        duration_s = result.metrics.duration_s or 0.0
        name = cell_folder(result.cell, result.repetition)
        case = ET.Element("testcase", classname=_xml_text(self._name), name=name, time=f"{duration_s:.6f}")
        if result.emulated:
            properties = ET.SubElement(case, "properties")
            ET.SubElement(properties, "property", name="emulated", value="true")
        if result.status in _XML_TAGS:
            ET.SubElement(case, _XML_TAGS[result.status], message=_xml_text(result.reason))
        ET.indent(case, level=1)
        self._write(f"  {ET.tostring(case, encoding='unicode')}\n")

    def end(self) -> None:
        """Close the report."""
        self._write("</testsuite>\n")
