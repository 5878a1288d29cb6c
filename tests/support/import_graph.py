"""The project's own modules, what each imports, and which of them form a circle.

An import is a statement, or a call of `import_module` or `__import__` with a constant name: what the interpreter
loads counts, however it is written.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.syntax import dotted, walk

ROOT = Path(__file__).resolve().parents[2]
OURS = ("testbed", "netem")
_DYNAMIC = ("import_module", "__import__")


@dataclass(frozen=True)
class Module:
    """One source file by its dotted name."""

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

    def nodes(self) -> tuple[ast.AST, ...]:
        """Return all nodes of its tree."""
        return _nodes(self.path)

    def imports(self) -> frozenset[str]:
        """Return the modules that it imports, by their full names."""
        return _imports_of_module(self)

    def own_imports(self) -> set[str]:
        """Return the project's modules among them."""
        return {name for name in self.imports() if name.split(".")[0] in OURS}


@cache
def _imports_of_module(module: Module) -> frozenset[str]:
    package = module.name if module.is_package else module.name.rpartition(".")[0]
    return frozenset(_imports_in(module.nodes(), package))


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    return walk(_parse(path))


@cache
def modules() -> tuple[Module, ...]:
    """Return all modules of `app/testbed` and `netem`."""
    found = []
    for source, package in ((ROOT / "app", "testbed"), (ROOT, "netem")):
        for path in sorted((source / package).rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            found.append(Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return tuple(found)


def imports_of(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield what a tree imports; `package` is the one that relative names start from."""
    yield from _imports_in(walk(tree), package)


def _imports_in(nodes: Iterable[ast.AST], package: str) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" if _is_module(f"{base}.{alias.name}") else base for alias in node.names)
        elif isinstance(node, ast.Call):
            yield from _dynamic_import(node)


def _dynamic_import(call: ast.Call) -> Iterator[str]:
    """Yield the module of `import_module("x")`, also where the function is passed: `submit(import_module, "x")`."""
    constants = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    if constants and any(dotted(part).rpartition(".")[2] in _DYNAMIC for part in (call.func, *call.args)):
        yield from constants


@cache
def _names() -> frozenset[str]:
    return frozenset(module.name for module in modules())


def _is_module(name: str) -> bool:
    return name in _names()


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the strongly connected components of more than one node, by Tarjan's algorithm."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        stack.append(node)
        for target in graph.get(node, ()):
            if target not in order:
                visit(target)
                lowest[node] = min(lowest[node], lowest[target])
            elif target in stack:
                lowest[node] = min(lowest[node], order[target])
        if lowest[node] == order[node]:
            at = stack.index(node)
            component = stack[at:]
            del stack[at:]
            if len(component) > 1:
                found.append(sorted(component))

    for node in graph:
        if node not in order:
            visit(node)
    return found
