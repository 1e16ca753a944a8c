"""The tree of a row expression: what `lockgate.features.expression` reads a text into, and what is then put to work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from lockgate.records import Record

Type = Literal["number", "bool", "text", "time"]
Comparison = Literal["<", "<=", ">", ">=", "==", "!="]
Operation = Literal["+", "-", "*", "/"]


class Name(Record, tag_field="node", tag="name", frozen=True, kw_only=True):
    """A column's value."""

    name: str
    type: Type


class Constant(Record, tag_field="node", tag="constant", frozen=True, kw_only=True):
    """A number, a text, true or false, or a time in seconds since 1970, UTC; None is missing."""

    value: float | bool | str | None
    type: Type


class Arithmetic(Record, tag_field="node", tag="arithmetic", frozen=True, kw_only=True):
    op: Operation
    left: Expression
    right: Expression
    type: Type = "number"


class Apply(Record, tag_field="node", tag="apply", frozen=True, kw_only=True):
    """A function of `lockgate.features.functions`, by its name there."""

    function: str
    items: tuple[Expression, ...]
    type: Type


class Fill(Record, tag_field="node", tag="fill", frozen=True, kw_only=True):
    """`item`, and where it is missing `otherwise`; both of one type."""

    item: Expression
    otherwise: Expression
    type: Type


class When(Record, tag_field="node", tag="when", frozen=True, kw_only=True):
    """The value beside the first condition that is true, else `otherwise`: an unknown condition is not true."""

    cases: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression
    type: Type


class Compare(Record, tag_field="node", tag="compare", frozen=True, kw_only=True):
    op: Comparison
    left: Expression
    right: Expression
    type: Type = "bool"


class Among(Record, tag_field="node", tag="among", frozen=True, kw_only=True):
    """Whether `item` is one of `values`."""

    item: Expression
    values: tuple[float | bool | str, ...]
    type: Type = "bool"


class Join(Record, tag_field="node", tag="join", frozen=True, kw_only=True):
    op: Literal["and", "or"]
    parts: tuple[Expression, ...]
    type: Type = "bool"


class Not(Record, tag_field="node", tag="not", frozen=True, kw_only=True):
    item: Expression
    type: Type = "bool"


class IsNull(Record, tag_field="node", tag="is_null", frozen=True, kw_only=True):
    item: Expression
    type: Type = "bool"


Expression = Name | Constant | Arithmetic | Apply | Fill | When | Compare | Among | Join | Not | IsNull


def names(tree: Expression) -> tuple[str, ...]:
    """The columns that a tree reads, each once, in order."""
    return tuple(dict.fromkeys(_names(tree)))


def below(tree: Expression) -> tuple[Expression, ...]:
    """The trees that a tree is made of, in the order in which they stand in its text."""
    found: tuple[Expression, ...] = ()
    match tree:
        case Name() | Constant():
            pass
        case Arithmetic() | Compare():
            found = (tree.left, tree.right)
        case Apply():
            found = tree.items
        case Fill():
            found = (tree.item, tree.otherwise)
        case When():
            found = (*(one for case in tree.cases for one in case), tree.otherwise)
        case Join():
            found = tree.parts
        case Among() | Not() | IsNull():
            found = (tree.item,)
    return found


def _names(tree: Expression) -> Iterator[str]:
    if isinstance(tree, Name):
        yield tree.name
    for part in below(tree):
        yield from _names(part)
