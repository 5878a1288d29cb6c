"""The words that docs/glossary.md rules out, looked for in identifiers, messages and pages."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from tests.support.syntax import walk

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
CODE = ("app", "netem", "tools", "benchmarks", "examples", "tests")
PYTHON = sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))
C = sorted(path for folder in ("app", "netem") for ending in ("*.c", "*.h") for path in (ROOT / folder).rglob(ending))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks" / "README.md"])
HISTORY = ("CHANGELOG.md", "glossary.md", "result_upgrade.py", "test_result_upgrade.py", "test_words.py")
"""What names old words on purpose."""


@cache
def not_used() -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the words that no identifier has as a part, and the phrases that no text contains."""
    section = GLOSSARY.read_text().partition("## Words not used")[2]
    cells = re.findall(r"^\| (.+?) \| .+ \|$", section, re.MULTILINE)[1:]
    words, phrases = set(), set()
    for entry in (entry.strip() for cell in cells for entry in cell.split(",")):
        word = re.fullmatch(r"`(\w+)`", entry)
        if word:
            words.add(word[1])
        elif not entry.startswith("-"):
            phrases.add(entry)
    return frozenset(words), tuple(sorted(phrases))


@cache
def parts(identifier: str) -> frozenset[str]:
    """Return the words of an identifier in snake or camel case, also without a plural's s."""
    found = {part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)}
    return frozenset(found | {part.removesuffix("s") for part in found})


def identifiers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the names that a file defines or uses as its own: not those of modules that it imports."""
    for node in walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the string constants, parts of f-strings and docstrings among them."""
    for node in walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


@cache
def _any_phrase() -> re.Pattern[str]:
    return re.compile(rf"(?<![\w`])({'|'.join(map(re.escape, not_used()[1]))})(?![\w`])")


def phrases_in(text: str) -> list[str]:
    return [match[1] for match in _any_phrase().finditer(" ".join(text.lower().split()))]


def rejected(paths: Iterable[Path], check: Callable[[Path], list[str]]) -> dict[str, list[str]]:
    """Return what a check finds, by file; a test for each of 900 files would take longer than all its checks."""
    found = {str(path.relative_to(ROOT)): check(path) for path in paths if path.name not in HISTORY}
    assert found
    return {path: words for path, words in found.items() if words}


def test_the_glossary_is_read() -> None:
    words, phrases = not_used()
    assert {"knob", "closure", "told"} <= words
    assert {"carry out", "is not to be had"} <= set(phrases)


def words_in_python(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    found = [f"{line}: {name}" for line, name in identifiers(tree) if parts(name) & not_used()[0]]
    return found + [f"{line}: {phrase!r}" for line, text in texts(tree) for phrase in phrases_in(text)]


def test_identifiers_and_messages_use_the_fields_words() -> None:
    assert not rejected(PYTHON, words_in_python)


def words_in_c(path: Path) -> list[str]:
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.DOTALL)
    bare = re.sub(r'"(?:\\.|[^"\\])*"', '""', code)
    found = [name for name in re.findall(r"\b[A-Za-z_]\w*", bare) if parts(name) & not_used()[0]]
    return found + [phrase for text in re.findall(r'"((?:\\.|[^"\\])*)"', code) for phrase in phrases_in(text)]


def test_c_identifiers_use_the_fields_words() -> None:
    assert not rejected(C, words_in_c)


def test_pages_use_the_fields_words() -> None:
    assert not rejected(PAGES, lambda path: phrases_in(path.read_text()))


def test_the_rules_bite() -> None:
    assert parts("set_knobs") & not_used()[0]
    assert parts("ClosureFinder") & not_used()[0]
    assert parts("route_metrics").isdisjoint(not_used()[0])
    assert phrases_in("It was\n  carried out.") == ["carried out"]
    assert not phrases_in("a carriage outside")


def test_each_term_stands_once_in_order_with_its_source() -> None:
    terms: list[str] = []
    for section in GLOSSARY.read_text().partition("## Words not used")[0].split("\n## ")[1:]:
        rows = [
            [cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line[:1] == "|"
        ]
        names = [row[0] for row in rows[2:]]
        assert all(len(row) == 3 and all(row) for row in rows[2:]), section
        assert names == sorted(names, key=str.lower)
        terms += [term for name in names for term in name.split(", ")]
    assert len(terms) == len(set(terms)) > 60
