"""Apply the code of "Add an impairment" in docs/link.md to a copy of the sources, and run the stage that it adds."""

import shutil
from pathlib import Path

import pytest

from tests.support.documented import ROOT, apply_blocks, blocks, copy_with, python, section

SECTION = section("link.md", "Add an impairment")
OTHERS = """
from netem.contract.for_probes import for_probes
from netem.spec import SpecError, parse
from testbed.evaluation.link import counters

assert for_probes(parse("drop-nth 3")) == parse("")
counted = counters({"measured": {"packets_in": 9, "dropped_nth": 3, "dropped_limit": 1}})
assert (counted.dropped, counted.dropped_nth) == (4, 3)
try:
    parse("drop-nth 0")
except SpecError as error:
    print(error)
"""


@pytest.fixture
def patched(tmp_path: Path) -> Path:
    copy_with(SECTION, tmp_path)
    return tmp_path


def test_the_section_has_code_for_every_file_it_names() -> None:
    assert len(blocks(SECTION)) == 17


def test_the_blocks_still_apply_after_another_impairment_was_added(tmp_path: Path) -> None:
    other = SECTION
    for name in ("drop_nth", "drop-nth", "dropped_nth", "DropNth"):
        other = other.replace(name, name.replace("nth", "odd").replace("Nth", "Odd"))
    copy_with(other, tmp_path)
    apply_blocks(SECTION, tmp_path)


def test_the_stage_on_the_page_works(patched: Path) -> None:
    registry = "tests/unit/netem/pipeline/test_registry.py"
    shutil.copy(ROOT / registry, patched / registry)
    made = "tests/unit/netem/pipeline/test_drop_nth.py"
    done = python(patched, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", made, registry)
    assert done.returncode == 0, done.stdout


def test_the_other_blocks_of_the_page_work(patched: Path) -> None:
    done = python(patched, "-c", OTHERS)
    assert (done.returncode, done.stdout) == (0, 'word 1 "drop-nth": 0 is outside 1..4294967295\n'), done.stderr
