"""The slices of a check: which columns are cut, where the model loses to the best baseline, where its own loss is highest."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.assess.question import CheckQuestion, Floats
from lockgate.assess.slices import parts
from lockgate.decide.slices import FEWEST_BLOCKS, FEWEST_ROWS, Part, slices
from lockgate.errors import SpecError, unknown
from lockgate.metrics import Loss
from lockgate.metrics.figures import between, decimals, number
from lockgate.records import Finding, SliceLoss
from lockgate.records.slice import Slice
from lockgate.stats.block_t import interval

MOST_LEVELS = 20
MOST_TEXT = 8
MOST_NUMBERS = 4
MOST_WEAK = 5
FEWEST_WEAK = 50
CALENDAR = frozenset(("year", "quarter", "month", "week", "season", "date", "day"))
WITH_TIME = 0.9


class Sliced(NamedTuple):
    """against: the model against the best baseline; weakest: its own loss, the highest first."""

    against: tuple[Slice, ...]
    weakest: tuple[SliceLoss, ...]


def slices_of(question: CheckQuestion, loss: Loss, best: Floats, block: NDArray[np.generic] | None) -> Sliced:
    """Every level of the columns asked for, or of those chosen: 2 to 20 levels, and quartiles of the numbers that the
    model's answers follow most. Raises SpecError for an asked column that is not there, or has too many levels.
    """
    named = _asked(question) if question.slices is not None else _chosen(question)
    if not named:
        return Sliced((), ())
    own = loss.of(question.values, question.outcome)
    difference = own - loss.of(best, question.outcome)
    against = slices(parts(named, difference, block), margin=0.0, alpha=question.alpha)
    return Sliced(against, _weakest(parts(named, own, block), float(own.mean()), question.alpha))


def findings(question: CheckQuestion, found: Sliced, best: str) -> tuple[Finding, ...]:
    """One for all slices that are shown worse than the best baseline: the worst by name, the others counted."""
    worse = sorted((s for s in found.against if s.state == "worse"), key=lambda s: s.estimate, reverse=True)
    if not worse:
        return ()
    item = worse[0]
    places = decimals([(item.estimate, item.low, item.high)])
    away = f"{number(item.estimate, places, '+')} {between(item.low, item.high, places, '+')}"
    more = f", and so in {len(worse) - 1} more of {len(found.against)} slices" if len(worse) > 1 else ""
    told = f"Where {item.column} is {item.level} ({item.rows:,} rows) it is worse than {best}: {away}{more}."
    cure = f"Look at those rows: how many were there to learn from, and does {item.column} mean the same there?"
    if _is_calendar(question, item.column):
        cure = "That is a stretch of time: look what changed then, and train on rows that reach into it."
    return (Finding(kind="slice", grade="warn", column=item.column, sentence=told, cure=cure),)


def _is_calendar(question: CheckQuestion, name: str) -> bool:
    """Whether a column counts time: by its name, or as it runs with the time of the rows."""
    if name.lower() in CALENDAR:
        return True
    values = question.columns.get(name)
    if question.time is None or values is None or values.dtype == object:
        return False
    when = question.columns[question.time]
    there = np.isfinite(values) & np.isfinite(when)
    if there.sum() < FEWEST_WEAK or np.ptp(values[there]) == 0 or np.ptp(when[there]) == 0:
        return False
    return abs(float(np.corrcoef(values[there], when[there])[0, 1])) > WITH_TIME


def _weakest(found: list[Part], mean: float, alpha: float) -> tuple[SliceLoss, ...]:
    """Slices whose loss is above the whole's by more than luck, each by itself."""
    weak: list[SliceLoss] = []
    for part in found:
        has = part.counts > 0
        if part.counts.sum() < FEWEST_WEAK or np.count_nonzero(has) < FEWEST_BLOCKS:
            continue
        ends = interval(part.sums[has], part.counts[has], alpha=alpha)
        if ends.low > mean:
            weak.append(
                SliceLoss(
                    column=part.column,
                    level=part.level,
                    rows=int(part.counts.sum()),
                    loss=ends.mean,
                    low=ends.low,
                    high=ends.high,
                )
            )
    return tuple(sorted(weak, key=lambda item: item.loss, reverse=True)[:MOST_WEAK])


def _asked(question: CheckQuestion) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for name in question.slices or ():
        if name not in question.columns or name == question.target:
            raise SpecError(unknown("column", name, [n for n in question.columns if n != question.target]))
        found[name] = levels(question.columns[name])
    return found


def _chosen(question: CheckQuestion) -> dict[str, NDArray[Any]]:
    named = question.contract.columns if question.contract is not None else ()
    times = {column.name for column in named if column.type == "time"}
    left_out = {question.target, question.time, *question.identifiers, *times}
    columns = {name: values for name, values in question.columns.items() if name not in left_out}
    return chosen(columns, _followed(question))


def chosen(columns: Mapping[str, NDArray[Any]], answer: Floats) -> dict[str, NDArray[Any]]:
    """The columns to cut by where nobody named any, as levels: those of few levels, and quarters of the numbers that the
    answer follows most. columns: by name, answer: all of shape (n,). Nothing of too few rows.
    """
    if answer.size < 2 * FEWEST_ROWS:
        return {}
    few: dict[str, NDArray[Any]] = {}
    numbers: dict[str, NDArray[Any]] = {}
    for name, values in columns.items():
        sizes = _sizes(values)
        if sizes is None:
            if values.dtype != object:
                numbers[name] = quartiles(values)
        elif (sizes >= FEWEST_ROWS).sum() >= 2 and len(few) < MOST_TEXT:
            few[name] = words(values)
    return few | _most_followed(numbers, answer)


def levels(values: NDArray[Any]) -> NDArray[Any]:
    """A column as levels, in words: quarters of its range where it is a number of many values."""
    is_number = values.dtype != object and np.unique(values).size > MOST_LEVELS
    return quartiles(values) if is_number else words(values)


def _sizes(values: NDArray[Any]) -> NDArray[np.int64] | None:
    """Rows per level; None where there are more than 20 levels, so that it is no slice as it stands."""
    if values.dtype == object:
        counts: dict[Any, int] = {}
        for value in values.tolist():
            counts[value] = counts.get(value, 0) + 1
            if len(counts) > MOST_LEVELS + 1:
                return None
        return np.array(list(counts.values()))
    _, sizes = np.unique(values, return_counts=True)
    return sizes if sizes.size <= MOST_LEVELS else None


def _followed(question: CheckQuestion) -> Floats:
    """One number per row that stands for the model's answer: the chance of the commonest class, of many."""
    if question.values.ndim == 1:
        return question.values
    found: Floats = question.values[:, int(question.values.mean(axis=0).argmax())]
    return found


def _most_followed(numbers: Mapping[str, NDArray[Any]], answer: Floats) -> dict[str, NDArray[Any]]:
    """The columns whose quartiles tell most of the answers' variance: the correlation ratio (Pearson 1905)."""
    spread = float(answer.var()) or 1.0
    ratio: dict[str, float] = {}
    for name, level in numbers.items():
        _, place = np.unique(level, return_inverse=True)
        counts = np.bincount(place)
        means = np.bincount(place, weights=answer) / counts
        ratio[name] = float(counts @ np.square(means - answer.mean())) / answer.size / spread
    best = sorted(ratio, key=lambda name: ratio[name], reverse=True)[:MOST_NUMBERS]
    return {name: numbers[name] for name in best}


def quartiles(values: NDArray[Any]) -> NDArray[Any]:
    """Each row's quarter of a number's range, in words; missing is a level of its own."""
    is_there = np.isfinite(values)
    if not is_there.any():
        return np.full(values.size, "missing")
    low, *edges, high = np.quantile(values[is_there], [0, 0.25, 0.5, 0.75, 1])
    inner = np.unique(edges)
    ends = [_end(value) for value in (float(low), *inner.tolist(), float(high))]
    names = np.array([f"{a} to {b}" for a, b in pairwise(ends)] + ["missing"])
    place = np.searchsorted(inner, np.where(is_there, values, low), side="left")
    return names[np.where(is_there, place, names.size - 1)]


def _end(value: float) -> str:
    """An end of a range: four figures, and large ones as people write them; a year stays a year."""
    return f"{value:,.0f}" if 10_000 <= abs(value) < 1e12 else f"{value:.4g}"


def words(values: NDArray[Any]) -> NDArray[Any]:
    """Levels as text: whole numbers without their point, missing as a word."""
    if values.dtype == object:
        return np.array(["missing" if value is None else str(value) for value in values.tolist()])
    levels, place = np.unique(values, return_inverse=True)
    return np.array(["missing" if v != v else f"{v:g}" for v in levels.tolist()])[place]
