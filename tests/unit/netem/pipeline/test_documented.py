"""Apply the code of "Add an impairment" in docs/link.md to a copy of the sources, and run the stage that it adds."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
SECTION = (ROOT / "docs" / "link.md").read_text().partition("\n## Add an impairment\n")[2].partition("\n## ")[0]
FILE = re.compile(r"^`([\w/.]+)`:\n((?:\n```(?:python|diff)\n.*?^```\n)+)", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```(python|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
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


def blocks() -> list[tuple[str, str, str]]:
    """Return file, language and text of every code block of the section."""
    return [(file, *block) for file, fenced in FILE.findall(SECTION) for block in FENCED.findall(fenced)]


def side(diff: str, marks: str) -> str:
    """Return the lines of a diff that have one of these marks; an empty line is context."""
    lines = (line or " " for line in diff.splitlines())
    return "".join(f"{line[1:]}\n" for line in lines if line[0] in marks)


def apply(folder: Path, file: str, language: str, code: str) -> None:
    path = folder / file
    if language == "python":
        assert not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
        return
    before, after = side(code, " -"), side(code, " +")
    text = path.read_text()
    assert text.count(before) == 1, f"{file} has this {text.count(before)} times:\n{before}"
    path.write_text(text.replace(before, after))


@pytest.fixture
def patched(tmp_path: Path) -> Path:
    skip = shutil.ignore_patterns("__pycache__", "*.so")
    for source in ("netem", "app/testbed", "tests/support"):
        shutil.copytree(ROOT / source, tmp_path / source, ignore=skip)
    for file, language, code in blocks():
        apply(tmp_path, file, language, code)
    return tmp_path


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": f"{folder}:{folder / 'app'}", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_section_has_code_for_every_file_it_names() -> None:
    named = set(re.findall(r"^`([\w/.]+)`:$", SECTION, re.MULTILINE))
    assert {file for file, _, _ in blocks()} == named
    assert len(blocks()) == SECTION.count("```") // 2 == 17


def test_the_stage_on_the_page_works(patched: Path) -> None:
    registry = "tests/unit/netem/pipeline/test_registry.py"
    shutil.copy(ROOT / registry, patched / registry)
    made = "tests/unit/netem/pipeline/test_drop_nth.py"
    done = python(patched, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", made, registry)
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


def test_the_rest_of_the_page_works(patched: Path) -> None:
    done = python(patched, "-c", OTHERS)
    assert (done.returncode, done.stdout) == (0, 'word 1 "drop-nth": 0 is outside 1..4294967295\n'), done.stderr
