"""Contracts over tables: checked exactly, and breaking rows set aside. The table half: needs Polars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import ContractError, LeakError, unknown
from lockgate.features.check import MANY_ROWS, Kind, kinds, read_rules
from lockgate.features.columns import Columns
from lockgate.features.infer import column_type, infer
from lockgate.features.levelled import levelled
from lockgate.features.table_expression import to_polars
from lockgate.features.typed import typed as typed_columns
from lockgate.records import Column, Contract
from lockgate.records.contract import OnBreak

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

__all__ = [
    "Checked",
    "Mask",
    "check",
    "column_type",
    "duplicate_key",
    "infer",
    "masks",
    "refuse_leaks",
    "to_columns",
    "typed",
]

MANY_UNSEEN = 1_000  # texts that are no level: beyond, a column is not one of few values


class Checked(NamedTuple):
    """kept: the rows that may be used; quarantined: the others, with a `broken_rule` column that lists what each breaks.

    counts: the quarantined rows by rule (a row that breaks two is under both). flagged: rows by rule that break one which
    does not refuse them.
    """

    kept: pl.DataFrame
    quarantined: pl.DataFrame
    counts: dict[str, int]
    flagged: dict[str, int]


class Mask(NamedTuple):
    """flag: the rule's words. rows: a Polars expression, true where a row breaks it, never null."""

    flag: str
    on_break: OnBreak
    rows: pl.Expr


def check(table: pl.DataFrame, contract: Contract) -> Checked:
    """Hold a table to its contract: another schema is refused whole, breaking rows are set aside with their rules.

    Raises ContractError naming the first column that is missing, extra or of another type: a silent cast would store
    1.7 in an int column as 1.
    """
    table = typed(table, contract)
    asked = masks(contract, table)
    # One pass over the table for every rule, and nothing of the size of the table in Python.
    broken = table.lazy().select(mask.rows.alias(str(place)) for place, mask in enumerate(asked)).collect()
    rows = [int(broken[str(place)].sum()) for place in range(len(asked))]
    flagged = {mask.flag: n for mask, n in zip(asked, rows, strict=True) if n and mask.on_break != "refuse"}
    refused = {str(place): mask.flag for place, mask in enumerate(asked) if rows[place] and mask.on_break == "refuse"}
    counts = {flag: rows[int(place)] for place, flag in refused.items()}
    is_broken = _any(broken, refused, table.height)
    repeats = duplicate_key(contract)
    if contract.keys and (is_repeated := _repeated(table, contract.keys, is_broken)).any():
        is_broken = is_broken | is_repeated
        counts[repeats] = int(is_repeated.sum())
    if not counts:
        return Checked(table, table.clear().with_columns(_words(broken.clear(), refused, repeats)), counts, flagged)
    quarantined = table.filter(is_broken).with_columns(_words(broken.filter(is_broken), refused, repeats))
    by_count = dict(sorted(counts.items(), key=lambda item: -item[1]))
    return Checked(table.filter(~is_broken), quarantined, by_count, flagged)


def duplicate_key(contract: Contract) -> str:
    """The words under which a second row of the same keys is set aside."""
    return f"{', '.join(contract.keys)}: duplicate key"


def masks(contract: Contract, table: pl.DataFrame) -> list[Mask]:
    """Every rule of the contract over a table that has its columns, in the order in which a row's flags are listed."""
    found = [
        Mask(f"{column.name}: {kind}", does, rows)
        for column in contract.columns
        for kind, does, rows in _column_masks(column, table[column.name])
    ]
    for rule in read_rules(contract):
        kept = to_polars(rule.tree).fill_null(value=True)
        found.append(Mask(f"{rule.rule.name}: broken", rule.rule.on_break, kept.not_()))
    return found


def _column_masks(column: Column, series: pl.Series) -> Iterator[tuple[Kind, OnBreak, pl.Expr]]:
    """What cannot be in this table (an infinity among whole numbers, a null where none is) costs nothing."""
    import polars as pl

    own = pl.col(column.name)
    is_float, has_null = series.dtype.is_float(), series.null_count() > 0
    number = own if is_float or column.type != "int" else own.cast(pl.Float64)
    for kind, does in kinds(column):
        found: pl.Expr | None = None
        if kind == "missing" and (is_float or has_null):
            yield kind, does, (own.is_null() | own.is_nan()).fill_null(value=True) if is_float else own.is_null()
        elif kind == "not finite" and is_float:
            found = own.is_infinite()
        elif kind == "unseen level":
            text = own if isinstance(series.dtype, pl.String) else own.cast(pl.String)
            found = text.is_in(list(column.levels or ())).not_()
        elif kind == "below range":
            found = number < column.low
        elif kind == "above range":
            found = (number > column.high) & own.is_not_nan() if is_float else number > column.high
        if found is not None:
            yield kind, does, found.fill_null(value=False) if has_null else found


def _any(broken: pl.DataFrame, refused: dict[str, str], rows: int) -> pl.Series:
    import polars as pl

    if not refused:
        return pl.Series([False]).new_from_index(0, rows)
    return broken.select(pl.any_horizontal(*refused)).to_series()


def _repeated(table: pl.DataFrame, keys: tuple[str, ...], is_broken: pl.Series) -> pl.Series:
    """Rows whose key came before, among the rows that are otherwise whole: a broken row must not push out the good one
    sent in its place.
    """
    import polars as pl

    place = pl.int_range(pl.len(), dtype=pl.UInt32).alias("place")
    whole = table.select(pl.struct(keys).alias("key"), place).filter(~is_broken)
    repeated = whole.filter(pl.col("key").is_first_distinct().not_())["place"]
    return table.select(place.is_in(repeated.implode())).to_series()


def _words(broken: pl.DataFrame, refused: dict[str, str], otherwise: str) -> pl.Series:
    """What each of these rows breaks, `; ` between; `otherwise` of a row that breaks none of `refused`."""
    import polars as pl

    if not refused:
        return pl.Series("broken_rule", [otherwise], dtype=pl.String).new_from_index(0, broken.height)
    said = [pl.when(pl.col(place)).then(pl.lit(flag)) for place, flag in refused.items()]
    words = pl.concat_str(said, separator="; ", ignore_nulls=True).alias("words")
    is_any = pl.any_horizontal(*refused)
    return broken.select(pl.when(is_any).then(words).otherwise(pl.lit(otherwise)).alias("broken_rule")).to_series()


def typed(table: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The table, once its schema is the contract's; a column without any value gets the contract's type."""
    found = typed_columns(table, contract.columns, model=contract.model)
    extra = [name for name in table.columns if contract.column(name) is None]
    if extra:
        raise ContractError(
            f"Column {extra[0]!r} is not in the contract of {contract.model}.", cure="Drop it.", column=extra[0]
        )
    return found


def to_columns(table: pl.DataFrame, contract: Iterable[Column]) -> Columns:
    """The table's columns as arrays; names that it does not hold raise ContractError."""
    import polars as pl

    columns: Columns = {}
    for column in contract:
        if column.name not in table.columns:
            raise ContractError(unknown("column", column.name, table.columns), column=column.name)
        series = table[column.name]
        if column.type == "text":
            columns[column.name] = _texts(series.cast(pl.String), column.levels or ())
        elif column.type == "time" and not isinstance(series.dtype, pl.Null):
            micros = series.dt.cast_time_unit("us").cast(pl.Int64)
            columns[column.name] = micros.cast(pl.Float64).fill_null(float("nan")).to_numpy() / 1e6
        else:
            columns[column.name] = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return columns


def _texts(series: pl.Series, levels: tuple[str, ...]) -> NDArray[Any]:
    """An object array, with its levels where the texts are the contract's and few others."""
    import polars as pl

    known = list(dict.fromkeys(levels))
    if known and series.len() >= MANY_ROWS:
        found = series.cast(pl.Enum(known), strict=False)
        if found.null_count() != series.null_count():
            unseen = series.filter(found.is_null() & series.is_not_null()).unique(maintain_order=True)
            known += unseen.to_list() if unseen.len() <= MANY_UNSEEN else []
            found = series.cast(pl.Enum(known), strict=False)
        if found.null_count() == series.null_count():
            codes = found.to_physical().cast(pl.UInt32).fill_null(len(known)).to_numpy()
            return levelled([*known, None], codes)
    values = np.empty(series.len(), dtype=object)
    values[:] = series.to_list()
    return values


def refuse_leaks(contract: Contract, needs: Iterable[str]) -> None:
    """Raises LeakError where a feature is known only after the question, ContractError where it is no column."""
    for name in needs:
        column = contract.column(name)
        if column is None:
            raise ContractError(unknown("column", name, [c.name for c in contract.columns]), column=name)
        if not column.is_known_before:
            asked = f" at {contract.time!r}" if contract.time else ""
            raise LeakError(
                f"{name!r} cannot be a feature of {contract.model}: it is known only after the question{asked} is asked, "
                "so a model that learns from it is brilliant in training and blind in production.",
                cure="Take it out of the features; if it is known in time after all, out of contract.known_after.",
                column=name,
            )
