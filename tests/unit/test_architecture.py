"""The table of levels in docs/architecture.md, and the other rules of the code's shape, compared with the code."""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import pytest

from tests.support.import_graph import OURS, ROOT, Module, circles, imports_of, modules
from tests.support.syntax import dotted, walk

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60

# What a pure module may not import: these modules read clocks, move bytes, start things or draw numbers of their own.
IMPURE = {"asyncio", "click", "docker", "fcntl", "multiprocessing", "os", "random", "secrets", "select", "selectors"}
IMPURE |= {"shutil", "signal", "socket", "subprocess", "tempfile", "threading", "time", "uuid"}
ALLOWED_NAMES = {"random": {"Random"}}
"""The type of a generator that is passed in, or made from a seed that is."""
IMPURE_CALLS = re.compile(r"(datetime\.(now|utcnow|today)|date\.today|Random|Path\.(cwd|home)|np\.random\.\w+)\(")


@dataclass(frozen=True)
class Row:
    level: int
    pure: bool
    packages: tuple[str, ...]
    allowed: str


@cache
def rows() -> tuple[Row, ...]:
    text = (ROOT / "docs" / "architecture.md").read_text()
    lines = re.finditer(r"^\| (\d+)( pure| shell)? \| (.*?) \| .* \| (.*?) \|$", text, re.MULTILINE)
    return tuple(Row(int(m[1]), m[2] == " pure", tuple(re.findall(r"`(.+?)`", m[3])), m[4]) for m in lines)


def contains(package: str, module: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def package_of(module: str) -> str | None:
    """Return the package that contains the module; the longest name wins."""
    if module.endswith(".__main__"):
        return "*.__main__"
    return max(
        (package for row in rows() for package in row.packages if contains(package, module)), key=len, default=None
    )


def row_of(module: str) -> Row | None:
    package = package_of(module)
    return next((row for row in rows() if package in row.packages), None)


@cache
def namespaces() -> frozenset[str]:
    """Return the packages that contain only other packages, and a docstring."""
    return frozenset(module.name for module in ALL if module.is_package and len(module.tree().body) == 1)


def may_import(row: Row, target: str) -> bool:
    target_row = row_of(target)
    if target_row is None:
        return target in namespaces()
    if target_row.level >= row.level:
        return False
    if row.allowed == "all below":
        return True
    return package_of(target) in re.findall(r"`(.+?)`", row.allowed)


def rejected(chosen: Iterable[Module], check: Callable[[Module], object]) -> dict[str, object]:
    """Return what a check finds, by module; a test for each of 400 modules would take longer than all its checks."""
    return {module.name: found for module in chosen if (found := check(module))}


ALL = list(modules())
PURE = [module for module in ALL if (row := row_of(module.name)) and row.pure]


def test_the_table_is_read() -> None:
    for top in OURS:
        levels = [row.level for row in rows() if row.packages[0].startswith(top)]
        assert levels == sorted(levels)
    assert {"testbed.wire", "netem.spec", "testbed.stack", "testbed.cli"} <= {
        package for r in rows() for package in r.packages
    }
    assert len(ALL) > len(PURE) > 3


def test_each_row_names_packages_that_exist() -> None:
    names = {module.name for module in ALL}
    for row in rows():
        assert all(package in names or package == "*.__main__" for package in row.packages), row
        named = re.findall(r"`(.+?)`", row.allowed)
        assert all(name in {package for other in rows() for package in other.packages} for name in named), row


def test_each_module_has_a_level() -> None:
    """docs/architecture.md names a package that contains it."""
    assert not [each.name for each in ALL if not row_of(each.name) and each.name not in namespaces()]


def imports_upwards(module: Module) -> list[str]:
    row = row_of(module.name)
    assert row
    elsewhere = {name for name in module.own_imports() if package_of(name) != package_of(module.name)}
    wrong = sorted(name for name in elsewhere if not may_import(row, name))
    return [f"{', '.join(wrong)}; level {row.level} may import: {row.allowed}"] if wrong else []


def test_imports_run_downwards() -> None:
    assert not rejected([module for module in ALL if module.name not in namespaces()], imports_upwards)


def test_no_package_imports_itself_in_a_circle() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for module in ALL:
        targets = {package for name in module.own_imports() if (package := package_of(name))}
        graph[package_of(module.name) or module.name] |= targets
    assert not circles(graph)


def test_no_module_imports_itself_in_a_circle() -> None:
    assert not circles({module.name: module.own_imports() for module in ALL})


def test_pure_modules_touch_nothing() -> None:
    assert not rejected(PURE, lambda module: list(impurities(module.tree())))


def impurities(tree: ast.AST) -> Iterator[str]:
    """Yield what in a tree reads a clock, draws a number or touches the system."""
    for node in walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in IMPURE)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            top = (node.module or "").split(".")[0]
            names = {alias.name for alias in node.names}
            if top in IMPURE and not names <= ALLOWED_NAMES.get(top, set()):
                yield f"{node.module}: {', '.join(sorted(names))}"
        elif isinstance(node, ast.Call):
            call = IMPURE_CALLS.search(f"{dotted(node.func)}(")
            if call and not (dotted(node.func).endswith("Random") and node.args):  # a seed makes it repeatable
                yield ast.unparse(node)


def test_only_the_stack_knows_docker() -> None:
    users = {package_of(module.name) for module in ALL if any(n.split(".")[0] == "docker" for n in module.imports())}
    callers = {package_of(module.name) for module in ALL if any(docker_commands(module.tree()))}
    assert users | callers <= {"testbed.stack"}


def docker_commands(tree: ast.AST) -> Iterator[str]:
    """Yield what would run the docker command: a list or tuple that begins with its name, or a whole line of shell."""
    for node in walk(tree):
        first = node.elts[0] if isinstance(node, ast.List | ast.Tuple) and node.elts else None
        if isinstance(node, ast.Call) and node.args and dotted(node.func).rpartition(".")[2] in _RUNNERS:
            first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value.split()[:1] == ["docker"]:
            yield ast.unparse(node)


_RUNNERS = ("run", "Popen", "call", "check_call", "check_output", "system", "popen", "split", "which", "execvp")


def needs_more_than_its_image_has(module: Module) -> set[str]:
    kin = ("testbed.wire", "testbed.peer") if module.name.startswith("testbed") else ("netem",)
    foreign = {n for n in module.imports() if n.split(".")[0] not in sys.stdlib_module_names}
    return {name for name in foreign if not name.startswith(kin) and name not in OURS[:1]}


def test_what_runs_in_images_needs_the_standard_library_only() -> None:
    in_images = [module for module in ALL if module.name.startswith(("testbed.peer", "testbed.wire", "netem"))]
    assert len(in_images) > 3
    assert not rejected(in_images, needs_more_than_its_image_has)


def _is_main_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def exits(module: Module) -> list[int]:
    """Return the lines that choose an exit code."""
    return [
        node.lineno
        for statement in module.tree().body
        if not _is_main_guard(statement)
        for node in ast.walk(statement)
        if (isinstance(node, ast.Call) and dotted(node.func) in ("sys.exit", "exit", "quit"))
        or (isinstance(node, ast.Raise) and node.exc and ast.unparse(node.exc).startswith("SystemExit"))
    ]


def test_only_entry_points_choose_exit_codes() -> None:
    others = [module for module in ALL if not module.is_main and package_of(module.name) != "testbed.cli"]
    assert not rejected(others, exits)


def excesses(module: Module) -> list[str]:
    lines = len(module.path.read_text().splitlines())
    return [f"{lines} lines"] * (lines > MAX_MODULE_LINES) + [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in module.nodes()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]


def test_sizes() -> None:
    assert not rejected(ALL, excesses)


def _has_functions(module: Module) -> bool:
    return any(isinstance(node, ast.FunctionDef) for node in module.nodes())


def lacks_its_test_file(module: Module) -> bool:
    *folders, name = module.name.removeprefix("testbed.").split(".")
    return not ROOT.joinpath("tests", "unit", *folders, f"test_{name}.py").exists()


def test_pure_modules_have_their_test_file() -> None:
    tested = [module for module in PURE if not module.is_package and _has_functions(module)]
    assert len(tested) > 3
    assert not rejected(tested, lacks_its_test_file)


def test_the_levels_bite() -> None:
    """The checks of levels, on imports that break them."""
    pure, stack = row_of("testbed.wire.layout"), row_of("testbed.stack.images")
    assert pure
    assert stack
    assert not may_import(pure, "testbed.stack.images")
    assert may_import(stack, "testbed.units")
    assert not may_import(stack, "testbed.cli.main")


def test_imports_are_found_however_they_are_written() -> None:
    def found(text: str) -> set[str]:
        return set(imports_of(ast.parse(text), "testbed.peer"))

    assert found("from ..wire import layout\nfrom . import x") == {"testbed.wire.layout", "testbed.peer"}
    assert found("importlib.import_module('testbed.analysis.cell')") == {"testbed.analysis.cell"}
    assert found("pool.submit(import_module, 'testbed.stack')") == {"testbed.stack"}
    assert found("__import__('docker')") == {"docker"}
    assert not found("import_module(name)")


def test_circles_of_any_length_are_found() -> None:
    assert circles({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}) == [["a", "b", "c"]]
    assert not circles({"a": ["b", "c"], "b": ["c"], "c": []})


@pytest.mark.parametrize(
    "text",
    [
        *("import os", "from os import environ", "import random", "from random import choice", "from time import time"),
        *("datetime.now(UTC)", "datetime.datetime.utcnow()", "Random()", "random.Random()", "np.random.rand(3)"),
    ],
)
def test_impurities_are_found(text: str) -> None:
    assert list(impurities(ast.parse(text)))


def test_what_is_handed_in_is_pure() -> None:
    assert not list(impurities(ast.parse("from random import Random\nrng = Random(seed)\nat = datetime(2026, 1, 1)")))


@pytest.mark.parametrize(
    "text", ["run(['docker', 'ps'])", "argv = ('docker', *rest)", "os.system('docker ps')", "shlex.split('docker ps')"]
)
def test_docker_commands_are_found(text: str) -> None:
    assert list(docker_commands(ast.parse(text)))
    assert not list(docker_commands(ast.parse(text.replace("docker", "tc"))))
