"""Row expressions: a condition or a number over the columns of one row, read from text into a small typed tree.

Written as Python and Polars write it: `arrives_at >= asked_at`, `seats > 0 and distance < 5000`, `carrier in ("AA", "UA")`,
`is_null(wait) or 0 <= wait`, `col("sepal length (cm)") * 2 > 1`, `log1p(distance) / hour(asked_at)`,
`when(seats > 300).then(2).when(seats > 100).then(1).otherwise(0)`; `x.log1p()` and `t.dt.hour()` are log1p(x) and hour(t).
Nothing in the text is ever run: it is parsed, and what is not on this page is refused by its place.

Meaning, the same for a table, for `Columns` and for one row (`lockgate.features.lower`, `.one_row`, `.table_expression`):

- numbers are float64; a time is seconds since 1970, UTC, and a text beside a time is read as one;
- NaN is missing, and so is what has no value (0 / 0, infinity - infinity, anything divided by zero, the logarithm of
  nothing or less, the root of a negative number); what is too large is infinite;
- missing compared or reckoned with anything is missing, also in min, max and clip; `and`, `or`, `not` take it as unknown
  (Kleene's logic), and `when` goes on to its next case;
- text is equal or not, and has no order;
- hour, weekday (Monday is 1) and the rest are those of UTC: for a place five hours behind, write hour(t - 5 * 3600);
- round goes to the even neighbour of two that are as near, and `%` has the sign of its divisor, as in Python.
"""

from __future__ import annotations

from collections.abc import Mapping

from lockgate.errors import SpecError
from lockgate.features.reader import LONGEST, Reader, titled
from lockgate.features.tree import Expression, names
from lockgate.records.contract import ColumnType

__all__ = ["LONGEST", "Expression", "condition", "names", "number", "parse", "reads", "refuse_unreadable"]


def parse(text: str, types: Mapping[str, ColumnType], *, place: str = "The expression") -> Expression:
    """The tree of a text over columns of these types. Raises SpecError naming the place in the text, and the cure."""
    return Reader(text, types, place).read()


def condition(text: str, types: Mapping[str, ColumnType], *, place: str = "The rule") -> Expression:
    """The same, of a text that is true or false of a row."""
    found = parse(text, types, place=place)
    if found.type != "bool":
        raise SpecError(
            f"{place}, {text!r}, is {titled(found)}, and a rule is true or false.", cure="Compare it: x >= 0, say."
        )
    if not names(found):
        raise SpecError(f"{place}, {text!r}, reads no column.", cure="Say something of a row: x >= 0, say.")
    return found


def refuse_unreadable(text: str, *, place: str = "The rule") -> None:
    """The part of `parse` that needs no columns: raises SpecError where the text could be no expression over any."""
    Reader(text, {}, place).refuse_unknown_words()


def number(text: str, types: Mapping[str, ColumnType], *, place: str = "The feature") -> Expression:
    """The same, of a text that can be a model's input: a number, a time, or true or false of a row."""
    found = parse(text, types, place=place)
    if found.type == "text":
        raise SpecError(
            f"{place}, {text!r}, is {titled(found)}, and a feature is a number.",
            cure='Compare it, x == "AA" say; or number its levels with levels("x").',
        )
    if not names(found):
        raise SpecError(f"{place}, {text!r}, reads no column.", cure="Say something of a row: distance / 2, say.")
    return found


def reads(text: str, *, place: str = "The feature") -> tuple[str, ...]:
    """The columns that a text reads, each once, before anybody knows their types. Raises SpecError as `refuse_unreadable`."""
    return Reader(text, {}, place).columns()
