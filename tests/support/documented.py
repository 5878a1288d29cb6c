"""Apply the code blocks of a section of a page to a copy of the sources, and run Python there.

A block stands behind the name of its file: "python" is a new file, "diff" changes one that has the lines of its context
exactly once.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE = re.compile(r"^`([\w/.]+)`:\n((?:\n```(?:python|diff)\n.*?^```\n)+)", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```(python|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(page: str, heading: str) -> str:
    """Return the text of a section of a page in docs/."""
    return (ROOT / "docs" / page).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def blocks(text: str) -> list[tuple[str, str, str]]:
    """Return file, language and text of every code block of a section; raises AssertionError if one has no file."""
    found = [(file, *block) for file, fenced in FILE.findall(text) for block in FENCED.findall(fenced)]
    assert {file for file, _, _ in found} == set(re.findall(r"^`([\w/.]+)`:$", text, re.MULTILINE))
    assert len(found) == text.count("```") // 2
    return found


def copy_with(text: str, folder: Path) -> None:
    """Copy the sources and the tests' support into the folder, and apply the blocks of a section."""
    skip = shutil.ignore_patterns("__pycache__", "*.so")
    for source in ("netem", "app/testbed", "tests/support"):
        shutil.copytree(ROOT / source, folder / source, ignore=skip)
    apply_blocks(text, folder)


def apply_blocks(text: str, folder: Path) -> None:
    """Apply the blocks of a section to the copied sources."""
    for file, language, code in blocks(text):
        _apply(folder / file, language, code)


def _side(diff: str, marks: str) -> str:
    """Return the lines of a diff that have one of these marks; an empty line is context."""
    lines = (line or " " for line in diff.splitlines())
    return "".join(f"{line[1:]}\n" for line in lines if line[0] in marks)


def _apply(path: Path, language: str, code: str) -> None:
    if language == "python":
        assert not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
        return
    before, after = _side(code, " -"), _side(code, " +")
    text = path.read_text()
    assert text.count(before) == 1, f"{path} has this {text.count(before)} times:\n{before}"
    path.write_text(text.replace(before, after))


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the copied sources."""
    environment = {"PYTHONPATH": f"{folder}:{folder / 'app'}", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
