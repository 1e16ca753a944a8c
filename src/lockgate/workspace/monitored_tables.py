"""A table of predictions and outcomes of any server, read, joined, put in order and cut into windows of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import ContractError, SpecError
from lockgate.records.duration import UNITS_S
from lockgate.records.monitored import LabelAge
from lockgate.workspace import told_rows
from lockgate.workspace.told_rows import Read

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
MONDAY_S = 4 * UNITS_S["d"]
"""1970 began on a Thursday: windows of whole weeks begin on Mondays, UTC."""
MOST_WINDOWS = 2_000


class Named(NamedTuple):
    """The columns as somebody calls them. known: when an outcome came to be known."""

    prediction: str
    outcome: str
    time: str
    id: str | None = None
    known: str | None = None

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(name for name in self if name is not None)


class Calls(NamedTuple):
    """Rows in the order of time. outcome: NaN where it is not known; at_s: shape (n,); now_s: the latest moment seen."""

    table: pl.DataFrame
    value: Floats
    outcome: Floats
    at_s: Floats
    now_s: float
    notes: tuple[str, ...]


class Window(NamedTuple):
    """[since_s, until_s) and its rows, [first, last) of the calls."""

    since_s: float
    until_s: float
    first: int
    last: int


def calls(predictions: Read, outcomes: Read | None, named: Named) -> Calls:
    """Both tables as one, a row a prediction, sorted by time.

    A prediction told twice counts once; of several outcomes of one prediction the first that was known counts, in the
    order of the table where nobody says when. Raises SpecError for an unknown column, a table without rows, times that are
    missing, or outcomes in a table of their own without an id.
    """
    needed = (named.prediction, named.time, *([named.id] if named.id else []))
    for name in needed if outcomes is not None else named.all:
        told_rows.refuse_unknown(predictions.table, name)
    if not predictions.table.height:
        raise SpecError(
            "The table of predictions has no rows.", cure="Point it at some, or at another stretch of time."
        )
    notes = [*predictions.notes]
    table = predictions.table
    if named.id is not None:
        table = _once(table, named.id, notes)
    if outcomes is not None:
        table = _joined(table, outcomes, named, notes)
    at_s = _times(table, named.time)
    order = np.argsort(at_s, kind="stable")
    if (np.diff(at_s) < 0).any():
        notes.append(f"The rows were not in the order of {named.time!r}, and are taken in it.")
    table, at_s = table[order], at_s[order]
    value = told_rows.numbers(table, named.prediction, what="predictions")
    outcome = told_rows.numbers(table, named.outcome, what="outcomes")
    now_s = float(at_s[-1])
    if named.known is not None:
        known_s = told_rows.times_s(table, named.known)
        now_s = max(now_s, float(np.nanmax(known_s, initial=now_s)))
        early = int((known_s < at_s).sum())
        if early:
            notes.append(
                f"{early:,} outcomes were known before they were asked for: look at {named.known!r}, or for a leak."
            )
    if np.isinf(outcome).any():
        row = int(np.isinf(outcome).argmax())
        raise SpecError(f"{named.outcome!r} is infinite in row {row}.", cure="Leave such rows out, or cap them.")
    lacking = int(np.isnan(value).sum())
    if lacking:
        notes.append(f"{lacking:,} rows have no {named.prediction!r}: counted in drift, and judged nowhere.")
    return Calls(table, value, outcome, at_s, now_s, tuple(notes))


def windows(at_s: Floats, width_s: float) -> list[Window]:
    """From the first row's window to the last's, also those without rows. Raises SpecError where they are too many."""
    anchor = MONDAY_S if width_s % UNITS_S["w"] == 0 else 0.0
    first = math.floor((float(at_s[0]) - anchor) / width_s)
    last = math.floor((float(at_s[-1]) - anchor) / width_s)
    if last - first >= MOST_WINDOWS:
        raise SpecError(
            f"{last - first + 1:,} windows lie between the first row and the last.",
            cure="Take longer windows, or look whether a time is wrong.",
        )
    starts = anchor + width_s * np.arange(first, last + 2)
    places = np.searchsorted(at_s, starts, side="left")
    return [
        Window(float(starts[at]), float(starts[at + 1]), int(places[at]), int(places[at + 1]))
        for at in range(last - first + 1)
    ]


def label_ages(age_s: Floats, is_told: NDArray[np.bool_], width_s: float) -> tuple[LabelAge, ...]:
    """How outcomes come in: rows by age in windows, 0 to 1, 1 to 2, 2 to 4, 4 to 8 and beyond. age_s, is_told: shape (n,)."""
    edges = [width_s * times for times in (0, 1, 2, 4, 8)]
    found: list[LabelAge] = []
    for place, since in enumerate(edges):
        until = edges[place + 1] if place + 1 < len(edges) else None
        here = (age_s >= since) & (age_s < (math.inf if until is None else until))
        if here.any():
            labelled = int(is_told[here].sum())
            found.append(LabelAge(from_s=since, until_s=until, rows=int(here.sum()), labelled=labelled))
    return tuple(found)


def _once(table: pl.DataFrame, name: str, notes: list[str]) -> pl.DataFrame:
    found = table.unique(subset=[name], keep="first", maintain_order=True)
    if found.height < table.height:
        notes.append(
            f"{table.height - found.height:,} predictions are told more than once by {name!r}: each counts once."
        )
    return found


def _joined(table: pl.DataFrame, outcomes: Read, named: Named, notes: list[str]) -> pl.DataFrame:
    """Every prediction with its outcome, null where there is none."""
    if named.id is None:
        raise SpecError("Outcomes in a table of their own need an id.", cure="Name the column that both have: id=...")
    wanted = [named.id, named.outcome, *([named.known] if named.known else [])]
    for name in wanted:
        told_rows.refuse_unknown(outcomes.table, name)
    if table.schema[named.id] != outcomes.table.schema[named.id]:
        raise ContractError(
            f"{named.id!r} is {table.schema[named.id]} in the predictions, and {outcomes.table.schema[named.id]} here.",
            cure="Cast one of them to the other's type.",
            column=named.id,
        )
    notes += outcomes.notes
    told = outcomes.table.select(wanted)
    told = told.sort(named.known, maintain_order=True, nulls_last=True) if named.known else told
    first = told.unique(subset=[named.id], keep="first", maintain_order=True)
    if first.height < told.height:
        again = told.height - first.height
        other = told.select(named.id, named.outcome).unique().height - first.height
        notes.append(
            f"{again:,} outcomes are told again, {other:,} of them otherwise: the first that was known counts."
        )
    unasked = first.join(table, on=named.id, how="anti").height
    if unasked:
        notes.append(f"{unasked:,} outcomes are of no prediction, and are left out.")
    twice = [name for name in wanted if name != named.id and name in table.columns]
    return table.drop(twice).join(first, on=named.id, how="left", maintain_order="left")


def _times(table: pl.DataFrame, name: str) -> Floats:
    found = told_rows.times_s(table, name)
    if np.isnan(found).any():
        row = int(np.isnan(found).argmax())
        raise SpecError(
            f"{name!r} is missing in row {row} ({int(np.isnan(found).sum())} rows in all).",
            cure="Leave those rows out, and say how many: nobody knows which window they belong to.",
        )
    return found


def inputs(
    asked: Sequence[str] | None, before: pl.DataFrame, after: pl.DataFrame, leave_out: Sequence[str]
) -> list[str]:
    """The columns that are profiled: those asked for, or all that the reference has but for the named ones.

    Raises ContractError where one of the reference's is missing from the predictions.
    """
    chosen = [name for name in before.columns if name not in leave_out] if asked is None else list(asked)
    for name in chosen:
        told_rows.refuse_unknown(before, name)
        if name not in after.columns:
            raise ContractError(
                f"Column {name!r} is in the reference, and not among the predictions.",
                cure="Bring it, or name the columns to look at: columns=[...].",
                column=name,
            )
    return chosen
