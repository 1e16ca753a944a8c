"""A row feature: one expression over a row, written once, for a table and for a row."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError
from lockgate.features.columns import Columns, length
from lockgate.features.expression import Expression, names, number, reads, refuse_unreadable
from lockgate.features.lower import to_array
from lockgate.features.one_row import Lines
from lockgate.records import Record
from lockgate.records.contract import ColumnType


class RowStep(Record, tag="row", frozen=True, kw_only=True):
    """`name` is what `expression` says of the row: a number, a time as seconds, true or false as 1 and 0; missing is NaN.

    types: of the columns that it reads, learnt from the contract; None before.
    """

    name: str
    expression: str
    types: dict[str, ColumnType] | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        return reads(self.expression, place=self.place) if self.types is None else tuple(self.types)

    @property
    def gives(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def bare(self) -> RowStep:
        """The definition alone."""
        return msgspec.structs.replace(self, types=None)

    @property
    def place(self) -> str:
        return f"The row feature {self.name!r}"

    @property
    def tree(self) -> Expression:
        """Raises SpecError where the types of its columns are not known."""
        if self.types is None:
            raise SpecError(
                f"{self.place} does not know the types of its columns.",
                cure="Call typed(...) with them, or fit the pipeline by `lockgate train`, which knows the contract.",
            )
        return _tree(self.expression, tuple(self.types.items()), self.place)

    def typed(self, types: Mapping[str, ColumnType]) -> RowStep:
        """The same over columns of these types. Raises SpecError naming the place in the text that is wrong."""
        found = names(number(self.expression, types, place=self.place))
        return msgspec.structs.replace(self, types={name: types[name] for name in sorted(found)})

    def fitted(self, columns: Columns) -> RowStep:  # noqa: ARG002 - it learns nothing
        return self

    def array(self, columns: Columns) -> NDArray[np.float64]:
        found: NDArray[Any] = np.broadcast_to(to_array(self.tree, columns), length(columns))
        return found

    def line(self, lines: Lines) -> str:
        """The name of its value in a function of one row: a float64, NaN for missing."""
        found = lines.value(self.tree)
        if self.tree.type != "bool":
            return found
        return lines.once(f"(nan if {found} is None else 1.0 if {found} else 0.0)")


def row(name: str, expression: str) -> RowStep:
    """A feature of one row, say "speed" as "distance / block_minutes"; what may be written, and what missing means, stands
    in `lockgate.features.expression`. It reads the table's columns, and those of row, fitted and custom steps before it.

    Raises SpecError naming the place where the text is no expression over any columns.
    """
    refuse_unreadable(expression, place=f"The row feature {name!r}")
    return RowStep(name=name, expression=expression)


@lru_cache(maxsize=4096)
def _tree(expression: str, types: tuple[tuple[str, ColumnType], ...], place: str) -> Expression:
    return number(expression, dict(types), place=place)
