"""The values of a CSV file, text each, as the numbers, booleans and times they say they are.

A column is read as one type or not at all: a number column with a word in it is named with the row, and never quietly left
as text. What may be read in two ways is said in a note.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from lockgate.errors import SpecError

if TYPE_CHECKING:
    import polars as pl

MOSTLY = 0.9
MISSING = ("NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "?", "-", ".")
"""Words that stand for no value, in a column that otherwise holds numbers or times."""

WHOLE = r"^[+-]?\d+$"
DECIMAL_COMMA = r"^[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+$"
TIME = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?\s?(Z|[+-]\d\d:?\d\d)?$"
DATE = r"^\d{4}-\d\d-\d\d$"
_OFFSET = r"(Z|[+-]\d\d:?\d\d)$"


class Values(NamedTuple):
    table: pl.DataFrame
    notes: tuple[str, ...]


def read_values(table: pl.DataFrame, path: str, *, decimal_comma: bool, text: Collection[str] = ()) -> Values:
    """table: every column text; `text` names those that stay so.

    Raises SpecError naming the column, the first row that does not fit, and the cure.
    """
    found: list[pl.Series] = []
    notes: list[str] = []
    for name in (name for name in table.columns if name not in text):
        series, said = _column(table[name], path, decimal_comma=decimal_comma)
        found.append(series)
        notes += said
    return Values(table.with_columns(found), tuple(notes))


def as_times(series: pl.Series) -> pl.Series | None:
    """A text column whose every value is an ISO time or date, as such; None for any other. Raises SpecError for a time that
    does not exist, or where some have an offset and some have not.
    """
    if not series.count() or not (series.str.contains(TIME) | series.str.contains(DATE)).all():
        return None
    return as_time(series, "the query's answer", decimal_comma=False)


def _column(series: pl.Series, path: str, *, decimal_comma: bool) -> tuple[pl.Series, list[str]]:
    import polars as pl

    text = series.str.strip_chars()
    is_word = text.is_in(MISSING).fill_null(value=False)
    values = text.set(is_word, None)  # what is left should all be of one kind
    if not values.count():
        return values.cast(pl.Null), _said(series, is_word)
    if values.str.to_lowercase().is_in(["true", "false"]).all():
        return values.str.to_lowercase() == "true", _said(series, is_word)
    for read in (as_time, _as_number):
        typed = read(values, path, decimal_comma=decimal_comma)
        if typed is not None:
            return typed, _said(series, is_word) + _offsets_said(values, typed)
    return series, []


def _as_number(values: pl.Series, path: str, *, decimal_comma: bool) -> pl.Series | None:
    """None where the column is text. A whole column of whole numbers that begin with 0 is text: 007 is a name."""
    import polars as pl

    numbers = values
    if decimal_comma:
        numbers = values.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    else:
        _refuse_decimal_commas(values, path)
    is_code = numbers.str.contains(r"^0\d+$").any()
    if is_code and numbers.str.contains(WHOLE).all():
        return None
    typed = numbers.cast(pl.Float64, strict=False)
    if typed.null_count() > values.null_count():
        _refuse_mixed(values, typed, path)
        return None
    if numbers.str.contains(WHOLE).all():
        whole = numbers.cast(pl.Int64, strict=False)
        return whole if whole.null_count() == values.null_count() else None  # longer than 64 bits: a name
    return typed


def as_time(
    values: pl.Series,
    path: str,
    *,
    decimal_comma: bool = False,  # noqa: ARG001 - as its neighbour
    first: int = 0,
) -> pl.Series | None:
    """Times and dates as ISO 8601 writes them. Moments with offsets come in UTC, times without stay without. first: which
    row of the file the first value is of.
    """
    import polars as pl

    if values.str.contains(DATE).all():
        return values.str.to_date("%Y-%m-%d", strict=False) if _are_dates(values) else None
    is_time = values.str.contains(TIME).fill_null(value=True)
    if not is_time.all():
        share = (is_time & values.is_not_null()).sum() / values.count()
        if share >= MOSTLY:
            raise _other(values, ~is_time, path, "a time", first)
        return None
    has_offset = values.str.contains(_OFFSET).fill_null(value=True)
    if not has_offset.any() or (has_offset & values.is_not_null()).sum() == 0:
        return _parsed(values, path, zone=None, first=first)
    if not has_offset.all():
        row = (~has_offset).arg_max() or 0
        raise SpecError(
            f"Column {values.name!r} of {path} mixes times with an offset and times without: row {first + row + 1} (line "
            f"{first + row + 2}) is {values[row]!r}.",
            cure="Write every time with its offset (2026-01-31T12:00:00Z), or none of them.",
        )
    return _parsed(values, path, zone="UTC", first=first).cast(pl.Datetime("us", "UTC"))


def _are_dates(values: pl.Series) -> bool:
    return values.str.to_date("%Y-%m-%d", strict=False).null_count() == values.null_count()


def _parsed(values: pl.Series, path: str, *, zone: str | None, first: int) -> pl.Series:
    """Every value brought to one form first: a T between, seconds, an offset with a colon."""
    import polars as pl

    whole = values.str.replace(" ", "T", literal=True).str.replace(r"\s", "").str.replace(r"Z$", "+00:00")
    whole = whole.str.replace(r"([+-]\d\d):?(\d\d)$", "${1}:${2}") if zone else whole
    whole = whole.str.replace(r"^(.{10}T\d\d:\d\d)([+-]|$)", "${1}:00${2}")
    form = "%Y-%m-%dT%H:%M:%S%.f%:z" if zone else "%Y-%m-%dT%H:%M:%S%.f"
    typed = whole.str.to_datetime(form, time_unit="us", time_zone=zone, strict=False, exact=True)
    if typed.null_count() > values.null_count():
        raise _other(values, typed.is_null() & values.is_not_null(), path, "a time that exists", first)
    return typed.cast(pl.Datetime("us", zone))


def _refuse_decimal_commas(values: pl.Series, path: str) -> None:
    share = (values.str.contains(DECIMAL_COMMA).sum() or 0) / values.count()
    is_rest_whole = values.str.contains(DECIMAL_COMMA) | values.str.contains(WHOLE)
    if share > 0 and bool(is_rest_whole.all()):
        row = values.str.contains(DECIMAL_COMMA).fill_null(value=False).arg_max() or 0
        raise SpecError(
            f"Column {values.name!r} of {path} has decimal commas: row {row + 1} (line {row + 2}) is {values[row]!r}.",
            cure="Say so: decimal_comma=True, or --decimal-comma.",
        )


def _refuse_mixed(values: pl.Series, typed: pl.Series, path: str) -> None:
    """Text where nearly all is numbers is a mistake in the file, and not a text column."""
    share = typed.count() / values.count()
    if share >= MOSTLY:
        raise _other(values, typed.is_null() & values.is_not_null(), path, "a number")


def _other(values: pl.Series, is_other: pl.Series, path: str, wanted: str, first: int = 0) -> SpecError:
    row = is_other.arg_max() or 0
    more = int(is_other.sum()) - 1
    others = f", and {more:,} more rows are like it" if more else ""
    return SpecError(
        f"Column {values.name!r} of {path} holds text where {'numbers' if wanted == 'a number' else 'times'} should be: "
        f"row {first + row + 1} (line {first + row + 2}) is {values[row]!r}, which is not {wanted}{others}.",
        cure="Mend the value, or leave it empty where it is missing; if the column is text after all, say so: "
        f"text=({values.name!r},), or --text {values.name!r}.",
    )


def _said(series: pl.Series, is_word: pl.Series) -> list[str]:
    words = series.filter(is_word).unique().sort().to_list()
    if not words:
        return []
    rows = int(is_word.sum())
    named = ", ".join(map(repr, words))
    return [f"Column {series.name!r}: {named} in {rows:,} {'row' if rows == 1 else 'rows'} read as missing."]


def _offsets_said(values: pl.Series, typed: pl.Series) -> list[str]:
    """Times of several offsets are moments all the same; that they were told apart by them is worth a word."""
    if not typed.dtype.is_temporal():
        return []
    offsets = values.str.extract(_OFFSET).drop_nulls().unique().sort().to_list()
    if len(offsets) < 2:
        return []
    return [
        f"Column {typed.name!r} holds times with the offsets {', '.join(offsets)}: read as the same moments in UTC."
    ]
