"""The door to profiles: `lockgate.profile`, no workspace needed, on tables of any size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from lockgate.errors import SpecError
from lockgate.features.profiles import table as counting
from lockgate.records.profile import ENGINE, Profile
from lockgate.workspace import tables

FEW_ROWS = 20_000


def profile(
    table: Any,
    *,
    against: Profile | None = None,
    columns: Sequence[str] | None = None,
    time: str | None = None,
    prediction: str | None = None,
    bins: int = counting.BINS,
) -> Profile:
    """What a table holds, counted: a reference, or with `against` a window over the reference's cells.

    table: a pandas or Polars frame, a LazyFrame, Arrow, a mapping of columns, or a file (Parquet, Arrow, CSV, JSON lines)
    or Delta folder. Files and LazyFrames are streamed, a reference twice, so that memory does not grow with their rows.
    columns: those that are counted, all if left out. time: when a row was asked; how far other times lie before it is
    counted too. prediction: the column with what a model said. bins: cells of a number, 16 to 32, as many rows in each.
    Profiles over the same cells add up: `monday + tuesday`, in any order, to the same bits.

    Raises SpecError for a table without rows, a reference of one, unknown names; ContractError for a column that is
    missing, or of another type than the reference had.

    >>> reference = profile("train.parquet", time="asked_at")
    >>> window = profile(live, against=reference)
    >>> window.column("seats").mean, window.column("carrier").unseen
    """
    asked = counting.Asked(columns=columns, time=time, prediction=prediction, bins=bins)
    source = tables.source(table)
    if against is not None:
        _refuse_own_cells(against, asked)
        with tables.readable(table):
            found = counting.window(source.frames, against, asked)
        return _noted(found, *source.notes, *_not_counted(source.frames, against, asked))
    with tables.readable(table):
        found = counting.reference(source.frames, asked)
    if found.rows < 2:
        raise SpecError(
            f"The table has {'one row' if found.rows else 'no rows'}: that says nothing of what is normal.",
            cure="Count a reference over the rows that a version was trained on; a window may be as short as it likes.",
        )
    return _noted(found, *source.notes, *_of_reference(found))


def _refuse_own_cells(against: Profile, asked: counting.Asked) -> None:
    if against.engine != ENGINE:
        raise SpecError(
            f"The reference was counted by engine {against.engine}, and this Lockgate counts with engine {ENGINE}.",
            cure="Count it again: lockgate.profile(table) over the same rows.",
        )
    for name, given, is_own in (
        ("columns", asked.columns, asked.columns is not None),
        ("time", asked.time, asked.time not in (None, against.time)),
        ("bins", asked.bins, asked.bins != counting.BINS),
    ):
        if is_own:
            raise SpecError(
                f"{name}={given!r} is the reference's to say, and it is given.",
                cure=f"Leave {name} out, or count another reference.",
            )


def _not_counted(frames: counting.Frames, against: Profile, asked: counting.Asked) -> list[str]:
    known = {column.name for column in against.columns} | {asked.prediction, against.time}
    return [
        f"Column {name!r} is not in the reference, and was not counted." for name in frames.schema if name not in known
    ]


def _of_reference(found: Profile) -> list[str]:
    notes = [
        f"Column {column.name!r} has no value at all: that it has one is all that will be seen of it."
        for column in found.columns
        if not column.there
    ]
    if found.rows < FEW_ROWS:
        notes.append(
            f"The reference has {found.rows:,} rows: too few for small drifts, which {FEW_ROWS:,} or more would show."
        )
    return notes


def _noted(found: Profile, *notes: str) -> Profile:
    return msgspec.structs.replace(found, notes=(*notes, *found.notes))
