"""Which rows train and which are held out: by time where there is a time column, never by chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lockgate.errors import ContractError, SpecError
from lockgate.features.columns import Columns, take
from lockgate.features.contract import to_columns
from lockgate.records import Contract, ModelSpec
from lockgate.records.duration import UNITS_S, seconds

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

FEWEST = 50
DAY_S = UNITS_S["d"]


class Split(NamedTuple):
    """Rows with an outcome. train, held_out: columns; *_rows: their places in the table; cut_s: where held out begins."""

    train: Columns
    held_out: Columns
    train_rows: NDArray[np.int64]
    cut_s: float


def split(table: pl.DataFrame, contract: Contract, spec: ModelSpec) -> Split:
    """Training rows: their outcome was known before the cut. Held out: asked at or after it. The cut stands
    `gate.holdout` before the end of the last whole day.

    Raises SpecError where there is no time column, ContractError where either side has too few rows or one class.
    """
    if contract.time is None:
        raise SpecError(
            f"Model {contract.model} has no time column, and a random split would not tell how it does tomorrow.",
            cure=f'Name the column that says when the question is asked: [model.{contract.model}] time = "..."',
        )
    columns = to_columns(table, contract.columns)
    asked, known = columns[contract.time], columns[contract.known or contract.time]
    labelled = ~np.isnan(columns[contract.target])
    cut_s = cut(asked, seconds(spec.gate.holdout))
    train = np.flatnonzero(labelled & (known < cut_s))
    held_out = np.flatnonzero(labelled & (asked >= cut_s))
    for name, rows in (("to train on", train), ("held out", held_out)):
        _check(contract, spec, columns[contract.target][rows], name)
    return Split(take(columns, train), take(columns, held_out), train, cut_s)


def cut(asked: NDArray[np.float64], holdout_s: float) -> float:
    """The held-out stretch ends with the last day that the table reaches."""
    return math.ceil(float(np.nanmax(asked)) / DAY_S) * DAY_S - holdout_s


def _check(contract: Contract, spec: ModelSpec, target: NDArray[np.float64], name: str) -> None:
    if target.size < FEWEST:
        raise ContractError(
            f"Only {target.size} rows of {contract.model} have an outcome and are {name}; {FEWEST} is the least.",
            cure="Bring more rows, or shorten gate.holdout.",
            column=contract.target,
        )
    if spec.task == "binary" and not set(np.unique(target)) <= {0.0, 1.0}:
        raise ContractError(
            f"{contract.target!r} holds more than 0 and 1, and the task is binary.", column=contract.target
        )
    if spec.task == "binary" and np.unique(target).size < 2:
        raise ContractError(
            f"All rows {name} have {contract.target} = {target[0]:g}: there is nothing to learn.",
            column=contract.target,
        )
