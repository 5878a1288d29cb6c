"""Apply the code of "Add a finding" in docs/findings.md to a copy of the sources, and run the rule that it adds."""

import shutil
from pathlib import Path

import pytest

from tests.support.documented import ROOT, apply_blocks, blocks, copy_with, python, section

SECTION = section("findings.md", "Add a finding")
REPORTED = """
from testbed.evaluation.explanation import explain
from tests.support.transfers import slow_reader

(found,) = [finding for finding in explain(slow_reader().observe()).findings if finding.name == "handshake-time"]
print(found.sentence, found.facts)
"""


@pytest.fixture
def patched(tmp_path: Path) -> Path:
    copy_with(SECTION, tmp_path)
    return tmp_path


def test_the_section_has_code_for_every_file_it_names() -> None:
    assert len(blocks(SECTION)) == 8


def test_the_blocks_still_apply_after_another_finding_was_added(tmp_path: Path) -> None:
    other = SECTION
    for name in ("handshake_time", "handshake-time", "HandshakeTime"):
        other = other.replace(name, name.replace("ime", "ry"))
    copy_with(other, tmp_path)
    apply_blocks(SECTION, tmp_path)


def test_the_finding_on_the_page_passes_its_tests_and_those_of_all_sentences(patched: Path) -> None:
    registry = "tests/unit/report/sentences/test_registry.py"
    shutil.copy(ROOT / registry, patched / registry)
    made = [f"tests/unit/{room}/test_handshake_time.py" for room in ("analysis/findings", "report/sentences")]
    options = ("-p", "no:cacheprovider", "--rootdir", ".", "--import-mode", "importlib")
    done = python(patched, "-m", "pytest", "-q", *options, *made, registry)
    assert done.returncode == 0, done.stdout


def test_the_finding_on_the_page_is_measured_and_reported(patched: Path) -> None:
    done = python(patched, "-c", REPORTED)
    assert done.stdout == (
        "The connection was established 1 ms after the first SYN, with 1 SYN. {'syns': 1, 'handshake_s': 0.001}\n"
    ), done.stderr
