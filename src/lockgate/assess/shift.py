"""Adversarial validation: can a model tell the rows it learnt from and the rows it is tested on apart, and by what?"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.assess.encoded import LEVELS, as_numbers
from lockgate.assess.question import CheckQuestion, Floats
from lockgate.errors import SpecError
from lockgate.features.columns import Columns, length, take
from lockgate.metrics import roc_auc
from lockgate.metrics.pulls import of_auc
from lockgate.records import Finding
from lockgate.records.duration import UNITS_S
from lockgate.stats import pulled

MOST_ROWS = 4_000
FEWEST = 100
FOLDS = 2
APART, FAR_APART = 0.55, 0.7
WITH_TIME = 0.9
TELLING = 0.1
NAMED = 3


class Shift(NamedTuple):
    """auc: of telling the second table's rows from the first's, 0.5 is chance, with its 95 % interval. columns: how far
    apart each one's two distributions lie (Kolmogorov's distance, or total variation of levels), the farthest first.
    left_out: columns that move with time by nature.
    """

    auc: float
    low: float
    high: float
    columns: tuple[tuple[str, float], ...]
    left_out: tuple[str, ...]


def findings(question: CheckQuestion) -> tuple[Finding, ...]:
    """Training rows against tested ones, where they are known; else the earlier half of the tested ones against the later."""
    names = tuple(name for name in question.features if name != question.time and name not in question.identifiers)
    halves = _halves(question)
    if halves is None or not names:
        return ()
    first, second, told = halves
    names = tuple(name for name in names if name in first)
    if min(length(first), length(second)) < FEWEST or not names:
        return ()
    found = shift(first, second, names, time=question.time, seed=question.seed, alpha=question.alpha)
    return _finding(found, told)


def shift(
    first: Columns, second: Columns, names: tuple[str, ...], *, time: str | None, seed: int, alpha: float = 0.05
) -> Shift:
    """Cross-fitted AUC of a small boosted model, on at most 4,000 rows. time: a column by whose days rows go together.

    Whole days are kept in one fold, so that the model cannot know a day again by its weather, and count as one in the
    interval. Raises SpecError under 100 rows in either table. Source: Bickel, Brueckner, Scheffer (2007), the question.
    """
    if min(length(first), length(second)) < FEWEST:
        raise SpecError(f"A shift needs {FEWEST} rows in either table.", cure="Bring more rows.")
    rng = np.random.default_rng(seed)
    sides = [_sample(side, rng) for side in (first, second)]
    is_second = np.repeat([0.0, 1.0], [length(side) for side in sides])
    pooled = {name: np.concatenate([side[name] for side in sides]) for name in (*names, *([time] if time else []))}
    left_out = _with_time(pooled, names, time)
    kept = tuple(name for name in names if name not in left_out)
    if not kept:
        return Shift(0.5, 0.5, 0.5, (), left_out)
    inputs = np.column_stack([as_numbers(pooled[name]) for name in kept])
    block = np.floor(pooled[time] / UNITS_S["d"]) if time is not None else None
    said = _cross_fitted(inputs, is_second, block, rng)
    auc = roc_auc(said, is_second)
    ends = pulled.interval(auc, of_auc(said, is_second > 0), alpha=alpha, scale="logit", block=block)
    apart = sorted(
        ((n, _distance(column, is_second > 0)) for n, column in zip(kept, inputs.T, strict=True)), key=_by_size
    )
    is_flat = not np.isfinite(ends.low)
    return Shift(auc, auc if is_flat else ends.low, auc if is_flat else ends.high, tuple(apart), left_out)


def _by_size(item: tuple[str, float]) -> float:
    return -item[1]


def _halves(question: CheckQuestion) -> tuple[Columns, Columns, str] | None:
    if question.trained_on is not None:
        return question.trained_on, question.columns, "The tested rows can be told from those it was trained on"
    if question.time is None:
        return None
    asked = question.columns[question.time]
    order = np.argsort(asked, kind="stable")[: int((~np.isnan(asked)).sum())]
    half = order.size // 2
    parts = take(question.columns, order[:half]), take(question.columns, order[half:])
    return *parts, "The later half of the tested rows can be told from the earlier"


def _finding(found: Shift, told: str) -> tuple[Finding, ...]:
    if found.low < APART:
        return ()
    by = [f"{name} ({distance:.2f} apart)" for name, distance in found.columns[:NAMED] if distance >= TELLING]
    most = f", most of all by {', '.join(by)}" if by else ", by no column alone"
    aside = f" {', '.join(found.left_out)} moves with time by nature and was left out." if found.left_out else ""
    return (
        Finding(
            kind="shift",
            grade="warn" if found.low >= FAR_APART else "note",
            column=found.columns[0][0] if by else None,
            sentence=f"{told}{most}: AUC {found.auc:.2f} [{found.low:.2f}, {found.high:.2f}], 0.5 is chance.{aside}",
            cure="Ask which of the two tomorrow will look like; if the later one, train on newer rows.",
        ),
    )


def _sample(side: Columns, rng: np.random.Generator) -> Columns:
    rows = length(side)
    if rows <= MOST_ROWS // 2:
        return side
    return take(side, np.sort(rng.choice(rows, MOST_ROWS // 2, replace=False)))


def _with_time(pooled: Columns, names: tuple[str, ...], time: str | None) -> tuple[str, ...]:
    """Columns whose order is the order of time: a year, a running number."""
    if time is None:
        return ()
    ranks = np.argsort(np.argsort(pooled[time], kind="stable"), kind="stable").astype(np.float64)
    found: list[str] = []
    for name in names:
        values = pooled[name]
        if values.dtype == object or np.isnan(values).any() or np.ptp(values) == 0:
            continue
        _, own = np.unique(values, return_inverse=True)
        if abs(float(np.corrcoef(ranks, own)[0, 1])) > WITH_TIME:
            found.append(name)
    return tuple(found)


def _cross_fitted(inputs: Floats, is_second: Floats, block: Floats | None, rng: np.random.Generator) -> Floats:
    from sklearn import ensemble
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    classifier: Any = vars(ensemble)["HistGradientBoostingClassifier"]  # its types refuse early_stopping=False
    _, unit = (None, np.arange(is_second.size)) if block is None else np.unique(block, return_inverse=True)
    fold = rng.permutation(int(unit.max()) + 1)[unit] % FOLDS
    # scikit-learn refuses a column that is missing throughout.
    inputs = np.where(np.isnan(inputs).all(axis=0), 0.0, inputs)
    said = np.full(is_second.size, 0.5)
    with threadpool_limits(limits=1):
        for at in range(FOLDS):
            here, there = fold == at, fold != at
            if np.unique(is_second[there]).size < 2 or not here.any():
                continue
            model = classifier(max_iter=25, max_leaf_nodes=8, learning_rate=0.2, max_bins=32, early_stopping=False)
            usable = ~np.isnan(inputs[there]).all(axis=0)
            model.fit(inputs[there][:, usable], is_second[there])
            said[here] = model.predict_proba(inputs[here][:, usable])[:, 1]
    return said


def _distance(column: Floats, is_second: NDArray[np.bool_]) -> float:
    """The largest gap of the two distribution functions, missing taken as the smallest value."""
    values = np.where(np.isnan(column), -np.inf, column)
    levels, place = np.unique(values, return_inverse=True)
    if levels.size <= LEVELS + 2:
        shares = [np.bincount(place[side], minlength=levels.size) / side.sum() for side in (~is_second, is_second)]
        return float(np.abs(shares[0] - shares[1]).sum() / 2)
    steps = [
        np.cumsum(np.bincount(place[side], minlength=levels.size)) / side.sum() for side in (~is_second, is_second)
    ]
    return float(np.abs(steps[0] - steps[1]).max())
