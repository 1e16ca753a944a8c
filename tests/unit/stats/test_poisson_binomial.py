"""Sums of independent outcomes of unlike chances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, poisson_binom

from lockgate.stats import poisson_binomial


def test_the_law_is_scipys_where_scipy_has_one():
    chance = np.random.default_rng(0).random(40)
    assert poisson_binomial.law(chance) == pytest.approx(poisson_binom.pmf(np.arange(41), chance), abs=1e-12)


def test_even_chances_are_binomial():
    assert poisson_binomial.interval(np.full(500, 0.3), alpha=0.05) == tuple(binom.ppf([0.025, 0.975], 500, 0.3))


def test_beyond_a_thousand_rows_the_ends_are_off_by_less_than_a_row():
    chance = np.random.default_rng(1).random(1_000) ** 6
    exact = poisson_binomial.interval(chance, alpha=0.05)
    # The same rows, and one that says nothing: it takes the other way.
    assert poisson_binomial.interval(np.append(chance, 0.0), alpha=0.05) == pytest.approx(exact, abs=1.0)


def test_no_rows_and_sure_rows_leave_nothing_to_luck():
    assert poisson_binomial.interval(np.empty(0), alpha=0.05) == (0.0, 0.0)
    assert poisson_binomial.interval(np.array([1.0, 1.0, 0.0]), alpha=0.05) == (2.0, 2.0)


@pytest.mark.parametrize("rows", [50, 20_000])
def test_draws_have_the_mean_and_the_spread_of_the_law(rows):
    chance = np.random.default_rng(2).random(rows) ** 2
    drawn = poisson_binomial.drawn(chance, 4_000, np.random.default_rng(3))
    sd = np.sqrt((chance * (1 - chance)).sum())
    assert abs(drawn.mean() - chance.sum()) < 4 * sd / np.sqrt(4_000)
    assert drawn.std() == pytest.approx(sd, rel=0.05)
