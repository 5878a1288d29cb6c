"""Findings measure and the report renders text: no module of the rules builds or parses sentences."""

import ast
from pathlib import Path

import pytest

from testbed.analysis import findings

MODULES = sorted(Path(findings.__path__[0]).glob("*.py"))
OF_TEXT = {"join", "split", "partition", "replace", "format", "removeprefix", "removesuffix", "startswith", "endswith"}


def _is_text(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr):  # a path has no space in it
        return any(isinstance(part, ast.Constant) and " " in str(part.value) for part in node.values)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr in OF_TEXT
    return isinstance(node, ast.Import) and any(alias.name == "re" for alias in node.names)


def built(tree: ast.AST) -> list[str]:
    """Return expressions that join, split or search text."""
    return [ast.unparse(node) for node in ast.walk(tree) if _is_text(node)]


@pytest.mark.parametrize("path", MODULES, ids=[path.stem for path in MODULES])
def test_a_rule_builds_no_text(path: Path) -> None:
    allowed = {"path": ["samples.text('congestion').startswith(PACING)"], "stall": ["str(sysctls[name]).split()"]}
    assert built(ast.parse(path.read_text())) == allowed.get(path.stem, [])


def test_the_check_sees_what_it_is_for() -> None:
    code = "a = f'{n} frames'\nb = ', '.join(c)\nd = e.replace(';', ':')\nimport re\nf'{role}/link.json'"
    assert len(built(ast.parse(code))) == 4
