"""The exact block tests: the papers' formulas, fair bets, and a path that does not know its future."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from lockgate.errors import SpecError
from lockgate.stats import block_e

G = 0.5
PATHS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "E2": block_e.log_e2,
    "E+": block_e.log_e_plus,
    "sign flip": block_e.log_sign_flip,
    "bounded bet": lambda d: block_e.log_bounded_bet(d, bound=1e6),
}


def likelihood_ratio(d: np.ndarray, low: float) -> float:
    """By quadrature: right-Haar spread, normal prior of variance G on mean / spread above `low`, over the same at mean 0."""
    n, total, squares = d.size, d.sum(), d @ d
    # With the spread integrated out, the likelihood of a standardised mean delta is a function of it alone.
    spreads = np.exp(np.linspace(-6, 6, 4_001)) * math.sqrt(squares / n)

    def marginal(delta: float) -> float:
        log = -n * np.log(spreads) - (squares - 2 * delta * spreads * total + n * (delta * spreads) ** 2) / (
            2 * spreads**2
        )
        return float(np.trapezoid(np.exp(log), np.log(spreads)))

    share = 1 if math.isinf(low) else 2
    found = integrate.quad(lambda x: share * marginal(x) * stats.norm.pdf(x, 0, math.sqrt(G)), max(low, -6), 6)[0]
    return found / marginal(0.0)


@pytest.mark.parametrize("n", [2, 4, 9])
def test_e2_and_e_plus_are_the_mixtures_that_they_are_said_to_be(n: int) -> None:
    d = np.random.default_rng(n).standard_normal(n) + 0.3
    assert math.exp(block_e.log_e2(d)[-1]) == pytest.approx(likelihood_ratio(d, -math.inf), rel=1e-4)
    assert math.exp(block_e.log_e_plus(d)[-1]) == pytest.approx(likelihood_ratio(d, 0.0), rel=1e-4)


def test_e_plus_of_both_directions_averages_to_e2() -> None:
    d = np.random.default_rng(3).standard_normal((4, 30))
    both = (np.exp(block_e.log_e_plus(d)) + np.exp(block_e.log_e_plus(-d))) / 2
    np.testing.assert_allclose(both, np.exp(block_e.log_e2(d)), rtol=1e-9)


@pytest.mark.parametrize(("alpha", "first"), [(0.05, 5), (0.01, 7)])
def test_e_plus_gives_no_verdict_before_as_many_blocks_as_coins_would_need(alpha: float, first: int) -> None:
    alike = 1 + 1e-6 * np.random.default_rng(4).standard_normal(12)
    assert int(np.argmax(block_e.log_e_plus(alike) >= math.log(1 / alpha))) + 1 == first


@pytest.mark.parametrize("size", [0.3, 1.0, 40.0])
def test_a_sign_flip_is_fair_whatever_the_next_blocks_size(size: float) -> None:
    past = np.array([0.5, -1.0, 2.0])
    up, down = (math.exp(block_e.log_sign_flip(np.append(past, s * size))[-1]) for s in (1, -1))
    assert (up + down) / 2 == pytest.approx(math.exp(block_e.log_sign_flip(past)[-1]))


def test_a_sign_flip_lays_nothing_before_it_has_seen_a_size() -> None:
    assert block_e.log_sign_flip(np.array([0.0, 0.0, 5.0])).tolist() == pytest.approx([0, 0, 0])
    assert block_e.log_sign_flip(np.array([5.0]))[0] == pytest.approx(0)


def test_a_bounded_bet_is_fair_for_any_block_of_mean_nought() -> None:
    past = np.array([0.5, -0.2])
    chances, values = np.array([0.2, 0.5, 0.3]), np.array([-1.0, 0.1, 0.5])
    assert chances @ values == pytest.approx(0)
    after = [math.exp(block_e.log_bounded_bet(np.append(past, v), bound=1.0)[-1]) for v in values]
    assert chances @ np.array(after) == pytest.approx(math.exp(block_e.log_bounded_bet(past, bound=1.0)[-1]))


def test_a_bounded_bet_is_the_mean_of_its_stakes() -> None:
    d = np.array([0.5, -1.0, 2.0])
    expected = np.mean([np.prod(1 + c * d / 4) for c in (0.05, 0.1, 0.2, 0.4, 0.8)])
    assert math.exp(block_e.log_bounded_bet(d, bound=4.0)[-1]) == pytest.approx(expected)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("shape", [(40,), (3, 40), (2, 1, 40)])
def test_the_first_blocks_give_the_same_bits_however_many_follow(name: str, shape: tuple[int, ...]) -> None:
    d = np.random.default_rng(5).standard_normal(shape) + 0.4
    whole = PATHS[name](d)
    for cut in range(41):
        assert np.array_equal(PATHS[name](d[..., :cut]), whole[..., :cut])


@pytest.mark.parametrize("name", PATHS)
def test_many_paths_at_once_are_each_path_alone(name: str) -> None:
    d = np.random.default_rng(6).standard_normal((5, 30))
    assert np.array_equal(PATHS[name](d), np.stack([PATHS[name](row) for row in d]))


@pytest.mark.parametrize("name", PATHS)
@given(values=st.lists(st.floats(-1e6, 1e6), max_size=25))
def test_any_blocks_give_finite_evidence(name: str, values: list[float]) -> None:
    assert np.isfinite(PATHS[name](np.array(values))).all()


@pytest.mark.parametrize("name", ["E2", "E+", "sign flip"])
def test_the_unit_of_the_metric_does_not_matter(name: str) -> None:
    d = np.random.default_rng(7).standard_normal(40) + 0.3
    np.testing.assert_allclose(PATHS[name](d), PATHS[name](1e-4 * d), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["E+", "sign flip", "bounded bet"])
def test_worse_blocks_prove_nothing(name: str) -> None:
    assert PATHS[name](np.random.default_rng(8).standard_normal(100) - 1)[1:].max() <= 0


@pytest.mark.parametrize("name", PATHS)
def test_a_difference_that_is_not_finite_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="not finite"):
        PATHS[name](np.array([1.0, math.inf]))


@pytest.mark.parametrize("bound", [0.0, -1.0, math.inf, math.nan])
def test_a_bound_that_bounds_nothing_is_refused(bound: float) -> None:
    with pytest.raises(SpecError, match="bounds nothing"):
        block_e.log_bounded_bet(np.zeros(3), bound=bound)


def test_a_block_beyond_the_bound_is_refused_with_its_value() -> None:
    with pytest.raises(SpecError, match=r"-1\.5 is beyond the bound of 1"):
        block_e.log_bounded_bet(np.array([0.2, -1.5]), bound=1.0)
