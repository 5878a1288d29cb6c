"""docs/pytest.md compared with the plugin: fixtures, options, and the example, which is collected."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "pytest.md").read_text()
CONFTEST = 'pytest_plugins = ["testbed.pytest_plugin"]\n'


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """Write the example of the page and its conftest.py into a folder."""
    match = re.search(r"<!-- example: (\w+\.py) -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert match is not None
    (tmp_path / match[1]).write_text(match[2])
    assert CONFTEST in PAGE
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def output(folder: Path, *arguments: str) -> str:
    """Run pytest in the folder with this plugin alone; the others take longer to import than pytest itself."""
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


def rows(heading: str) -> set[str]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([\w-]+)`", section, re.MULTILINE))


def test_the_page_names_all_fixtures_with_their_scope(example: Path) -> None:
    found = dict(re.findall(r"^(testbed_\w+)(?: \[(\w+) scope\])? --", output(example, "--fixtures"), re.MULTILINE))
    assert rows("Fixtures") == found.keys()
    for name, scope in found.items():
        assert f"| `{name}` | {scope or 'function'} |" in PAGE


def test_the_page_names_all_options(example: Path) -> None:
    group = output(example, "--help").partition("\ntestbed:\n")[2].partition("\n\n")[0]
    assert rows("Options") == set(re.findall(r"^  (--[\w-]+)", group, re.MULTILINE)) != set()


@pytest.mark.parametrize(("family", "ids"), [("both", ["[ipv4]", "[ipv6]"]), ("ipv6", ["[ipv6]"])])
def test_the_example_is_collected_once_a_family(example: Path, family: str, ids: list[str]) -> None:
    lines = output(example, "--collect-only", "-q", "--family", family).splitlines()
    name = "test_slow_reader.py::test_a_slow_reader_closes_the_window"
    assert [line for line in lines if "::" in line] == [name + id_ for id_ in ids]
