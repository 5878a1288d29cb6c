"""The table of levels in docs/architecture.md, and the other rules of the code's shape, held against the code."""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
OURS = ("testbed", "netem")

# What a pure module may not import: these modules read clocks, move bytes or start things.
IMPURE = {"asyncio", "click", "docker", "fcntl", "multiprocessing", "select", "selectors", "signal", "socket"}
IMPURE |= {"subprocess", "threading", "time"}


@dataclass(frozen=True)
class Module:
    name: str
    path: Path

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def is_main(self) -> bool:
        return self.path.name == "__main__.py"

    def tree(self) -> ast.Module:
        return _parse(self.path)

    def imports(self) -> set[str]:
        """Return the modules that are imported, by their full names."""
        package = self.name if self.is_package else self.name.rpartition(".")[0]
        return set(_imports(self.tree(), package))


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" if _is_module(f"{base}.{alias.name}") else base for alias in node.names)


def _is_module(name: str) -> bool:
    return name in {module.name for module in modules()}


@cache
def modules() -> tuple[Module, ...]:
    found = []
    for source, package in ((ROOT / "app", "testbed"), (ROOT, "netem")):
        for path in sorted((source / package).rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            found.append(Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return tuple(found)


@dataclass(frozen=True)
class Row:
    level: int
    pure: bool
    packages: tuple[str, ...]
    allowed: str


@cache
def rows() -> tuple[Row, ...]:
    text = (ROOT / "docs" / "architecture.md").read_text()
    lines = re.finditer(r"^\| (\d)( pure| shell)? \| (.*?) \| .* \| (.*?) \|$", text, re.MULTILINE)
    return tuple(Row(int(m[1]), m[2] == " pure", tuple(re.findall(r"`(.+?)`", m[3])), m[4]) for m in lines)


def row_of(module: str) -> Row | None:
    """Return the row whose package holds the module; the longest name wins."""
    if module.endswith(".__main__"):
        return next(row for row in rows() if "*.__main__" in row.packages)
    fits = [
        (len(package), row)
        for row in rows()
        for package in row.packages
        if module == package or module.startswith(f"{package}.")
    ]
    return max(fits, key=lambda fit: fit[0])[1] if fits else None


def package_of(module: str) -> str:
    names = [package for row in rows() for package in row.packages]
    return max((p for p in names if module == p or module.startswith(f"{p}.")), key=len, default=module)


def may_import(row: Row, target: str) -> bool:
    target_row = row_of(target)
    if target_row is None:
        return target in OURS  # the root packages hold nothing but their docstring
    if row.allowed == "all":
        return True
    levels = re.search(r"levels? (\d)(?:(?: to |, )(\d))?", row.allowed)
    if levels and int(levels[1]) <= target_row.level <= int(levels[2] or levels[1]):
        return True
    return package_of(target) in re.findall(r"`(.+?)`", row.allowed)


def ids(chosen: list[Module]) -> dict[str, object]:
    return {"argnames": "module", "argvalues": chosen, "ids": [module.name for module in chosen]}


ALL = list(modules())
PURE = [module for module in ALL if (row := row_of(module.name)) and row.pure]


def test_the_table_is_read() -> None:
    assert [row.level for row in rows()] == sorted(row.level for row in rows())
    assert {"testbed.wire", "netem.spec", "testbed.stack", "testbed.cli"} <= {p for r in rows() for p in r.packages}
    assert len(ALL) > len(PURE) > 3


@pytest.mark.parametrize(**ids(ALL))
def test_each_module_has_a_level(module: Module) -> None:
    assert row_of(module.name) or module.name in OURS, "docs/architecture.md names no package that holds it"


@pytest.mark.parametrize(**ids([module for module in ALL if module.name not in OURS]))
def test_imports_run_downwards(module: Module) -> None:
    row = row_of(module.name)
    assert row
    ours = {name for name in module.imports() if name.split(".")[0] in OURS}
    elsewhere = {name for name in ours if package_of(name) != package_of(module.name)}
    wrong = {name for name in elsewhere if not may_import(row, name)}
    assert not wrong, f"{module.name} (level {row.level}) may import: {row.allowed}"


def test_packages_have_no_import_cycle() -> None:
    edges = {
        (package_of(module.name), package_of(name))
        for module in ALL
        if not module.is_main
        for name in module.imports()
        if name.split(".")[0] in OURS and package_of(name) != package_of(module.name)
    }
    assert not {(a, b) for a, b in edges if (b, a) in edges}


@pytest.mark.parametrize(**ids(PURE))
def test_pure_modules_touch_nothing(module: Module) -> None:
    assert not {name.split(".")[0] for name in module.imports()} & IMPURE


def test_only_the_stack_knows_docker() -> None:
    users = {package_of(module.name) for module in ALL if any(n.split(".")[0] == "docker" for n in module.imports())}
    assert users <= {"testbed.stack"}


@pytest.mark.parametrize(**ids([m for m in ALL if m.name.startswith(("testbed.peer", "testbed.wire", "netem"))]))
def test_what_runs_in_images_needs_the_standard_library_only(module: Module) -> None:
    kin = ("testbed.wire", "testbed.peer") if module.name.startswith("testbed") else ("netem",)
    foreign = {n for n in module.imports() if n.split(".")[0] not in sys.stdlib_module_names}
    assert not {name for name in foreign if not name.startswith(kin) and name not in OURS[:1]}


def _is_main_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


@pytest.mark.parametrize(**ids([m for m in ALL if not m.is_main and package_of(m.name) != "testbed.cli"]))
def test_only_entry_points_choose_exit_codes(module: Module) -> None:
    exits = [
        node.lineno
        for statement in module.tree().body
        if not _is_main_guard(statement)
        for node in ast.walk(statement)
        if (isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.exit", "exit", "quit"))
        or (isinstance(node, ast.Raise) and node.exc and ast.unparse(node.exc).startswith("SystemExit"))
    ]
    assert not exits, f"{module.path}: exits on lines {exits}"


@pytest.mark.parametrize(**ids(ALL))
def test_sizes(module: Module) -> None:
    assert len(module.path.read_text().splitlines()) <= MAX_MODULE_LINES
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(module.tree())
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert not long


def _test_file(module: Module) -> Path:
    *folders, name = module.name.removeprefix("testbed.").split(".")
    return ROOT.joinpath("tests", "unit", *folders, f"test_{name}.py")


def _has_functions(module: Module) -> bool:
    return any(isinstance(node, ast.FunctionDef) for node in ast.walk(module.tree()))


@pytest.mark.parametrize(**ids([m for m in PURE if not m.is_package and _has_functions(m)]))
def test_pure_modules_have_their_test_file(module: Module) -> None:
    assert _test_file(module).exists()


def test_the_rules_bite() -> None:
    """The checks above, on code that breaks them."""
    pure = row_of("testbed.wire.layout")
    stack = row_of("testbed.stack.images")
    assert pure
    assert stack
    assert not may_import(pure, "testbed.stack.images")
    assert may_import(stack, "testbed.units")
    assert not may_import(stack, "testbed.cli.main")
    assert set(_imports(ast.parse("from ..wire import layout\nfrom . import x"), "testbed.peer")) == {
        "testbed.wire.layout",
        "testbed.peer",
    }
