"""What a row breaks of its contract: the one definition that tables, requests and a model's own inputs are held to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import ContractError
from lockgate.features.columns import Columns
from lockgate.features.expression import Expression, condition, names
from lockgate.features.levelled import levels_of
from lockgate.features.lower import to_array
from lockgate.records import Column, Contract, Rule
from lockgate.records.contract import ColumnType, OnBreak

MANY_ROWS = 256
Kind = Literal["missing", "not finite", "below range", "above range", "unseen level", "not whole", "broken"]


class Break(NamedTuple):
    """`rows`: shape (n,), which rows break the rule. subject: the column, or the rule's name. columns: those it is about.
    check: the rule's own text, of a rule between columns.
    """

    subject: str
    kind: Kind
    rows: NDArray[np.bool_]
    on_break: OnBreak
    columns: tuple[str, ...]
    check: str = ""

    @property
    def column(self) -> str:
        return self.columns[0]

    @property
    def is_refused(self) -> bool:
        """Whether such a row may not be used at all."""
        return self.on_break == "refuse"

    @property
    def flag(self) -> str:
        return f"{self.subject}: {self.kind}"


class ReadRule(NamedTuple):
    """A cross-column rule with its tree."""

    rule: Rule
    tree: Expression
    columns: tuple[str, ...]


def read_rules(contract: Contract) -> tuple[ReadRule, ...]:
    """The contract's cross-column rules. Raises SpecError naming the rule and the place in it that cannot be read."""
    types: dict[str, ColumnType] = {column.name: column.type for column in contract.columns}
    trees = [condition(rule.check, types, place=f"The rule {rule.name!r}") for rule in contract.rules]
    return tuple(ReadRule(rule, tree, names(tree)) for rule, tree in zip(contract.rules, trees, strict=True))


def asked_rules(contract: Contract) -> tuple[ReadRule, ...]:
    """Those that hold a row which is asked about as well: all their columns are known when the question is asked."""
    asked = {column.name for column in contract.asked}
    return tuple(rule for rule in read_rules(contract) if asked.issuperset(rule.columns))


def sent_rules(contract: Contract) -> tuple[ReadRule, ...]:
    """Of those, the ones that hold what a caller sends: nothing in them is computed here."""
    return tuple(rule for rule in asked_rules(contract) if contract.aggregates.keys().isdisjoint(rule.columns))


def kinds(column: Column) -> list[tuple[Kind, OnBreak]]:
    """The rules of one column, in order, with what a break of each does: what every check of it is made from."""
    found: list[tuple[Kind, OnBreak]] = []
    if column.type not in ("text", "bool", "time"):
        found.append(("not finite", column.does("not_finite")))
    if not column.is_nullable:
        found.append(("missing", column.does("missing")))
    if column.type == "text":
        return [*found, ("unseen level", column.does("levels"))] if column.levels is not None else found
    if column.low is not None:
        found.append(("below range", column.does("range")))
    if column.high is not None:
        found.append(("above range", column.does("range")))
    return found


def breaks(columns: Columns, contract: Iterable[Column], rules: Iterable[ReadRule] = ()) -> list[Break]:
    """The rules that at least one row breaks, the columns' first.

    A null where none may be, an infinity, and a value outside a person's range are refused unless declared otherwise;
    outside an inferred range or among unseen levels is flagged, for the world may go where the training table never was.
    """
    with np.errstate(invalid="ignore"):
        found = [
            Break(column.name, kind, _broken(column, kind, columns[column.name]), does, (column.name,))
            for column in contract
            if not _keeps_all(column, columns[column.name])
            for kind, does in kinds(column)
        ]
    for rule in rules:
        is_broken = to_array(rule.tree, columns) == 0.0
        found.append(Break(rule.rule.name, "broken", is_broken, rule.rule.on_break, rule.columns, rule.rule.check))
    return [item for item in found if item.rows.any()]


def refuse(found: Iterable[Break], cure: str) -> None:
    """Raises ContractError naming the first column that a row may not be used for, and the first such row."""
    item = next((item for item in found if item.is_refused), None)
    if item is not None:
        row = int(item.rows.argmax())
        message = f"Column {item.column!r} of row {row} is {item.kind}."
        if item.kind == "broken":
            message = f"Row {row} breaks the rule {item.subject!r}: {item.check}."
        raise ContractError(message, cure=cure, column=item.column, row=row)


def flags_by_row(found: Iterable[Break], rows: int) -> list[tuple[str, ...]]:
    """The flags of each row, in the order of the contract's columns."""
    flags: list[tuple[str, ...]] = [()] * rows
    for item in found:
        for row in np.flatnonzero(item.rows):
            flags[row] = (*flags[row], item.flag)
    return flags


def falls_back(found: Iterable[Break], rows: int) -> NDArray[np.bool_]:
    """Shape (rows,): which rows the contract leaves to the fallback."""
    left = np.zeros(rows, dtype=bool)
    for item in found:
        if item.on_break == "fall_back":
            left |= item.rows
    return left


def _keeps_all(column: Column, values: NDArray[Any]) -> bool:
    """Whether a stretch of numbers lies within all that is asked of its column, told by its ends; nearly always it does."""
    if column.type == "text" or len(values) < MANY_ROWS:
        return False
    if column.is_nullable:  # what is missing has no place among the others
        low, high = float(np.fmin.reduce(values)), float(np.fmax.reduce(values))
    else:
        low, high = float(values.min()), float(values.max())
    is_within = (column.low is None or low >= column.low) and (column.high is None or high <= column.high)
    return is_within and bool(np.isfinite(low) and np.isfinite(high))


def _broken(column: Column, kind: Kind, values: NDArray[Any]) -> NDArray[np.bool_]:
    if column.type == "text":
        usual: set[str | None] = {*(column.levels or ()), None}
        known = levels_of(values)
        if known is not None:
            found = [level is None if kind == "missing" else level not in usual for level in known.levels]
            of_levels: NDArray[np.bool_] = np.array(found, dtype=bool)[known.codes]
            return of_levels
        texts: list[str | None] = values.tolist()
        # Most stretches break nothing, which is soon known of the whole.
        if (None not in texts) if kind == "missing" else usual.issuperset(texts):
            return np.zeros(len(texts), dtype=bool)
        return np.array([value is None if kind == "missing" else value not in usual for value in texts], dtype=bool)
    broken: NDArray[np.bool_]
    if kind in ("missing", "not finite"):
        broken = np.isnan(values) if kind == "missing" else np.isinf(values)
    else:
        broken = values < column.low if kind == "below range" else values > column.high
    return broken
