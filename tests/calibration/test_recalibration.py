"""How often chances that are right are called miscalibrated, and how often wrong ones are found.

Outcomes are drawn from the chances of real models, fitted on scikit-learn's own tables, so the claim is true by
construction; among them models that nearly separate the classes, where a handful of rows holds all the evidence. Seeds are
fixed. A rate fails above .01 by 3 standard errors: on fresh seeds with chance .002 per world where the promise holds exactly.
"""

# ruff: noqa: T201 - the measured figures are what `make calibrate` is run for

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lockgate.assess import calibration
from lockgate.stats.recalibration import of_chances, surprises

ALPHA = 0.01
_MODELS = {
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    "forest": lambda: RandomForestClassifier(60, random_state=0, n_jobs=1),
    "boosted": lambda: HistGradientBoostingClassifier(max_iter=40, random_state=0),
}
_TABLES = {"digits": load_digits, "tumours": load_breast_cancer, "iris": load_iris}


@functools.cache
def chances(table: str, model: str) -> np.ndarray:
    """Of the likeliest class, or of the second of two, for the rows that the model did not learn from."""
    x, y = _TABLES[table](return_X_y=True)
    seen, asked, known, _ = train_test_split(x, y, test_size=0.5, random_state=0)
    said: np.ndarray = _MODELS[model]().fit(seen, known).predict_proba(asked)
    return said[:, 1] if said.shape[1] == 2 else said.max(axis=1)


def three_errors(rate: float, draws: int) -> float:
    return 3 * math.sqrt(rate * (1 - rate) / draws)


Days = np.ndarray | None


def accused(name: str, said: np.ndarray, draws: int, seed: int, day: Days = None) -> float:
    rng, wrong = np.random.default_rng(seed), 0
    for _ in range(draws):
        outcome = (rng.random(said.size) < said).astype(float)
        wrong += of_chances(said, outcome, day, rng=rng).p <= ALPHA
    print(f"{name}, {surprises(said):.1f} of {said.size} to go wrong: accused {wrong / draws:.4f} of {draws:,}")
    return wrong / draws


WORLDS = [(table, model) for table in _TABLES for model in _MODELS]


@pytest.mark.parametrize("world", WORLDS, ids=[" ".join(world) for world in WORLDS])
def test_right_chances_are_accused_once_in_a_hundred(world: tuple[str, str]) -> None:
    assert accused(" ".join(world), chances(*world), 400, seed=1) <= ALPHA + three_errors(ALPHA, 400)


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS, ids=[" ".join(world) for world in WORLDS])
def test_right_chances_are_accused_once_in_a_hundred_long(world: tuple[str, str]) -> None:
    assert accused(" ".join(world), chances(*world), 2_000, seed=2) <= ALPHA + three_errors(ALPHA, 2_000)


@pytest.mark.parametrize("base", [-5.0, -3.0, 0.0])
def test_rare_outcomes_of_many_rows_are_no_exception(base: float) -> None:
    said = expit(base + 1.5 * np.random.default_rng(5).normal(size=3_000))
    assert accused(f"base {base}", said, 400, seed=3) <= ALPHA + three_errors(ALPHA, 400)


@pytest.mark.parametrize("table", ["digits", "tumours"])
def test_by_days_too_few_surprises_are_not_judged_and_enough_are_judged_right(table: str) -> None:
    """What the check does: silent where the spread of the days' scores would rest on a handful of rows."""
    said = chances(table, "logistic")
    is_silent = surprises(said) < calibration.FEWEST_SURPRISES
    assert is_silent == (table == "tumours")
    if not is_silent:
        day = np.arange(said.size) % 30
        assert accused(f"{table} by 30 days", said, 400, seed=4, day=day) <= ALPHA + three_errors(ALPHA, 400)


def test_days_with_moods_are_not_taken_for_a_fault() -> None:
    """The mood of a day is nobody's to know: the chance over all moods is right, and days differ all the same."""
    rng, wrong, draws, days = np.random.default_rng(6), 0, 400, 40
    x, day = rng.normal(size=2_000), np.arange(2_000) % days
    moods = 0.6 * rng.normal(size=4_000)
    said = np.mean([expit(x + mood) for mood in moods], axis=0)
    for _ in range(draws):
        outcome = (rng.random(2_000) < expit(x + 0.6 * rng.normal(size=days)[day])).astype(float)
        wrong += of_chances(said, outcome, day, rng=rng).p <= ALPHA
    print(f"{days} days with moods: accused {wrong / draws:.4f} of {draws:,}")
    assert wrong / draws <= ALPHA + three_errors(ALPHA, draws)


FAULTS: list[tuple[str, str, Callable[[np.ndarray], np.ndarray], float]] = [
    ("digits", "logistic", lambda z: z / 1.6, 0.9),  # too sure
    ("digits", "forest", lambda z: 1.6 * z, 0.9),  # not sure enough
    ("tumours", "logistic", lambda z: z / 2.5, 0.8),
    ("tumours", "boosted", lambda z: z + 2, 0.8),  # too low throughout
]


@pytest.mark.parametrize(("table", "model", "truth", "least"), FAULTS, ids=["sure", "unsure", "few and sure", "low"])
def test_wrong_chances_are_found(table: str, model: str, truth: Callable[..., np.ndarray], least: float) -> None:
    said = chances(table, model)
    true = expit(truth(logit(np.clip(said, 1e-6, 1 - 1e-6))))
    rng, found, draws = np.random.default_rng(7), 0, 200
    for _ in range(draws):
        found += of_chances(said, (rng.random(said.size) < true).astype(float), rng=rng).p <= ALPHA
    print(f"{table}, {model}: a real fault found {found / draws:.3f} of {draws}")
    assert found / draws >= least
