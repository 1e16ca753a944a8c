"""Many questions at once: which rejections stand when several challengers, slices or columns are judged together.

Holm bounds the chance of even one false rejection, Benjamini-Hochberg and e-BH the expected share of false ones among
the rejections (the false discovery rate). Every function says which dependence between the questions it allows.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError

Floats = NDArray[np.float64]


class Rejections(NamedTuple):
    """In the order of the input. adjusted: the smallest alpha at which each question would be rejected, at most 1."""

    adjusted: Floats
    is_rejected: NDArray[np.bool_]


def checked_alpha(alpha: float) -> float:
    """`alpha` itself; raises SpecError unless it lies strictly between 0 and 1."""
    if not 0 < alpha < 1:
        raise SpecError(f"An alpha of {alpha:g} is no error rate.", cure="Give one between 0 and 1, 0.05 say.")
    return alpha


def holm(p: Floats, *, alpha: float) -> Rejections:
    """Which of these p-values stand with a chance of at most `alpha` of even one false rejection.

    p: shape (m,), in [0, 1], each valid alone. Allows any dependence between them. Uniformly more powerful than Bonferroni.
    Raises SpecError for no p-values, one outside [0, 1] or NaN. Source: Holm (1979).
    """
    values = _checked_p(p)
    checked_alpha(alpha)
    order = np.argsort(values, kind="stable")
    stepped = values[order] * np.arange(values.size, 0, -1)
    adjusted = np.empty(values.size)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return Rejections(adjusted, adjusted <= alpha)


def benjamini_hochberg(p: Floats, *, alpha: float) -> Rejections:
    """Which of these p-values stand with an expected share of false ones of at most `alpha`.

    p: shape (m,), in [0, 1]. Allows independent p-values, and those with positive dependence on each true null (PRDS:
    one-sided tests of positively correlated normal figures). Under any other dependence the promise is only `alpha` times
    1 + 1/2 + ... + 1/m; use `e_bh` there. Raises SpecError as `holm`.
    Source: Benjamini, Hochberg (1995); Benjamini, Yekutieli (2001).
    """
    values = _checked_p(p)
    checked_alpha(alpha)
    order = np.argsort(values, kind="stable")
    stepped = values[order] * values.size / np.arange(1, values.size + 1)
    adjusted = np.empty(values.size)
    adjusted[order] = np.minimum(np.minimum.accumulate(stepped[::-1])[::-1], 1.0)
    return Rejections(adjusted, adjusted <= alpha)


def e_bh(log_e: Floats, *, alpha: float) -> Rejections:
    """Which of these e-values stand with an expected share of false ones of at most `alpha`.

    log_e: shape (m,), natural logs of e-values; -inf (an e-value of 0) and inf are allowed. Allows any dependence between
    them: rejects the k largest, for the largest k whose k-th is at least m / (k alpha). Each must be a true e-value, of
    mean at most 1 under its null: capital of a bet is one, E+ and GLS-t are not (METHODS 3).
    Raises SpecError for no e-values or NaN. Source: Wang, Ramdas (2022).
    """
    values = np.asarray(log_e, dtype=np.float64)
    checked_alpha(alpha)
    if values.ndim != 1 or not values.size or np.isnan(values).any():
        raise SpecError(
            f"Log e-values of shape {values.shape} with {int(np.isnan(values).sum())} NaN cannot be ranked.",
            cure="Give one number per question; a question without data has an e-value of 1, a log of 0.",
        )
    m = values.size
    order = np.argsort(-values, kind="stable")
    rank = np.arange(1, m + 1)
    stands = np.flatnonzero(values[order] >= np.log(m / (rank * alpha)))
    is_rejected = np.zeros(m, dtype=np.bool_)
    is_rejected[order[: stands[-1] + 1 if stands.size else 0]] = True
    # In logs until the last step: an e-value of exp(800) is no overflow, its adjusted level is 0.
    log_level = np.minimum(math.log(m) - np.log(rank) - values[order], 0.0)
    adjusted = np.empty(m)
    adjusted[order] = np.exp(np.minimum.accumulate(log_level[::-1])[::-1])
    return Rejections(adjusted, is_rejected)


def _checked_p(p: Floats) -> Floats:
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not values.size:
        raise SpecError(f"p-values of shape {values.shape} cannot be ranked.", cure="Give one number per question.")
    is_wrong = ~((values >= 0) & (values <= 1))
    if is_wrong.any():
        place = int(np.flatnonzero(is_wrong)[0])
        raise SpecError(f"p-value {place} is {values[place]:g}, outside [0, 1].", cure="Give p-values, not statistics.")
    return values
