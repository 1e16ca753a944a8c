"""How often the intervals of a check's figures miss, how often a model is wrongly said to beat its baselines, and how
often a whole table is accused.

Worlds with a known truth: the metric over 400,000 rows of the same world stands for it. Seeds are fixed. A rate fails above
its promise by 3 standard errors: on fresh seeds with chance .002 per world where the promise holds exactly.
"""

# ruff: noqa: T201 - the measured figures are what `make calibrate` is run for

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lockgate.assess import calibration, duplicates, leaks, shift
from lockgate.assess.check import Answers, CheckQuestion
from lockgate.assess.estimate import Arms, estimate, metric_of
from lockgate.assess.rivals import ruling_of, verdicts
from lockgate.assess.scores import Judged, score
from lockgate.records import Ruling

ALPHA = 0.05
World = Callable[[np.random.Generator, int, "np.ndarray | None"], tuple[np.ndarray, np.ndarray]]


def three_errors(rate: float, draws: int) -> float:
    return 3 * math.sqrt(rate * (1 - rate) / draws)


def chance(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


def two_classes(base: float) -> World:
    def world(rng: np.random.Generator, rows: int, day: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        logit = base + 1.3 * rng.normal(size=rows)
        mood = 0.0 if day is None else 0.8 * rng.normal(size=int(day.max()) + 1)[day]
        said = np.clip(chance(logit) + 0.05 * rng.normal(size=rows), 0.001, 0.999)
        return said, (rng.random(rows) < chance(logit + mood)).astype(float)

    return world


def three_classes(rng: np.random.Generator, rows: int, day: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=(rows, 2))
    raw = np.exp(1.5 * np.column_stack([x[:, 0], x[:, 1] - 1, np.full(rows, -1.0)]))
    said = raw / raw.sum(axis=1, keepdims=True)
    return said, np.minimum((rng.random(rows)[:, None] > said.cumsum(axis=1)).sum(axis=1), 2).astype(float)


def nearly_right(rng: np.random.Generator, rows: int, day: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Decisions for three classes of which one in a hundred is wrong: an interval rests on a row or two."""
    outcome = rng.integers(0, 3, rows)
    said = np.where(rng.random(rows) < 0.01, (outcome + rng.integers(1, 3, rows)) % 3, outcome)
    return np.eye(3)[said], outcome.astype(float)


def skewed(rng: np.random.Generator, rows: int, day: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=rows)
    return np.exp(0.5 * x + 0.125), np.exp(0.5 * x + 0.5 * rng.normal(size=rows))


COMMON, RARE = two_classes(-1.0), two_classes(-3.5)
# metric, task, world, rows, days, and the share of draws that the interval misses: .05, or what 4,000 draws showed beyond
CASES: list[tuple[str, str, World, int, int, float]] = [
    ("roc_auc", "binary", COMMON, 100, 0, 0.05),
    ("roc_auc", "binary", COMMON, 1000, 0, 0.05),
    ("roc_auc", "binary", RARE, 1000, 0, 0.05),
    ("roc_auc", "binary", COMMON, 600, 20, 0.05),
    ("average_precision", "binary", COMMON, 100, 0, 0.057),
    ("average_precision", "binary", RARE, 1000, 0, 0.06),
    ("f1", "binary", COMMON, 300, 0, 0.05),
    ("accuracy", "binary", COMMON, 100, 0, 0.05),
    ("accuracy", "binary", COMMON, 600, 20, 0.05),
    ("balanced_accuracy", "multiclass", three_classes, 300, 0, 0.052),
    ("macro_f1", "multiclass", three_classes, 300, 0, 0.053),
    ("balanced_accuracy", "multiclass", nearly_right, 172, 0, 0.058),
    ("macro_f1", "multiclass", nearly_right, 172, 0, 0.05),
    ("macro_auc", "multiclass", three_classes, 300, 0, 0.052),
    ("log_loss", "binary", COMMON, 600, 20, 0.059),
    ("log_loss", "binary", RARE, 2000, 0, 0.056),
    ("r2", "regression", skewed, 300, 0, 0.066),
    ("relative_error", "regression", skewed, 300, 0, 0.053),
    # A lognormal's squared errors: few rows hold most of the sum, and few samples hold those rows.
    ("rmse", "regression", skewed, 300, 0, 0.113),
    ("rmse", "regression", skewed, 1000, 0, 0.08),
]


def missed(case: tuple[str, str, World, int, int, float], draws: int, seed: int) -> float:
    name, task, world, rows, days, promised = case
    metric, rng = metric_of(name, task), np.random.default_rng(seed)
    many = None if not days else rng.integers(0, 400_000 * days // rows, 400_000)
    truth = float(np.mean(metric.of(*world(rng, 400_000, many))))
    wrong = 0
    for draw in range(draws):
        day = None if not days else np.repeat(np.arange(days), rows // days)
        said, outcome = world(rng, rows, day)
        found = score(metric, said, Judged(task, outcome, day, "day", ALPHA, draw))
        wrong += found.low is not None and found.high is not None and not found.low <= truth <= found.high
    print(f"{name}, {rows} rows, {days or 'no'} days: missed {wrong / draws:.4f} (promised {promised}) of {draws:,}")
    return wrong / draws


@pytest.mark.parametrize("case", CASES, ids=[f"{c[0]} {c[3]} {c[4]}" for c in CASES])
def test_intervals_miss_as_often_as_promised(case: tuple[str, str, World, int, int, float]) -> None:
    assert missed(case, 250, seed=2) <= case[5] + three_errors(case[5], 250)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[f"{c[0]} {c[3]} {c[4]}" for c in CASES])
def test_intervals_miss_as_often_as_promised_long(case: tuple[str, str, World, int, int, float]) -> None:
    assert missed(case, 4_000, seed=3) <= case[5] + three_errors(case[5], 4_000)


# ---- two equally good models: the pulls' difference


def twins(rng: np.random.Generator, rows: int, day: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two sayings of one truth, each with its own noise, of rows and of days."""
    logit = -1.5 + 1.3 * rng.normal(size=rows)
    moods = np.zeros((3, rows)) if day is None else 0.5 * rng.normal(size=(3, int(day.max()) + 1))[:, day]
    own = [chance(logit + mood + 0.6 * rng.normal(size=rows)) for mood in moods[:2]]
    return own[0], own[1], (rng.random(rows) < chance(logit + moods[2])).astype(float)


@pytest.mark.parametrize("days", [0, 20])
@pytest.mark.parametrize("name", ["average_precision", "f1", "balanced_accuracy"])
def test_equal_models_are_told_apart_by_pulls_as_often_as_alpha(name: str, days: int) -> None:
    """Of 500 rows, or 20 days of 30 that share a mood."""
    rng, wrong, draws = np.random.default_rng(4), 0, 600
    metric = metric_of(name, "binary")
    rows = days * 30 or 500
    day = np.repeat(np.arange(days), 30) if days else None
    for draw in range(draws):
        one, other, outcome = twins(rng, rows, day)
        arms = Arms(champion=other, challenger=one, outcome=outcome, block=day, length="day" if days else "row")
        found = estimate(metric, arms, alpha=ALPHA, seed=draw, most=300)
        assert found.method.startswith("infinitesimal jackknife")
        wrong += not found.low <= 0 <= found.high
    print(f"{name}, {days or 'no'} days: equal models told apart {wrong / draws:.4f} at {ALPHA}")
    assert wrong / draws <= ALPHA + three_errors(ALPHA, draws)


# ---- a whole table, and a model no better than its baselines


def whole(seed: int, *, rows: int = 700, trained: int = 700) -> CheckQuestion:
    """Columns of every kind with nothing wrong; the model is calibrated, and no better than either baseline."""
    rng, total = np.random.default_rng(seed), rows + trained
    x = rng.normal(size=(total, 3))
    columns: dict[str, Any] = {f"x{i}": x[:, i] for i in range(3)} | {
        "gaps": np.where(rng.random(total) < 0.2, np.nan, rng.normal(size=total)),
        "few": rng.integers(0, 4, total).astype(float),
        "town": rng.choice(np.array(["a", "b", None], dtype=object), total),
        "shop": np.array([f"s{i}" for i in rng.integers(0, 150, total)], dtype=object),
    }
    outcome = (rng.random(total) < chance(1.2 * x[:, 0])).astype(float)
    said = [chance(1.2 * x[:rows, 0] + 0.3 * rng.normal(size=rows)) for _ in range(3)]
    return CheckQuestion(
        name="m",
        task="binary",
        target="y",
        classes=("0", "1"),
        format="joblib",
        library=None,
        contract=None,
        columns={name: values[:rows] for name, values in columns.items()},
        outcome=outcome[:rows],
        values=said[0],
        rivals=tuple(Answers(name=f"b{i}", what="", values=said[i]) for i in (1, 2)),
        block=None,
        by="row",
        split="",
        rows=total,
        now_s=0.0,
        trained_on={name: values[rows:] for name, values in columns.items()},
        trained_outcome=outcome[rows:],
        seed=seed,
    )


def accused(draws: int) -> dict[str, float]:
    """Share of whole tables on which each kind of finding is made; the model's own chances are right but for noise."""
    found = dict.fromkeys(("leak", "duplicates", "shift", "calibration"), 0)
    for seed in range(draws):
        asked = whole(seed)
        right = CheckQuestion(**{**vars(asked), "values": chance(1.2 * asked.columns["x0"])})
        tested = Judged("binary", asked.outcome, None, "row", ALPHA, 0)
        found["leak"] += bool(leaks.findings(asked))
        found["duplicates"] += bool(duplicates.findings(asked) or duplicates.set_aside(asked)[1])
        found["shift"] += bool(shift.findings(asked))
        found["calibration"] += calibration.curve(right, tested).finding is not None
    for kind, count in found.items():
        rate = count / draws
        error = math.sqrt(max(rate, 1 / draws) * (1 - rate) / draws)
        print(f"whole tables, {kind}: accused {rate:.4f} (standard error {error:.4f}) of {draws:,}")
    return {kind: count / draws for kind, count in found.items()}


def held(found: dict[str, float], draws: int) -> None:
    """No leak, copy or shift at all: under 3 in `draws` with confidence .95. Calibration: one in a hundred."""
    assert found["leak"] == found["duplicates"] == found["shift"] == 0
    assert found["calibration"] <= 0.01 + three_errors(0.01, draws)


def test_whole_tables_are_not_accused() -> None:
    held(accused(40), 40)


@pytest.mark.slow
def test_whole_tables_are_not_accused_long() -> None:
    held(accused(400), 400)


def said_better(draws: int) -> float:
    wrong = 0
    for seed in range(draws):
        asked = whole(seed, rows=300, trained=100)
        tested = Judged("binary", asked.outcome, None, "row", ALPHA, seed)
        wrong += ruling_of(verdicts(asked, metric_of("brier", "binary"), tested)[0]) is Ruling.PASS
    print(f"no better than two baselines, said to beat the best: {wrong / draws:.4f} of {draws:,} at {ALPHA}")
    return wrong / draws


def test_a_model_no_better_than_its_baselines_rarely_passes() -> None:
    assert said_better(100) <= ALPHA / 2 + three_errors(ALPHA / 2, 100)


@pytest.mark.slow
def test_a_model_no_better_than_its_baselines_rarely_passes_long() -> None:
    assert said_better(800) <= ALPHA / 2 + three_errors(ALPHA / 2, 800)
