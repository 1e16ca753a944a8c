"""Row expressions for one row: written out as plain Python once, so that a row costs no walk through a tree.

Numbers go as float64 with NaN for missing, which passes through arithmetic by itself; true or false and text go with None.
The code is made of the tree alone: a column's name and a text of the user's stand in it as quoted constants at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from lockgate.features.functions import FUNCTIONS, NAMES
from lockgate.features.tree import (
    Among,
    Apply,
    Arithmetic,
    Compare,
    Constant,
    Expression,
    Fill,
    IsNull,
    Join,
    Name,
    Not,
    Type,
    When,
)

Get = Callable[[Any], Any]
"""What takes one value from a row."""


def to_function(tree: Expression, reads: Mapping[str, str], *, moments: bool = True) -> Get:
    """For one row: None where the tree has no value. reads: by column, the Python that takes it from `row`: "row[3]", say.

    The row holds Python's own values: numbers, booleans, text, None for missing; times are datetimes with their offset, or
    where not `moments` seconds since 1970. Raises OverflowError for a whole number too large for a float64.
    """
    lines = Lines(reads, moments=moments)
    found = lines.value(tree)
    lines.add(f"return {found}" if tree.type in ("bool", "text") else f"return None if {found} != {found} else {found}")
    return lines.function()


class Lines:
    """A function of one row on its way. What is asked for twice is computed once."""

    def __init__(self, reads: Mapping[str, str], *, moments: bool = False) -> None:
        self._reads = dict(reads)
        self._moments = moments
        self._lines: list[str] = []
        self._known: dict[str, str] = {}
        self._names: dict[str, Any] = dict(NAMES)

    def add(self, line: str) -> None:
        self._lines.append(line)

    def keep(self, value: Any) -> str:
        """A name for an object that the lines use."""
        name = f"k{len(self._names)}"
        self._names[name] = value
        return name

    def once(self, code: str) -> str:
        """A name for what this Python gives."""
        if code not in self._known:
            self._known[code] = f"v{len(self._known)}"
            self.add(f"{self._known[code]} = {code}")
        return self._known[code]

    def raw(self, column: str) -> str:
        """A column's value as it is in the row, None for missing."""
        return self.once(self._reads[column])

    def given(self, name: str, found: str) -> None:
        """From here on the column of this name is a float64 that stands in `found`, NaN for missing."""
        self._reads[name] = f"given {found}"

    def number(self, column: str) -> str:
        """A column's value as a float64, NaN for missing. Times 1.0: float(x) takes three times as long."""
        found = self._reads[column]
        if found.startswith("given "):
            return found.removeprefix("given ")
        value = self.raw(column)
        return self.once(f"nan if {value} is None else {value} * 1.0")

    def function(self) -> Get:
        body = "\n    ".join(self._lines)
        names: dict[str, Any] = {**self._names, "__builtins__": {}}
        exec(compile(f"def one_row(row):\n    {body}\n", "<one row>", "exec"), names)  # noqa: S102 - our own text
        made: Get = names["one_row"]
        return made

    def value(self, tree: Expression) -> str:
        """A name or constant for what the tree says."""
        if isinstance(tree, Constant):
            return self.keep(tree.value) if isinstance(tree.value, str) else _constant(tree)
        if isinstance(tree, Name):
            return self._column(tree)
        if isinstance(tree, Compare) and self._moments:
            found = self._ordered(tree)
            if found is not None:
                return found
        return self.once(self._code(tree))

    def _column(self, tree: Name) -> str:
        if tree.type == "number" or (tree.type == "time" and not self._moments):
            return self.number(tree.name)
        value = self.raw(tree.name)
        return self.once(f"nan if {value} is None else {value}.timestamp()") if tree.type == "time" else value

    def _code(self, tree: Expression) -> str:
        found = ""
        match tree:
            case Arithmetic():
                left, right = self.value(tree.left), self.value(tree.right)
                found = f"{left} {tree.op} {right}"
                if tree.op == "/":
                    found = f"({found} if {right} else nan)"
            case Apply():
                found = FUNCTIONS[tree.function].one.format(*map(self.value, tree.items))
            case Fill():
                item, otherwise = self.value(tree.item), self.value(tree.otherwise)
                found = f"({otherwise} if {_is_missing(item, tree.type)} else {item})"
            case When():
                found = self.value(tree.otherwise)
                for case, value in reversed(tree.cases):
                    found = f"({self.value(value)} if {self.value(case)} else {found})"
            case Compare() | Among():
                found = self._told(tree)
            case Join():
                found = _kleene(list(map(self.value, tree.parts)), tree.op)
            case Not():
                item = self.value(tree.item)
                found = f"(None if {item} is None else not {item})"
            case IsNull():
                found = f"({_is_missing(self.value(tree.item), tree.item.type)})"
            case Name() | Constant():
                found = self.value(tree)
        return found

    def _told(self, tree: Compare | Among) -> str:
        if isinstance(tree, Among):
            item = self.value(tree.item)
            return f"(None if {_is_missing(item, tree.item.type)} else {item} in {self.keep(frozenset(tree.values))})"
        sides = [(self.value(side), side) for side in (tree.left, tree.right)]
        missing = " or ".join(_is_missing(name, side.type) for name, side in sides if not isinstance(side, Constant))
        told = f"{sides[0][0]} {tree.op} {sides[1][0]}"
        return f"(None if {missing} else {told})" if missing else f"({told})"

    def _ordered(self, tree: Compare) -> str | None:
        """Two times of a row, as datetimes. Rounding to seconds keeps an order that holds, so it is done only where it does
        not.
        """
        left, right = tree.left, tree.right
        if not (isinstance(left, Name) and isinstance(right, Name) and left.type == "time" and tree.op in ("<=", ">=")):
            return None
        one, other = self.raw(left.name), self.raw(right.name)
        told = f"{one} {tree.op} {other} or {one}.timestamp() {tree.op} {other}.timestamp()"
        return self.once(f"(None if {one} is None or {other} is None else {told})")


def _constant(tree: Constant) -> str:
    if tree.value is None:
        return "nan" if tree.type in ("number", "time") else "None"
    if isinstance(tree.value, float) and not math.isfinite(tree.value):
        raise AssertionError("The reader takes finite numbers alone.")
    # In brackets: a negative number is no name, and binds less than what may stand round it.
    return f"({tree.value!r})"


def _is_missing(name: str, kind: Type) -> str:
    return f"{name} is None" if kind in ("bool", "text") else f"{name} != {name}"


def _kleene(parts: list[str], op: str) -> str:
    """One false settles `and`, one true settles `or`; else one unknown leaves it unknown."""
    settles = op == "or"
    is_settled = " or ".join(f"{part} is {settles}" for part in parts)
    is_unknown = " or ".join(f"{part} is None" for part in parts)
    return f"({settles} if {is_settled} else None if {is_unknown} else {not settles})"
