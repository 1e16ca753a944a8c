"""Baselines find what simple things find, for every task, and say in words how they answer."""

import numpy as np
import pytest

from lockgate.errors import SpecError
from lockgate.features.columns import Columns
from lockgate.records import Column, Contract
from lockgate.train import baselines
from lockgate.train.baselines import Rows

DAY = 86400.0
N = 3_000
CITIES = ("a", "b", "c", "d")


def columns(seed: int = 0) -> Columns:
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(size=N),
        "noise": rng.normal(size=N),
        "city": rng.choice(np.array(CITIES, dtype=object), N),
        "at": np.sort(rng.uniform(0, 200 * DAY, N)),
    }


def contract(*, time: str | None = None) -> Contract:
    kinds = {"x": "float", "noise": "float", "city": "text", "at": "time", "y": "float"}
    made = tuple(Column(name=name, type=kind, is_known_before=name != "y") for name, kind in kinds.items())
    return Contract(model="m", columns=made, target="y", time=time)


def rows(
    y: np.ndarray, task: str, classes: tuple[str, ...] = (), *, loss: str = "log_loss", time: str | None = None
) -> Rows:
    return Rows(
        columns=columns(), y=y.astype(float), contract=contract(time=time), task=task, classes=classes, loss=loss
    )


def usual(asked: Rows):
    return baselines.usual(asked.contract, asked.columns).fit(asked.columns, asked.y)


def test_the_usual_columns_leave_out_times_and_identifiers():
    assert usual(rows(columns()["x"], "regression")).names == ("x", "noise", "city")


def test_the_rule_finds_the_column_that_tells():
    asked = rows((columns()["city"] == "b") * 1.0, "binary", ("0", "1"))
    found = baselines.fit_rule(asked, usual(asked))
    answers = found.answer(asked.columns)
    assert "city" in found.what
    assert answers[asked.y == 1].min() > 0.9
    assert answers[asked.y == 0].max() < 0.1


def test_a_rule_by_a_column_that_is_not_there_is_refused():
    asked = rows(columns()["x"], "regression")
    with pytest.raises(SpecError, match=r"'town'.*known: city"):
        baselines.fit_rule(asked, usual(asked), ("town",))


def test_of_several_classes_each_gets_a_chance_and_they_sum_to_one():
    places = np.array([CITIES.index(c) for c in columns()["city"]])
    asked = rows(places, "multiclass", CITIES)
    for made in (baselines.fit_constant, baselines.fit_rule, baselines.fit_linear):
        answers = made(asked, usual(asked)).answer(asked.columns)
        assert answers.shape == (N, 4)
        np.testing.assert_allclose(answers.sum(axis=1), 1.0, atol=1e-6)
    assert (baselines.fit_linear(asked, usual(asked)).answer(asked.columns).argmax(axis=1) == places).all()


@pytest.mark.parametrize(("loss", "name"), [("absolute_error", "median"), ("squared_error", "mean")])
def test_the_constant_is_the_best_constant_for_the_loss(loss, name):
    y = np.random.default_rng(1).exponential(size=N)
    asked = rows(y, "regression", loss=loss)
    found = baselines.fit_constant(asked, usual(asked))
    assert found.name == name
    assert found.answer(asked.columns)[0] == pytest.approx(np.median(y) if name == "median" else y.mean())


def test_the_last_period_knows_what_changed_lately():
    """City b jumps in the last tenth of the days; only the last period follows."""
    told = columns()
    y = np.where((told["city"] == "b") & (told["at"] > 180 * DAY), 10.0, 0.0) + told["noise"] * 0.1
    asked = rows(y, "regression", loss="absolute_error", time="at")
    last, rule = baselines.fit_last_period(asked), baselines.fit_rule(asked, usual(asked))
    assert last is not None
    assert "for each city" in last.what
    in_b = told["city"] == "b"
    assert last.answer(told)[in_b].mean() > 9
    assert rule.answer(told)[in_b].mean() < 4


def test_without_a_time_there_is_no_last_period():
    assert baselines.fit_last_period(rows(columns()["x"], "regression")) is None


def test_a_level_and_a_missing_number_that_training_never_saw_are_answered():
    asked = rows(columns()["x"] > 0, "binary", ("0", "1"))
    strange: Columns = {
        "x": np.array([np.nan]),
        "noise": np.array([np.nan]),
        "city": np.array(["z"], dtype=object),
        "at": np.zeros(1),
    }
    for made in (baselines.fit_constant, baselines.fit_rule, baselines.fit_linear):
        assert 0 < made(asked, usual(asked)).answer(strange)[0] < 1
