"""Syntax trees: their nodes, and names in them."""

import ast
from functools import lru_cache


@lru_cache(maxsize=1)
def walk(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Return the nodes of a tree as `ast.walk` does, less `Load` and `Store`; kept for the next look at the tree."""
    found = [tree]
    for node in found:
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                found.extend(each for each in value if isinstance(each, ast.AST))
            elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
                found.append(value)
    return tuple(found)


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` of an expression, `.c` if something else than a name begins it; unparsing takes far longer."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""
