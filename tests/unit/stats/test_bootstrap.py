"""The bootstrap against scipy's own BCa, the percentile-t written out, and what a resample must not do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from lockgate.errors import SpecError
from lockgate.stats import block_t, bootstrap

B = 999


def rows(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An outcome and the scores of two versions that know something of it."""
    rng = np.random.default_rng([1, seed])
    y = (rng.random(n) < 0.4).astype(float)
    return y, rng.standard_normal(n) + y, rng.standard_normal(n) + y


def f1_gain(y: np.ndarray, a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    def f1(score: np.ndarray) -> np.ndarray:
        is_called = score > 0.5
        return 2 * (is_called * y).sum(axis) / (is_called.sum(axis) + y.sum(axis))

    return f1(a) - f1(b)


def brier_gain(y: np.ndarray, a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    return ((a - y) ** 2 - (b - y) ** 2).mean(axis)


def ends(found: bootstrap.Interval) -> tuple[float, float]:
    return found.low, found.high


def seeded() -> np.random.Generator:
    return np.random.default_rng(7)


# ---- by rows


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("statistic", [f1_gain, brier_gain])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_paired_rows_give_scipys_own_bca(seed: int, statistic: Any, alpha: float) -> None:
    columns = rows(seed)
    expected = stats.bootstrap(
        columns, statistic, paired=True, vectorized=True, n_resamples=B, confidence_level=1 - alpha, rng=seeded()
    ).confidence_interval
    found = bootstrap.bca(statistic, *columns, alpha=alpha, rng=seeded(), is_vectorised=True, resamples=B)
    assert ends(found) == pytest.approx((expected.low, expected.high), abs=1e-10)
    assert found.estimate == statistic(*columns)
    assert found.n == 60


@pytest.mark.parametrize("seed", range(3))
def test_strata_give_scipys_own_bca_of_the_classes_as_two_samples(seed: int) -> None:
    y, a, b = rows(seed)

    def of_classes(noughts: np.ndarray, ones: np.ndarray, axis: int) -> np.ndarray:
        chosen = np.concatenate([noughts, ones], axis=axis).astype(int)
        return f1_gain(y[chosen], a[chosen], b[chosen])

    classes = (np.flatnonzero(y == 0), np.flatnonzero(y == 1))
    expected = stats.bootstrap(classes, of_classes, vectorized=True, n_resamples=B, rng=seeded()).confidence_interval
    found = bootstrap.bca(f1_gain, y, a, b, alpha=0.05, rng=seeded(), strata=y, is_vectorised=True, resamples=B)
    assert ends(found) == pytest.approx((expected.low, expected.high), abs=1e-10)


def test_strata_keep_the_size_of_each_class_on_every_resample() -> None:
    y, a, _ = rows(4)
    sizes = set()

    def watched(outcome: np.ndarray, score: np.ndarray) -> float:
        sizes.add(outcome.sum())
        return float(score.mean())

    bootstrap.bca(watched, y, a, alpha=0.05, rng=seeded(), strata=y, resamples=B)
    # the jackknife leaves out one row of either class
    assert sizes == {y.sum(), y.sum() - 1}


def test_a_plain_statistic_is_the_vectorised_one_called_row_set_by_row_set() -> None:
    columns = rows(5)
    plain = bootstrap.bca(f1_gain, *columns, alpha=0.05, rng=seeded(), strata=columns[0], resamples=B)
    fast = bootstrap.bca(
        f1_gain, *columns, alpha=0.05, rng=seeded(), strata=columns[0], is_vectorised=True, resamples=B
    )
    assert plain == pytest.approx(fast, abs=1e-12)


def test_leaving_out_a_thousand_parts_is_as_good_as_leaving_out_each_of_six_thousand_rows() -> None:
    value = np.random.default_rng(6).standard_exponential(6_000) ** 2
    expected = stats.bootstrap(
        (value,), np.mean, vectorized=True, n_resamples=B, batch=200, rng=seeded()
    ).confidence_interval
    found = bootstrap.bca(np.mean, value, alpha=0.05, rng=seeded(), is_vectorised=True, resamples=B)
    assert ends(found) == pytest.approx((expected.low, expected.high), abs=0.02 * (expected.high - expected.low))


def test_the_interval_leaves_out_a_value_just_when_its_p_is_under_alpha() -> None:
    value = np.random.default_rng(8).standard_exponential(40)
    for null in np.linspace(0.4, 1.9, 61):
        found = bootstrap.bca(
            np.mean, value, alpha=0.05, rng=seeded(), is_vectorised=True, null=float(null), resamples=B
        )
        if abs(found.p - 0.05) > 2 / B:
            assert (null < found.low or null > found.high) == (found.p < 0.05)


def test_the_smallest_p_is_what_the_resamples_can_tell() -> None:
    found = bootstrap.bca(np.mean, np.arange(50.0) + 100, alpha=0.05, rng=seeded(), is_vectorised=True, resamples=B)
    assert found.p == 2 / (B + 1)


def test_versions_that_say_the_same_differ_by_nought_exactly() -> None:
    y, a, _ = rows(9)
    found = bootstrap.bca(f1_gain, y, a, a, alpha=0.05, rng=seeded(), strata=y, is_vectorised=True, resamples=B)
    assert found == (0, 0, 0, 1, 60)
    margin = bootstrap.bca(f1_gain, y, a, a, alpha=0.05, rng=seeded(), is_vectorised=True, null=-0.01, resamples=B)
    assert margin.p == 2 / (B + 1)


def test_the_same_seed_gives_the_same_interval_and_another_one_a_near_one() -> None:
    columns = rows(10)
    one, again, other = (
        bootstrap.bca(f1_gain, *columns, alpha=0.05, rng=np.random.default_rng(seed), is_vectorised=True)
        for seed in (1, 1, 2)
    )
    assert one == again
    assert ends(one) != ends(other)
    assert ends(one) == pytest.approx(ends(other), abs=0.05)


# ---- by blocks


def days(seed: int, n: int = 14, *, alike: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of n days, 20 to 40 a day, that share their day's effect; and each row's day."""
    rng = np.random.default_rng([2, seed])
    counts = rng.integers(20, 41, n)
    day = np.repeat(np.arange(n), counts)
    return alike * rng.standard_normal(n)[day] + rng.standard_normal(day.size), day


def test_totals_of_blocks_by_hand_whatever_their_labels_and_the_order_of_the_rows() -> None:
    values = np.array([1.0, 2, 4, 8, 16])
    for labels in (["b", "a", "c", "a", "b"], [2, 1, 3, 1, 2], np.array([2, 1, 3, 1, 2], dtype="datetime64[D]")):
        sums, counts = bootstrap.block_totals(values, np.asarray(labels))
        assert (sums.tolist(), counts.tolist()) == ([10, 17, 4], [2, 2, 1])


def test_the_mean_of_blocks_is_the_percentile_t_written_out_over_the_rows() -> None:
    values, day = days(1, 8, alike=1.0)
    parts = [values[day == d] for d in range(8)]
    mean = values.mean()

    def error(chosen: list[np.ndarray], centre: float) -> float:
        residual = [(part - centre).sum() for part in chosen]
        per_block = np.mean([part.size for part in chosen])
        return math.sqrt(sum(r * r for r in residual) / (8 * 7)) / per_block

    t = []
    for draw in seeded().integers(0, 8, (B, 8)):
        chosen = [parts[d] for d in draw]
        centre = np.concatenate(chosen).mean()
        t.append((centre - mean) / error(chosen, centre))
    t.sort()
    se = error(parts, mean)
    found = bootstrap.block_mean(*bootstrap.block_totals(values, day), alpha=0.05, rng=seeded(), resamples=B)
    assert (found.estimate, found.low, found.high) == pytest.approx(
        (mean, mean - t[B - 25] * se, mean - t[24] * se), abs=1e-10
    )
    assert found.n == 8


def test_many_gaussian_blocks_give_students_interval() -> None:
    means = np.random.default_rng(11).standard_normal(200)
    found = bootstrap.block_mean(means * 30, np.full(200, 30.0), alpha=0.05, rng=seeded(), resamples=9_999)
    student = block_t.interval(means * 30, np.full(200, 30.0), alpha=0.05)
    assert ends(found) == pytest.approx((student.low, student.high), abs=0.1 * (student.high - student.low))


def test_runs_of_blocks_are_taken_around_the_end() -> None:
    """Blocks that alternate in pairs cancel in runs of two pairs: what a run of one takes for noise."""
    sums = np.tile([1.0, 1.0, -1.0, -1.0], 10) + 0.01 * np.random.default_rng(12).standard_normal(40)
    alone, together = (
        bootstrap.block_mean(sums, np.ones(40), alpha=0.05, rng=seeded(), run=run, resamples=B) for run in (1, 4)
    )
    assert alone.high - alone.low > 0.4
    assert together.high - together.low < 0.02
    assert together.estimate == alone.estimate == pytest.approx(sums.mean())


def test_longer_runs_widen_the_interval_of_blocks_that_remember() -> None:
    walk = np.repeat(np.random.default_rng(13).standard_normal(12), 5)
    widths = []
    for run in (1, 2, 5):
        found = bootstrap.block_mean(walk, np.ones(60), alpha=0.05, rng=seeded(), run=run, resamples=B)
        widths.append(found.high - found.low)
    assert widths == sorted(widths)
    assert widths[-1] > 1.5 * widths[0]


def test_the_blocks_interval_leaves_out_a_value_just_when_its_p_is_at_most_alpha() -> None:
    sums, counts = bootstrap.block_totals(*days(2, alike=1.0))
    for null in np.linspace(-1.2, 1.2, 49):
        found = bootstrap.block_mean(sums, counts, alpha=0.05, rng=seeded(), null=float(null), resamples=B)
        assert (null < found.low or null > found.high) == (found.p <= 0.05)


def test_the_smallest_p_of_blocks_is_what_the_resamples_can_tell() -> None:
    sums = np.random.default_rng(17).standard_normal(40) + 100
    found = bootstrap.block_mean(sums, np.ones(40), alpha=0.05, rng=seeded(), resamples=B)
    assert found.p == 2 / (B + 1)


def test_three_blocks_cannot_say_how_far_off_they_are() -> None:
    """One resample in nine holds one block thrice and has no error of its own."""
    found = bootstrap.block_mean(np.array([1.0, 2, 4]), np.ones(3), alpha=0.05, rng=seeded(), resamples=B)
    assert ends(found) == (-math.inf, math.inf)


def test_blocks_that_are_all_nought_differ_by_nought() -> None:
    assert bootstrap.block_mean(np.zeros(5), np.ones(5), alpha=0.05, rng=seeded(), resamples=B) == (0, 0, 0, 1, 5)


def test_a_statistic_over_blocks_is_the_bca_of_block_numbers_with_students_ends() -> None:
    """Blocks of one row each; 1 - 2 Phi(-z) is the level at which scipy's ends are z deviates out."""
    value = np.random.default_rng(14).standard_exponential(12)
    z = stats.t(11).isf(0.025) * math.sqrt(12 / 11)
    expected = stats.bootstrap(
        (value,), np.mean, n_resamples=B, confidence_level=1 - 2 * stats.norm.sf(z), rng=seeded()
    ).confidence_interval
    found = bootstrap.block_bca(np.mean, value, blocks=np.arange(12), alpha=0.05, rng=seeded(), resamples=B)
    assert ends(found) == pytest.approx((expected.low, expected.high), abs=1e-10)


def test_a_statistic_over_blocks_leaves_out_a_value_just_when_its_p_is_under_alpha() -> None:
    value = np.random.default_rng(18).standard_exponential(8)
    for null in np.linspace(value.mean() - 1.5, value.mean() + 2.5, 61):
        found = bootstrap.block_bca(
            np.mean, value, blocks=np.arange(8), alpha=0.1, rng=seeded(), null=float(null), resamples=B
        )
        if abs(found.p - 0.1) > 10 / B:
            assert (null < found.low or null > found.high) == (found.p < 0.1)


def test_four_blocks_at_a_small_alpha_reach_from_the_least_of_them_to_the_largest() -> None:
    value = np.array([0.0, 1.0, 2.0, 40.0])
    found = bootstrap.block_bca(np.mean, value, blocks=np.arange(4), alpha=0.001, rng=seeded(), resamples=9_999)
    assert ends(found) == (0, 40)


def test_rows_of_a_block_come_together_and_in_any_order() -> None:
    values, day = days(3, alike=1.0)
    order = np.random.default_rng(15).permutation(values.size)
    sorted_rows, shuffled = (
        bootstrap.block_bca(np.mean, v, blocks=d, alpha=0.05, rng=seeded(), resamples=B)
        for v, d in ((values, day), (values[order], day[order]))
    )
    assert sorted_rows == pytest.approx(shuffled, abs=1e-12)
    assert sorted_rows.n == 14


def test_days_that_move_together_make_the_interval_several_times_wider_than_rows_would() -> None:
    values, day = days(4, alike=1.0)
    by_row = bootstrap.bca(np.mean, values, alpha=0.05, rng=seeded(), is_vectorised=True, resamples=B)
    by_day = bootstrap.block_bca(np.mean, values, blocks=day, alpha=0.05, rng=seeded(), resamples=B)
    assert by_day.high - by_day.low > 3 * (by_row.high - by_row.low)


# ---- what is refused

Y, A, _ = rows(16, 20)
DAY = np.repeat(np.arange(5), 4)


def by_rows(statistic: Any, *columns: np.ndarray, **more: Any) -> bootstrap.Interval:
    return bootstrap.bca(statistic, *columns, **{"alpha": 0.05, "rng": seeded(), "resamples": B} | more)


def by_block(statistic: Any, column: np.ndarray, day: np.ndarray) -> bootstrap.Interval:
    return bootstrap.block_bca(statistic, column, blocks=day, alpha=0.05, rng=seeded(), resamples=B)


def mean_of(sums: Any, counts: Any, **more: Any) -> bootstrap.Interval:
    arrays = np.asarray(sums, dtype=float), np.asarray(counts, dtype=float)
    return bootstrap.block_mean(*arrays, **{"alpha": 0.05, "rng": seeded(), "resamples": B} | more)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda: by_rows(np.corrcoef, Y, A[:9]), "column 1 holds 9 rows, column 0 20"),
        (lambda: by_rows(np.mean, np.r_[A, np.nan]), "column 0 is nan in row 20"),
        (lambda: by_rows(np.mean, A, alpha=0.0), "alpha of 0"),
        (lambda: by_rows(np.mean, A, resamples=99), "99 resamples cannot place ends at alpha 0.05"),
        (lambda: by_rows(np.mean, A, strata=np.r_[0, np.ones(19)]), "stratum of one row"),
        (lambda: by_rows(np.mean, A, strata=np.ones(3)), r"Labels of shape \(3,\)"),
        (lambda: by_rows(np.mean, A, strata=np.r_[np.nan, np.ones(19)]), "A row has no stratum"),
        (lambda: by_rows(np.mean, A[:1]), "stratum of one row"),
        (lambda: by_rows(lambda _: math.nan, A), "not finite on"),
        (lambda: by_rows(lambda a: a[:2], A), "gave shape"),
        (lambda: by_rows(lambda _: 3.5, A), "Every resample gives 3.5"),
        (lambda: by_rows(lambda a: float(np.unique(a).size), A), "one side of the estimate"),
        (lambda: by_block(np.mean, A, DAY[:9]), r"Labels of shape \(9,\)"),
        (lambda: by_block(np.mean, A, np.minimum(DAY, 1)), "Rows of 2 blocks"),
        (lambda: by_block(np.mean, A, np.where(DAY == 1, np.nan, DAY)), "A row has no block"),
        (lambda: by_block(np.mean, A, np.full(20, "NaT", dtype="datetime64[D]")), "A row has no block"),
        (lambda: bootstrap.block_totals(A, np.minimum(DAY, 1)), "Rows of 2 blocks"),
        (lambda: bootstrap.block_totals(np.array([1.0, np.inf, 2]), np.arange(3)), "values is inf in row 1"),
        (lambda: mean_of([1, 2], [1, 1]), "2 blocks in runs of 1 are fewer than 3 runs"),
        (lambda: mean_of(np.arange(8), np.ones(8), run=3), "8 blocks in runs of 3"),
        (lambda: mean_of(np.arange(8), np.ones(8), run=0), "runs of 0"),
        (lambda: mean_of([1, 2, 3], [1, 1]), "counts holds 2 rows, sums 3"),
        (lambda: mean_of([1, 2, np.nan], [1, 1, 1]), "sums is nan in row 2"),
        (lambda: mean_of([1, 2, 3], [1, 0, 1]), "Block 1 holds no rows"),
        (lambda: mean_of([2, 4, 6], [1, 2, 3]), "Every resample gives 2"),
        (lambda: mean_of([1, 2, 3], [1, 1, 1], alpha=1.0), "alpha of 1"),
        (lambda: mean_of([1, 2, 3], [1, 1, 1], alpha=0.001), "999 resamples cannot place ends at alpha 0.001"),
    ],
)
def test_what_cannot_be_resampled_is_refused_by_name(asked: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        asked()
