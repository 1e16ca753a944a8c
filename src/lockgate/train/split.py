"""Which rows train and which are held out: by time where there is a time column, by group where rows come in groups."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lockgate.errors import ConfigError, ContractError, SpecError
from lockgate.features.columns import Columns, length, take
from lockgate.features.contract import to_columns
from lockgate.features.held_out import is_held_out
from lockgate.features.outcome import classes_of, outcome
from lockgate.features.pipeline import Floats
from lockgate.records import Contract, HeldOut, ModelSpec
from lockgate.records.duration import UNITS_S, seconds

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

FEWEST = 50
DAY_S = UNITS_S["d"]
STRETCH, SHARE = "14d", "20%"


class Split(NamedTuple):
    """Rows with an outcome. train, held_out: columns; *_rows: their places in the table; y, y_held: their outcomes as
    numbers; classes: its labels; record: how the held-out rows are found again.
    """

    train: Columns
    held_out: Columns
    train_rows: NDArray[np.int64]
    held_rows: NDArray[np.int64]
    y: Floats
    y_held: Floats
    classes: tuple[str, ...]
    record: HeldOut

    @property
    def cut_s(self) -> float | None:
        return self.record.from_s

    @property
    def words(self) -> str:
        """How rows were held out, for a person."""
        record = self.record
        if record.kind == "time":
            return "rows asked from the cut on, never trained on"
        what = "rows by chance" if record.kind == "random" else f"groups by {record.by}"
        return f"{record.share:.0%} of all {what}, never trained on"


def split(table: pl.DataFrame, contract: Contract, spec: ModelSpec, classes: tuple[str, ...] | None = None) -> Split:
    """By time, rows whose outcome was known before the cut train, and those asked at or after it are held out; the cut
    stands `gate.holdout` before the end of the last whole day. By group, no group is on both sides. classes: the outcome's
    labels, those of the training rows where left out.

    Raises SpecError where gate.split asks for what the table has not; ContractError where either side has too few rows,
    or training rows of one class only.
    """
    columns = to_columns(table, contract.columns)
    labelled = ~is_missing(columns[contract.target])
    record = held_out_record(columns, contract, spec)
    is_held = is_held_out(columns, record, contract.time)
    is_train = ~is_held
    if record.from_s is not None:
        is_train = columns[contract.known or contract.time or ""] < record.from_s
    train, held = np.flatnonzero(labelled & is_train), np.flatnonzero(labelled & is_held)
    for name, rows in (("to train on", train), ("held out", held)):
        if rows.size < FEWEST:
            raise ContractError(
                f"Only {rows.size} rows of {contract.model} have an outcome and are {name}; {FEWEST} is the least.",
                cure=f'Bring more rows, or change gate.holdout ("{spec.gate.holdout or STRETCH}").',
                column=contract.target,
            )
    trained, kept = take(columns, train), take(columns, held)
    classes = classes or classes_of(contract, trained, spec.task)
    return Split(
        train=trained,
        held_out=kept,
        train_rows=train,
        held_rows=held,
        y=outcome(contract, trained, spec.task, classes),
        y_held=outcome(contract, kept, spec.task, classes),
        classes=classes,
        record=record,
    )


def held_out_record(columns: Columns, contract: Contract, spec: ModelSpec) -> HeldOut:
    """How rows are to be held out: as gate.split says, else by what the table is like."""
    kind = spec.gate.split or _kind(columns, contract)
    if kind == "time":
        if contract.time is None:
            raise SpecError(
                f'gate.split = "time", and {contract.model} has no time column.',
                cure=f'Name the column that says when the question is asked: [model.{contract.model}] time = "..."',
            )
        return HeldOut(kind="time", from_s=_cut(columns[contract.time], spec.gate.holdout or STRETCH))
    share = _share(spec.gate.holdout or SHARE)
    if kind == "random":
        return HeldOut(kind="random", share=share, seed=spec.seed)
    if contract.unit is None:
        raise SpecError(
            f'gate.split = "group", and {contract.model} has no unit.', cure='Name the group\'s column: unit = "..."'
        )
    return HeldOut(kind="group", by=contract.unit, share=share, seed=spec.seed)


def cut(asked: NDArray[np.float64], holdout_s: float) -> float:
    """The held-out stretch ends with the last day that the table reaches."""
    return math.ceil(float(np.nanmax(asked)) / DAY_S) * DAY_S - holdout_s


def _kind(columns: Columns, contract: Contract) -> str:
    if contract.time is not None:
        return "time"
    if contract.unit is not None and len(set(columns[contract.unit].tolist())) < length(columns):
        return "group"
    return "random"


def _cut(asked: NDArray[np.float64], holdout: str) -> float:
    """A share is taken of the rows, and rounded to a whole day."""
    if not holdout.endswith("%"):
        return cut(asked, seconds(holdout))
    at = float(np.nanquantile(asked, 1 - _share(holdout)))
    return math.floor(at / DAY_S) * DAY_S


def _share(holdout: str) -> float:
    try:
        found = float(holdout.removesuffix("%")) / 100 if holdout.endswith("%") else math.nan
    except ValueError:
        found = math.nan
    if not 0 < found < 1:
        raise ConfigError(
            f"gate.holdout is {holdout!r}, and rows that are not held out by time need a share.",
            cure='Write a share of them: holdout = "20%".',
        )
    return found


def is_missing(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Shape (n,): where a column of `Columns` has no value."""
    if values.dtype == object:
        return np.array([value is None for value in values.tolist()], dtype=bool)
    found: NDArray[np.bool_] = values != values
    return found
