"""Calls as a person writes them in a row expression: `log(x)` and `x.log()` are one, and `when(...)` is a chain of three."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

_ROOMS = ("dt", "str")
"""Polars keeps functions of times and of texts apart: `x.dt.hour()` is hour(x) here, as is `x.hour()`."""
_DOORS = ("col", "when")
"""What may stand behind `pl.`, so that an expression can be copied from where it was tried."""


class Called(NamedTuple):
    """function: None where it is no name."""

    function: str | None
    arguments: list[ast.expr]


class Chain(NamedTuple):
    """A `when(...).then(...).otherwise(...)`: its cases, and what else; otherwise: None where it was left out."""

    cases: list[tuple[ast.expr, ast.expr]]
    otherwise: ast.expr | None


def called(node: ast.Call) -> Called:
    """The function of a call and what it is given: for `x.f(y)`, x and y."""
    if isinstance(node.func, ast.Name):
        return Called(node.func.id, node.args)
    if not isinstance(node.func, ast.Attribute):
        return Called(None, node.args)
    owner = node.func.value
    if _is_polars(owner) and node.func.attr in _DOORS:
        return Called(node.func.attr, node.args)
    if isinstance(owner, ast.Attribute) and owner.attr in _ROOMS:
        owner = owner.value
    return Called(node.func.attr, [owner, *node.args])


def chain(node: ast.Call) -> Chain | None:
    """The chain that ends in this call; None where there is none: what is left over is no such chain."""
    otherwise: ast.expr | None = None
    at: ast.Call | None = node
    if _attribute(node) == "otherwise" and len(node.args) == 1:
        otherwise, at = node.args[0], _owner(node)
    cases: list[tuple[ast.expr, ast.expr]] = []
    while at is not None and _attribute(at) == "then" and len(at.args) == 1:
        when = _owner(at)
        if when is None or called(when).function != "when" or len(when.args) != 1 or when.keywords:
            return None
        cases.insert(0, (when.args[0], at.args[0]))
        if isinstance(when.func, ast.Name) or (isinstance(when.func, ast.Attribute) and _is_polars(when.func.value)):
            return Chain(cases, otherwise)
        at = _owner(when)
    return None


def is_in_chain(function: str | None) -> bool:
    return function in ("when", "then", "otherwise")


def dots(tree: ast.AST) -> Iterator[ast.AST]:
    """The dots that belong to a call, and the names before them that are no columns: all others have no place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func
            if isinstance(node.func.value, ast.Attribute) and node.func.value.attr in _ROOMS:
                yield node.func.value


def is_polars(name: ast.Name, tree: ast.AST) -> bool:
    """Whether this name is the `pl` of a `pl.col(...)`, and no column."""
    return any(isinstance(dot, ast.Attribute) and dot.value is name and dot.attr in _DOORS for dot in dots(tree)) and (
        _is_polars(name)
    )


def _is_polars(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "pl"


def _attribute(node: ast.Call) -> str | None:
    return node.func.attr if isinstance(node.func, ast.Attribute) else None


def _owner(node: ast.Call) -> ast.Call | None:
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    return owner if isinstance(owner, ast.Call) else None
