"""Rows that are there twice: once to learn from and once to be tested on, or with two outcomes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.assess.encoded import coded, row_keys
from lockgate.assess.question import FEW_ROWS, CheckQuestion, Floats
from lockgate.assess.telling import OWN_VALUES
from lockgate.features.columns import Columns, length, take
from lockgate.records import Finding
from lockgate.records.report import Grade

Keys = NDArray[np.uint64]

FEW, MANY, FEWEST = 0.005, 0.1, 3
# Of few levels some rows are alike by chance; pairs beyond so many times their number are no chance.
BEYOND_CHANCE = 10.0


def set_aside(question: CheckQuestion) -> tuple[CheckQuestion, tuple[Finding, ...]]:
    """The question on the rows that were not trained on too, and what was left out: rows equal in every column that the
    model reads, but for those that name the row. Where hardly a row is left they all stay, and the figures are not to be
    trusted; where columns of few values repeat by nature they stay too.
    """
    names = _compared(question)
    if question.trained_on is None or not names or any(name not in question.trained_on for name in names):
        return question, ()
    tested, trained = row_keys(question.columns, names), row_keys(question.trained_on, names)
    is_twin = np.isin(tested, trained)
    twins = int(is_twin.sum())
    if not twins or twins <= BEYOND_CHANCE * _chance(question.columns, names) * tested.size * trained.size:
        return question, ()
    told = f"{twins:,} of {tested.size:,} tested rows ({twins / tested.size:.1%})"
    if _repeats_by_nature(trained):
        more = "are equal to a training row, but so are training rows among themselves: the columns have few values."
        return question, (Finding(kind="duplicates", grade="note", sentence=f"{told} {more}"),)
    told = f"{told} were also trained on, equal in every column that the model reads"
    rest = np.flatnonzero(~is_twin)
    if rest.size < FEW_ROWS or np.unique(question.outcome[rest]).size < 2:
        return question, (_told(f"{told}, and hardly another is left: it may recite.", "stop"),)
    grade: Grade = "warn" if twins >= max(FEWEST, FEW * tested.size) else "note"
    return _only(question, rest), (_told(f"{told}. They are left out of every figure here.", grade),)


def _told(sentence: str, grade: Grade) -> Finding:
    cure = "Drop the copies before the split, or split by what they share (a group column)."
    return Finding(kind="duplicates", grade=grade, sentence=sentence, cure=cure)


def _only(question: CheckQuestion, rows: NDArray[np.intp]) -> CheckQuestion:
    return replace(
        question,
        columns=take(question.columns, rows),
        outcome=question.outcome[rows],
        values=question.values[rows],
        rivals=tuple(replace(rival, values=rival.values[rows]) for rival in question.rivals),
        split=f"{question.split}; without those it was trained on",
        block=None if question.block is None else question.block[rows],
    )


def findings(question: CheckQuestion) -> tuple[Finding, ...]:
    """Tested rows that repeat each other."""
    names = _compared(question)
    if not names:
        return ()
    found = _within(question, row_keys(question.columns, names), _chance(question.columns, names))
    return (found,) if found is not None else ()


def _compared(question: CheckQuestion) -> tuple[str, ...]:
    """Not what names the row: a copy under a new number is a copy."""
    rows = length(question.columns)
    found: list[str] = []
    for name in question.features:
        values = question.columns[name]
        if name in question.identifiers:
            continue
        if rows and coded(values).distinct > OWN_VALUES * rows and _is_name(values):
            continue
        found.append(name)
    return tuple(found)


def _is_name(values: NDArray[Any]) -> bool:
    """Text, or whole numbers: a measurement with digits behind the point is no name."""
    if values.dtype == object:
        return True
    there = values[np.isfinite(values)]
    return bool((there == np.round(there)).all())


def _chance(columns: Columns, names: tuple[str, ...]) -> float:
    """The chance that two rows are alike if columns had nothing to do with each other (Simpson 1949, multiplied)."""
    found, rows = 1.0, length(columns)
    for name in names:
        counts = np.bincount(coded(columns[name]).codes).astype(np.float64)
        found *= float((counts * (counts - 1)).sum()) / (rows * (rows - 1))
    return found


def _repeats_by_nature(keys: Keys) -> bool:
    _, counts = np.unique(keys, return_counts=True)
    return float(counts[counts > 1].sum()) / keys.size > 0.5


def _within(question: CheckQuestion, tested: Keys, by_chance: float) -> Finding | None:
    _, place, counts = np.unique(tested, return_inverse=True, return_counts=True)
    copies = tested.size - counts.size
    if (
        copies < FEW * tested.size
        or copies <= BEYOND_CHANCE * by_chance * tested.size**2 / 2
        or _repeats_by_nature(tested)
    ):
        return None
    torn = _torn(question, place, counts)
    more = f" {torn:,} rows are equal and have different outcomes: no model is right about all of them." if torn else ""
    return Finding(
        kind="duplicates",
        grade="warn" if copies >= MANY * tested.size else "note",
        sentence=f"{copies:,} of {tested.size:,} tested rows ({copies / tested.size:.1%}) repeat another one.{more}",
        cure="Drop the copies: they are no further evidence. If they are rows of one unit, name it: --unit COLUMN",
    )


def _torn(question: CheckQuestion, place: NDArray[np.intp], counts: NDArray[np.intp]) -> int:
    outcome: Floats = question.outcome
    low, high = np.full(counts.size, np.inf), np.full(counts.size, -np.inf)
    np.minimum.at(low, place, outcome)
    np.maximum.at(high, place, outcome)
    return int(counts[low < high].sum())
