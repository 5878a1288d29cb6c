from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from testbed.analysis.findings.measured import Fact, Source
from testbed.evaluation.explanation import MAX_RANGES, display_filter, evidence, explain, fact_document
from testbed.result import Finding
from tests.support.transfers import slow_reader


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Paint(Fact):
    colour: Colour
    others: tuple[Colour, ...]
    dried_s: float | None = None


def test_a_fact_as_json() -> None:
    assert fact_document(Paint(Colour.RED, (Colour.RED,))) == {"colour": "red", "others": ["red"], "dried_s": None}


@dataclass(frozen=True, slots=True)
class Box(Fact):
    paints: tuple[Paint, ...]


def test_facts_within_a_fact_are_objects() -> None:
    assert fact_document(Box((Paint(Colour.RED, ()),))) == {
        "paints": [{"colour": "red", "others": [], "dried_s": None}]
    }


def test_frames_in_few_ranges_are_named_by_number() -> None:
    source = Source("client/capture.pcap", "frames", "these", np.array([4, 5, 6, 9]))
    found = evidence(source)
    assert (found.file, found.kind, found.first, found.last, found.count) == ("client/capture.pcap", "frames", 4, 9, 4)
    assert found.filter == "frame.number in {4..6, 9}"


def test_many_ranges_become_a_span_of_the_same_kind() -> None:
    scattered = np.arange(1, 2 * MAX_RANGES + 4, 2)
    found = display_filter(scattered, 0, "tcp.len > 0")
    assert found == "tcp.stream == 0 && frame.number >= 1 && frame.number <= 51 && tcp.len > 0"
    assert display_filter(scattered, 0).endswith("frame.number <= 51")


def test_lines_and_files_have_no_filter() -> None:
    lines = evidence(Source("server/sockets.csv", "samples", "two samples", np.array([7, 9])))
    assert (lines.first, lines.last, lines.count, lines.filter) == (7, 9, 2, "")
    whole = evidence(Source("x/y", "file", "whole", np.empty(0, np.int64)))
    assert (whole.first, whole.count, whole.filter) == (None, None, "")


def test_an_explanation_is_records_with_sentences() -> None:
    found = explain(slow_reader().observe())
    assert found.verdict.startswith("The receiver reads too slowly")
    assert all(finding.sentence.endswith(".") for finding in found.findings)
    assert [Finding.model_validate_json(finding.model_dump_json()) for finding in found.findings] == list(
        found.findings
    )
    assert all(absent.reason and not absent.reason.endswith(".") for absent in found.not_reported)
