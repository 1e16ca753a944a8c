"""GLS-t: its whitening against matrix algebra, what it refuses, and a path that does not know its future."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, special, stats

from lockgate.errors import SpecError
from lockgate.stats import block_e, glst

MEMORIES: tuple[glst.Memory, ...] = ("independent", "new", "short", "long")
HISTORY = np.random.default_rng(20).standard_normal(33)


def by_matrices(d: np.ndarray, memory: str, history: np.ndarray | None) -> float:
    """METHODS 3 at the last look, from the inverse of each noise's covariance: no recursion, no running sums."""
    log_u, log_es = [], []
    for prior, covariance in zip(priors(memory), covariances(max(d.size, 90)), strict=True):
        now = generalised(d, covariance[: d.size, : d.size])
        skew, m, log_weight = -1.0, 20.0, now.log_weight
        if history is not None:
            then = generalised(history, covariance[: history.size, : history.size])
            m, log_weight = float(history.size), log_weight + then.log_weight
            skew = float(np.mean(then.rest**3) / np.mean(then.rest**2) ** 1.5)
        log_u.append(math.log(prior) + log_weight)
        log_es.append(one_sided(now, skew, m))
    weights = special.softmax(log_u)
    return float(-2 * special.logsumexp(-0.5 * np.array(log_es), b=weights))


def priors(memory: str) -> list[float]:
    slow = {"new": 0.1, "short": 0.1, "long": 0.5}[memory]
    return [(1 - slow) / 12] * 8 + [(1 - slow) / 6] * 2 + [slow / 4] * 4


def covariances(n: int) -> list[np.ndarray]:
    """An AR(1) of each phi; and an AR(1) under noise, its first seven correlations carried on by Yule and Walker."""
    lags = np.arange(n)
    found = [linalg.toeplitz(phi**lags) for phi in np.arange(10) / 10]
    for share, phi in ((0.6, 0.7), (0.6, 0.9), (0.3, 0.7), (0.3, 0.9)):
        correlation = np.append(1.0, share * phi ** lags[1:8])
        coefficients = linalg.solve_toeplitz(correlation[:7], correlation[1:8])
        while correlation.size < n:
            correlation = np.append(correlation, coefficients @ correlation[:-8:-1])
        found.append(linalg.toeplitz(correlation))
    return found


class generalised:  # noqa: N801 - a small result, named for what it is
    def __init__(self, d: np.ndarray, covariance: np.ndarray) -> None:
        root = np.linalg.cholesky(covariance)
        y, x = linalg.solve_triangular(root, np.stack([d, np.ones(d.size)], axis=1), lower=True).T
        self.n, self.information = d.size, x @ x
        self.rest = y - x * (x @ y) / self.information
        s2 = self.rest @ self.rest
        self.t = (x @ y) / math.sqrt(self.information) / math.sqrt(s2 / (d.size - 1))
        self.third = float(np.mean(self.rest**3) / (s2 / (d.size - 1)) ** 1.5)
        self.log_weight = float(
            -np.log(np.diag(root)).sum() - 0.5 * math.log(self.information) - (d.size - 1) / 2 * math.log(s2)
        )


def one_sided(fit: generalised, history_skew: float, m: float) -> float:
    n, nu, g = fit.n, fit.n - 1, 0.5 * fit.information
    skew = 1.5 * min(0.0, fit.third, (n * fit.third + m * history_skew) / (n + m))
    held = min(fit.t, 1.5 * math.sqrt(n) / -skew) if fit.t > 0 and skew < 0 else fit.t
    t = min(fit.t, held + skew * (1 / 6 + held**2 / 3) / math.sqrt(n))
    q, q1 = 1 + t**2 / nu, 1 + t**2 / (nu * (1 + g))
    tail = stats.t(n).logcdf(t * math.sqrt(n * g / ((1 + g) * nu * q1)))
    return -0.5 * math.log1p(g) + n / 2 * (math.log(q) - math.log(q1)) + math.log(2) + tail


@pytest.mark.parametrize("memory", ["new", "short", "long"])
@pytest.mark.parametrize("n", [3, 6, 8, 25])
def test_the_recursions_are_what_the_matrices_say(memory: glst.Memory, n: int) -> None:
    d = np.random.default_rng(n).standard_normal(n) + 0.6
    past = None if memory == "new" else HISTORY
    assert glst.log_e(d, memory=memory, history=past)[-1] == pytest.approx(by_matrices(d, memory, past), abs=1e-9)


def test_without_correlation_skewness_or_doubt_it_would_be_e_plus() -> None:
    """One noise alone, that of independent blocks, and t as it is: the same mixture in another form."""
    d = np.random.default_rng(11).standard_normal(30) + 0.2
    fit = generalised(d, np.eye(30))
    fit.third = 0.0
    assert one_sided(fit, 0.0, 20.0) == pytest.approx(block_e.log_e_plus(d)[-1])


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("shape", [(40,), (3, 40), (2, 1, 40)])
def test_the_first_blocks_give_the_same_bits_however_many_follow(memory: glst.Memory, shape: tuple[int, ...]) -> None:
    d = np.random.default_rng(1).standard_normal(shape) + 0.4
    whole = glst.log_e(d, memory=memory, history=HISTORY)
    for cut in range(41):
        assert np.array_equal(glst.log_e(d[..., :cut], memory=memory, history=HISTORY), whole[..., :cut])


@pytest.mark.parametrize("memory", MEMORIES)
def test_many_paths_at_once_are_each_path_alone(memory: glst.Memory) -> None:
    rng = np.random.default_rng(2)
    d, history = rng.standard_normal((5, 30)), rng.standard_normal((5, 25))
    alone = [glst.log_e(row, memory=memory, history=past) for row, past in zip(d, history, strict=True)]
    assert np.array_equal(glst.log_e(d, memory=memory, history=history), np.stack(alone))


@pytest.mark.parametrize("memory", MEMORIES)
def test_the_unit_of_the_metric_does_not_matter(memory: glst.Memory) -> None:
    d = np.random.default_rng(3).standard_normal(40) + 0.3
    one = glst.log_e(d, memory=memory, history=HISTORY)
    np.testing.assert_allclose(one, glst.log_e(1e-4 * d, memory=memory, history=1e-4 * HISTORY), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("memory", ["short", "long"])
def test_the_history_speaks_of_correlation_and_skewness_alone(memory: glst.Memory) -> None:
    """Its mean and its spread are its own affair."""
    d = np.random.default_rng(4).standard_normal(40) + 0.3
    one = glst.log_e(d, memory=memory, history=HISTORY)
    np.testing.assert_allclose(one, glst.log_e(d, memory=memory, history=7 * HISTORY + 3), rtol=1e-6, atol=1e-6)


def test_a_history_that_remembers_asks_for_more_evidence() -> None:
    d = np.random.default_rng(5).standard_normal(30) + 0.6
    slow = np.cumsum(np.random.default_rng(6).standard_normal(60))
    calm = np.random.default_rng(7).standard_normal(60)
    remembered, forgot = (glst.log_e(d, memory="short", history=h)[-1] for h in (slow, calm))
    assert remembered < forgot


def test_long_asks_for_more_evidence_than_short() -> None:
    d = np.random.default_rng(8).standard_normal(30) + 0.6
    assert glst.log_e(d, memory="long", history=HISTORY)[-1] < glst.log_e(d, memory="short", history=HISTORY)[-1]


@pytest.mark.parametrize("memory", MEMORIES)
@given(values=st.lists(st.floats(-1e6, 1e6), max_size=20))
@settings(max_examples=50)
def test_any_blocks_give_finite_evidence(memory: glst.Memory, values: list[float]) -> None:
    assert np.isfinite(glst.log_e(np.array(values), memory=memory, history=HISTORY)).all()


@pytest.mark.parametrize("values", [np.zeros(12), np.full(12, -0.002), np.r_[np.zeros(6), 1.0, 2.0]])
@pytest.mark.parametrize("memory", MEMORIES)
def test_blocks_that_do_not_vary_or_are_nought_give_finite_evidence(memory: glst.Memory, values: np.ndarray) -> None:
    """Two versions that say the same have differences of exactly nought; a warning is an error here."""
    assert np.isfinite(glst.log_e(values, memory=memory, history=np.zeros(30))).all()


@pytest.mark.parametrize("memory", ["new", "short", "long"])
def test_worse_blocks_never_prove_anything(memory: glst.Memory) -> None:
    d = np.random.default_rng(9).standard_normal(100) - 1
    assert glst.log_e(d, memory=memory, history=HISTORY).max() <= 0


def test_two_blocks_say_nothing() -> None:
    assert glst.log_e(np.array([]), memory="new").size == 0
    assert glst.log_e(np.array([9.0, 9.1]), memory="new").tolist() == [0, 0]


@pytest.mark.parametrize("length", [0, 19, 91])
def test_a_history_of_the_wrong_length_is_refused_with_its_length(length: int) -> None:
    with pytest.raises(SpecError, match=f"history of {length} blocks"):
        glst.log_e(np.zeros(5), memory="short", history=np.zeros(length))


def test_a_missing_history_is_refused() -> None:
    with pytest.raises(SpecError, match="history of 0 blocks"):
        glst.log_e(np.zeros(5), memory="long")


def test_a_difference_that_is_not_finite_is_refused() -> None:
    with pytest.raises(SpecError, match="not finite"):
        glst.log_e(np.array([1.0, np.nan]), memory="new")


def test_an_unknown_memory_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(SpecError, match="'short'"):
        glst.log_e(np.zeros(5), memory=cast(glst.Memory, "shrt"))


def test_a_memory_that_needs_history_is_new_until_it_has_twenty_blocks() -> None:
    assert glst.effective_memory("short", 19) == "new"
    assert glst.effective_memory("short", 20) == "short"
    assert glst.effective_memory("long", 5) == "new"
    assert glst.effective_memory("independent", 0) == "independent"
