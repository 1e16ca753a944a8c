"""Whether predictions mean what they say: the outcome regressed on the prediction, held to intercept 0 and slope 1."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, chdtrc, expit, logit

from lockgate.errors import SpecError

Floats = NDArray[np.float64]

CLIP = 1e-6
STEPS = 25
DRAWS = 999
# Where fewer surprises are expected of chances, they are too few for the law of large numbers, and are drawn instead.
FEW_SURPRISES = 200.0
# A slope whose standard error is more than so much of it says no more than which way it goes.
VAGUE = 0.4


class Recalibrated(NamedTuple):
    """The cure: `intercept` + `slope` times the prediction (its logit, of a chance); nan where too few rows tell it. p: of
    the prediction being right as it is. n: rows, or blocks, that were taken as independent.
    """

    intercept: float
    slope: float
    p: float
    n: int

    def mended(self, chance: Floats) -> Floats:
        """The chances after the cure."""
        found: Floats = expit(self.intercept + self.slope * logit(np.clip(chance, CLIP, 1 - CLIP)))
        return found


def surprises(chance: Floats) -> float:
    """How many rows are expected to go against their likelier outcome: what a test of chances rests on."""
    return float(np.minimum(chance, 1 - chance).sum())


def of_chances(
    chance: Floats, outcome: Floats, block: NDArray[np.generic] | None = None, *, rng: np.random.Generator
) -> Recalibrated:
    """Cox's recalibration of chances, shape (n,), against 0 and 1, shape (n,), with the score test of (0, 1).

    A slope under 1 says too sure, over 1 not sure enough; an intercept says too high or too low throughout. Of independent
    rows the law of the score is known where the chances are right: its variance is theirs, and under 200 expected surprises
    it is drawn from them, 999 times, so that p is exact and at least .001. Rows of a block may go together: there the blocks'
    own scores must accuse as well, by their spread, against F with 2 and n - 2 degrees, and the larger p counts: where few
    rows go wrong that spread alone is too small. Below 50 expected surprises (`surprises`) it is not to be leant on where
    blocks differ. Chances are clipped to [1e-6, 1 - 1e-6]. Raises SpecError under 5 rows or blocks.
    Source: Cox (1958); Spiegelhalter (1986) for the known law; Barnard (1963) for the draws; White (1982) for the spread.
    tests/calibration/test_recalibration.py counts how often right chances are accused.
    """
    p = np.clip(chance, CLIP, 1 - CLIP)
    design = np.column_stack([np.ones(p.size), logit(p)])
    found, n = _known_law(design, p, outcome, rng), p.size
    if block is not None:
        by_block, n = _score_test(design * (outcome - p)[:, None], block)
        found = max(found, by_block)
    return Recalibrated(*_logistic(design, outcome), found, n)


def of_values(value: Floats, outcome: Floats, block: NDArray[np.generic] | None = None) -> Recalibrated:
    """The same of numbers: the outcome on the prediction by least squares (Mincer, Zarnowitz 1969)."""
    centre, spread = float(value.mean()), float(value.std()) or 1.0
    design = np.column_stack([np.ones(value.size), (value - centre) / spread])
    found = _score_test(design * (outcome - value)[:, None], block)
    slope = float(design[:, 1] @ outcome) / outcome.size / spread
    return Recalibrated(float(outcome.mean()) - slope * centre, slope, *found)


def _known_law(design: Floats, p: Floats, outcome: Floats, rng: np.random.Generator) -> float:
    """The score against its variance under the chances: by chi-squared, or by draws where surprises are few."""
    _refuse_few(p.size)
    variance = design.T @ (design * (p * (1 - p))[:, None])
    inverse, rank = _inverse(variance)
    score = design.T @ (outcome - p)
    seen = float(score @ inverse @ score)
    if surprises(p) >= FEW_SURPRISES:
        return float(chdtrc(rank, seen))
    drawn = _drawn(design, p, rng)
    # A hair's breadth for draws that are the sample itself, added up in another order.
    as_far = np.einsum("di,ij,dj->d", drawn, inverse, drawn) >= seen * (1 - 1e-9)
    return (1 + int(as_far.sum())) / (1 + DRAWS)


def _drawn(design: Floats, p: Floats, rng: np.random.Generator) -> Floats:
    """Scores of outcomes drawn from the chances, shape (draws, 2).

    Only surprises are drawn: events fall on rows as a Poisson process, and a row that any falls on is surprised, with the
    rate that gives it its own chance of that. So a draw costs as much as it has surprises, however many rows there are.
    """
    likely = np.where(p >= 0.5, 1.0, 0.0)
    rates: Floats = np.cumsum(-np.log1p(-np.minimum(p, 1 - p)))
    counts = rng.poisson(rates[-1], DRAWS)
    fallen = rng.random(int(counts.sum())) * float(rates[-1])
    rows = np.asarray(rates.searchsorted(fallen, side="right"), dtype=np.int64).clip(max=p.size - 1)
    once = np.unique(np.repeat(np.arange(DRAWS), counts) * p.size + rows)
    draw, row = once // p.size, once % p.size
    turn = design[row] * (1 - 2 * likely[row])[:, None]
    base = design.T @ (likely - p)
    added = [np.bincount(draw, weights=turn[:, at], minlength=DRAWS) for at in range(design.shape[1])]
    return base + np.column_stack(added)


def _score_test(scores: Floats, block: NDArray[np.generic] | None) -> tuple[float, int]:
    """Hotelling's T^2 of the scores' mean against nought."""
    parts = np.asarray(scores, dtype=np.float64)
    if block is not None:
        _, place = np.unique(block, return_inverse=True)
        parts = np.column_stack([np.bincount(place, weights=scores[:, at]) for at in range(scores.shape[1])])
    n = int(parts.shape[0])
    _refuse_few(n)
    mean, spread = parts.mean(axis=0), np.cov(parts.T)
    inverse, rank = _inverse(spread)
    if rank == 0:
        return (1.0 if np.allclose(mean, 0) else 0.0), n
    # T^2 (n - rank) / (rank (n - 1)) is F's; its tail as an incomplete beta.
    t2 = n * float(mean @ inverse @ mean)
    return float(betainc((n - rank) / 2, rank / 2, (n - 1) / (n - 1 + t2))), n


def _refuse_few(n: int) -> None:
    if n < 5:
        raise SpecError(f"{n} rows or blocks cannot tell whether predictions are calibrated.", cure="Bring at least 5.")


def _inverse(spread: Floats) -> tuple[Floats, int]:
    """A constant prediction has one direction only: the other's spread is nought, and so is its score."""
    least = 1e-10 * max(float(np.trace(spread)), 1e-300)
    rank = int((np.linalg.eigvalsh(spread) > least).sum())
    inverse: Floats = np.asarray(np.linalg.pinv(spread, hermitian=True, rcond=1e-10), dtype=np.float64)
    return inverse, rank


def _logistic(design: Floats, outcome: Floats) -> tuple[float, float]:
    """Newton's steps from "right as it is"; nan where they run off (outcomes told apart whole), or end too vague to tell."""
    beta: Floats = np.array([0.0, 1.0])
    for _ in range(STEPS):
        mean = expit(design @ beta)
        information = design.T @ (design * (mean * (1 - mean))[:, None]) + 1e-9 * np.eye(2)
        step: Floats = np.asarray(np.linalg.solve(information, design.T @ (outcome - mean)), dtype=np.float64)
        beta = beta + np.clip(step, -2.0, 2.0)
        if float(np.abs(step).max()) < 1e-8:
            break
    else:
        return math.nan, math.nan
    error = math.sqrt(float(np.linalg.inv(information)[1, 1]))
    is_constant = np.ptp(design[:, 1]) == 0
    if not is_constant and error > VAGUE * abs(float(beta[1])):
        return math.nan, math.nan
    return float(beta[0]), float(beta[1])
