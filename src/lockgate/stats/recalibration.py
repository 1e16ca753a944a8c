"""Whether predictions mean what they say: the outcome regressed on the prediction, held to intercept 0 and slope 1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, expit, logit

from lockgate.errors import SpecError

Floats = NDArray[np.float64]

CLIP = 1e-6
STEPS = 25


class Recalibrated(NamedTuple):
    """The cure: `intercept` + `slope` times the prediction (its logit, of a chance). p: of the prediction being right as
    it is. n: rows, or blocks, that were taken as independent.
    """

    intercept: float
    slope: float
    p: float
    n: int

    def mended(self, chance: Floats) -> Floats:
        """The chances after the cure."""
        found: Floats = expit(self.intercept + self.slope * logit(np.clip(chance, CLIP, 1 - CLIP)))
        return found


def of_chances(chance: Floats, outcome: Floats, block: NDArray[np.generic] | None = None) -> Recalibrated:
    """Cox's recalibration of chances, shape (n,), against 0 and 1, shape (n,), with the score test of (0, 1).

    A slope under 1 says too sure, over 1 not sure enough; an intercept says too high or too low throughout. The test is
    by the spread of the scores themselves, over blocks where there are some, against F with 2 and n - 2 degrees: rows of a
    block may go together. Chances are clipped to [1e-6, 1 - 1e-6]. Raises SpecError under 5 rows or blocks.
    Source: Cox (1958); Spiegelhalter (1986) for the question; White (1982) for the spread.
    """
    p = np.clip(chance, CLIP, 1 - CLIP)
    x = logit(p)
    design = np.column_stack([np.ones(x.size), x])
    found = _score_test(design * (outcome - p)[:, None], block)
    beta = _logistic(design, outcome)
    return Recalibrated(float(beta[0]), float(beta[1]), *found)


def of_values(value: Floats, outcome: Floats, block: NDArray[np.generic] | None = None) -> Recalibrated:
    """The same of numbers: the outcome on the prediction by least squares (Mincer, Zarnowitz 1969)."""
    centre, spread = float(value.mean()), float(value.std()) or 1.0
    design = np.column_stack([np.ones(value.size), (value - centre) / spread])
    found = _score_test(design * (outcome - value)[:, None], block)
    slope = float(design[:, 1] @ outcome) / outcome.size / spread
    return Recalibrated(float(outcome.mean()) - slope * centre, slope, *found)


def _score_test(scores: Floats, block: NDArray[np.generic] | None) -> tuple[float, int]:
    """Hotelling's T^2 of the scores' mean against nought."""
    parts = np.asarray(scores, dtype=np.float64)
    if block is not None:
        _, place = np.unique(block, return_inverse=True)
        parts = np.column_stack([np.bincount(place, weights=scores[:, at]) for at in range(scores.shape[1])])
    n = int(parts.shape[0])
    if n < 5:
        raise SpecError(f"{n} rows or blocks cannot tell whether predictions are calibrated.", cure="Bring at least 5.")
    mean, spread = parts.mean(axis=0), np.cov(parts.T)
    # A constant prediction has one direction only: the other's spread is nought, and so is its score.
    inverse = np.linalg.pinv(spread, hermitian=True, rcond=1e-10)
    least = 1e-10 * max(float(np.trace(spread)), 1e-300)
    rank = int((np.linalg.eigvalsh(spread) > least).sum())
    if rank == 0:
        return (1.0 if np.allclose(mean, 0) else 0.0), n
    # T^2 (n - rank) / (rank (n - 1)) is F's; its tail as an incomplete beta.
    t2 = n * float(mean @ inverse @ mean)
    return float(betainc((n - rank) / 2, rank / 2, (n - 1) / (n - 1 + t2))), n


def _logistic(design: Floats, outcome: Floats) -> Floats:
    """Newton's steps from "right as it is"; where they would run off (outcomes told apart whole), held where they stand."""
    beta: Floats = np.array([0.0, 1.0])
    for _ in range(STEPS):
        mean = expit(design @ beta)
        weight = mean * (1 - mean)
        information = design.T @ (design * weight[:, None]) + 1e-9 * np.eye(2)
        step: Floats = np.asarray(np.linalg.solve(information, design.T @ (outcome - mean)), dtype=np.float64)
        beta = beta + np.clip(step, -2.0, 2.0)
        if float(np.abs(step).max()) < 1e-8 or float(np.abs(beta).max()) > 50:
            break
    return beta
