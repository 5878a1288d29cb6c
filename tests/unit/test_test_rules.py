"""The rules of the tests: they write no private attribute of another class, do not skip and do not sleep."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.syntax import dotted, walk

ROOT = Path(__file__).resolve().parents[2]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def private_writes(tree: ast.AST) -> Iterator[str]:
    """Yield assignments to, and patches of, attributes with a leading underscore; a test's own `self` is its own."""
    for node in walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else targets
        for part in (part for target in targets for part in ast.walk(target)):
            if isinstance(part, ast.Attribute) and _is_private(part.attr) and ast.unparse(part.value) != "self":
                yield f"{node.lineno}: {ast.unparse(part)}"
        if isinstance(node, ast.Call) and dotted(node.func).endswith("setattr"):
            names = [part.value for part in node.args[:2] if isinstance(part, ast.Constant)]
            if any(_is_private(str(name).rpartition(".")[2]) for name in names):
                yield f"{node.lineno}: {ast.unparse(node)}"


def _is_private(name: str) -> bool:
    return re.match(r"_[a-z]", name) is not None


def evasions(tree: ast.AST) -> Iterator[str]:
    """Yield marks and calls that would let a test pass without being run."""
    for node in walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("skip", "skipif", "xfail", "importorskip"):
            yield f"{node.lineno}: {ast.unparse(node)}"


def empty_asserts(tree: ast.AST) -> Iterator[str]:
    """Yield asserts that hold whatever happens: `assert x if y else True`, `assert x or True`."""
    for node in walk(tree):
        if isinstance(node, ast.Assert):
            test = node.test
            options = [test.body, test.orelse] if isinstance(test, ast.IfExp) else []
            options += test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or) else []
            if any(isinstance(option, ast.Constant) and option.value for option in options):
                yield f"{node.lineno}: {ast.unparse(node)}"


def unexplained_marks(tree: ast.AST) -> Iterator[str]:
    """Yield marks `alone` without a reason: a test that needs the machine for itself costs all others their time."""
    for node in walk(tree):
        for decorator in node.decorator_list if isinstance(node, ast.FunctionDef) else []:
            text = ast.unparse(decorator)
            if text.startswith("pytest.mark.alone") and not re.fullmatch(r"pytest\.mark\.alone\((['\"]).+\1\)", text):
                yield f"{node.lineno}: {text}"


def sleeps(tree: ast.AST) -> Iterator[str]:
    """Yield calls of `sleep`."""
    for node in walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func) in ("sleep", "time.sleep"):
            yield f"{node.lineno}: {ast.unparse(node)}"


def broken_rules(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    unit = sleeps(tree) if path.is_relative_to(ROOT / "tests/unit") else ()
    return [*private_writes(tree), *evasions(tree), *empty_asserts(tree), *unexplained_marks(tree), *unit]


def test_tests_keep_their_rules() -> None:
    """One test: one for each of 400 files would take longer than all their checks."""
    found = {str(path.relative_to(ROOT)): broken_rules(path) for path in TESTS}
    assert len(found) > 3
    assert not {path: broken for path, broken in found.items() if broken}


@pytest.mark.parametrize(
    "text",
    ["a._b = 1", "a._b['c'] += 1", "monkeypatch.setattr(a, '_b', 1)", "monkeypatch.setattr('a.b._c', 1)"],
)
def test_private_writes_are_found(text: str) -> None:
    assert list(private_writes(ast.parse(text)))
    assert not list(private_writes(ast.parse(text.replace("_", ""))))


@pytest.mark.parametrize("text", ["assert a == [] if b else True", "assert a or True"])
def test_empty_asserts_are_found(text: str) -> None:
    assert list(empty_asserts(ast.parse(text)))
    assert not list(empty_asserts(ast.parse(text.replace("True", "c"))))


def test_sleeps_are_found() -> None:
    assert len(list(sleeps(ast.parse("time.sleep(1)\nsleep(2)")))) == 2
    assert not list(sleeps(ast.parse("stop.wait(1)")))


@pytest.mark.parametrize("mark", ["alone", "alone()", "alone('')"])
def test_unexplained_marks_are_found(mark: str) -> None:
    assert list(unexplained_marks(ast.parse(f"@pytest.mark.{mark}\ndef test(): pass")))
    assert not list(unexplained_marks(ast.parse("@pytest.mark.alone('it floods')\ndef test(): pass")))
