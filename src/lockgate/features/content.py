"""What a table holds, apart from the order in which it came: one order for its rows, one digest for its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lockgate.features.contract import Checked, duplicate_key
from lockgate.records import Contract

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

AT_ONCE = 1 << 20
"""Rows of a column that are hashed in one go: part of the digest's definition, for text goes lengths first."""
MARKS = ("mark_1", "mark_2")


class Once(NamedTuple):
    """The table without rows that came before in every value, and how many those were."""

    table: pl.DataFrame
    repeated: int


def arranged(table: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The rows by time, then keys, then what was known last, then every other value: the same rows in any order give the
    same table. A table with neither time nor keys keeps the order it came in.
    """
    lead = [name for name in (contract.time, *contract.keys) if name is not None]
    if not lead:
        return table
    lead = list(dict.fromkeys(lead))
    known = [contract.known] if contract.known and contract.known not in lead else []
    rest = sorted(set(table.columns) - {*lead, *known})
    is_last = [False] * len(lead) + [True] * len(known) + [False] * len(rest)
    return table.sort(*lead, *known, *rest, descending=is_last, nulls_last=is_last)


def once(table: pl.DataFrame, contract: Contract) -> Once:
    """An arranged table with each row once. Without keys nothing says that two equal rows are one: all are kept."""
    import polars as pl

    if not contract.keys or table.height < 2:
        return Once(table, 0)
    is_alike = [pl.col(name).eq_missing(pl.col(name).shift(1)) for name in table.columns]
    repeated = table.lazy().select(pl.all_horizontal(*is_alike) & (pl.int_range(pl.len()) > 0)).collect().to_series()
    count = int(repeated.sum())
    return Once(table.filter(~repeated) if count else table, count)


def settled(checked: Checked, contract: Contract) -> Checked:
    """Of an arranged table: where rows of one key were asked and known at the same moments and hold other values, nobody
    can say which is right, so that all of them are set aside, not all but one.
    """
    import polars as pl

    repeats = duplicate_key(contract)
    if repeats not in checked.counts:
        return checked
    told_by = list(dict.fromkeys(name for name in (*contract.keys, contract.time, contract.known) if name))
    is_repeat = pl.col("broken_rule") == repeats
    tied = checked.quarantined.filter(is_repeat).join(
        checked.kept.select(told_by), on=told_by, how="semi", nulls_equal=True
    )
    if not tied.height:
        return checked
    tied = tied.select(told_by).unique()
    words = f"{', '.join(contract.keys)}: conflicting rows"
    conflict = pl.lit(words).alias("broken_rule")
    is_tied = _among(checked.quarantined, tied, told_by) & checked.quarantined.select(is_repeat).to_series()
    left = checked.kept.filter(_among(checked.kept, tied, told_by)).with_columns(conflict)
    quarantined = checked.quarantined.with_columns(pl.when(is_tied).then(conflict).otherwise(pl.col("broken_rule")))
    counts = checked.counts | {repeats: checked.counts[repeats] - int(is_tied.sum())}
    counts |= {words: left.height + int(is_tied.sum())}
    return Checked(
        checked.kept.filter(~_among(checked.kept, tied, told_by)),
        pl.concat([quarantined, left]),
        {rule: rows for rule, rows in counts.items() if rows},
        checked.flagged,
    )


def digest(table: pl.DataFrame) -> str:
    """SHA-256 over names, types and rows, as hex, whatever the order of either.

    Of types that a store keeps (`features.schema.storable`). -0.0 counts as 0.0 and every NaN as one; a null is no NaN.
    """
    names = sorted(table.columns)
    found = hashlib.sha256(f"{table.height}".encode())
    rows = table.select(names).sort(names) if names else table
    for name in names:
        found.update(f"\n{name!r} {table.schema[name].base_type().__name__}\n".encode())
        for start in range(0, rows.height, AT_ONCE):
            for part in _bytes(rows[name].slice(start, AT_ONCE)):
                found.update(part)
    return found.hexdigest()


def marks(names: Sequence[str]) -> list[pl.Expr]:
    """Two numbers of 64 bits that stand for a row's values in these columns, within one process.

    Two different rows of ten million have the same pair with a chance of some 1e-25.
    """
    import polars as pl

    values = pl.struct(names)
    return [values.hash(seed=seed).alias(mark) for seed, mark in enumerate(MARKS, start=1)]


def _bytes(part: pl.Series) -> Iterator[bytes]:
    import polars as pl

    if part.null_count():
        yield np.packbits(part.is_null().to_numpy()).tobytes()
    if part.dtype == pl.String:
        yield part.str.len_bytes().fill_null(0).to_numpy().astype("<u4").tobytes()
        yield str(part.fill_null("").str.join("")[0]).encode()
    elif part.dtype.is_float():
        values = part.fill_null(0.0).to_numpy() + 0.0
        yield np.where(np.isnan(values), np.nan, values).tobytes()
    elif part.dtype == pl.Boolean:
        yield np.packbits(part.fill_null(value=False).to_numpy()).tobytes()
    else:
        yield part.to_physical().fill_null(0).to_numpy().tobytes()


def _among(table: pl.DataFrame, keys: pl.DataFrame, names: list[str]) -> pl.Series:
    """Shape (rows,): whether a row's values in `names` stand in `keys`."""
    import polars as pl

    found = table.select(names).join(
        keys.with_columns(pl.lit(value=True).alias("is_among")),
        on=names,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    return found["is_among"].fill_null(value=False)
