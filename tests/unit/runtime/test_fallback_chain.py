"""The chain: every row is answered, by whom and why not by the first link is said, and neighbours are spared."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from lockgate.errors import PredictError
from lockgate.features.columns import Columns, length
from lockgate.records import Routing
from lockgate.runtime.fallback import Bounds, Constant, WithFallback, alone, chain
from lockgate.runtime.predictor import Answer


class Scripted:
    """A link that is written out here: it fails on the rows it is told to, and counts how often it is asked."""

    def __init__(self, version: str, value: float, *, bad: Sequence[float] = (), reason: str = "raised") -> None:
        self.version, self._value, self._bad, self._reason = version, value, set(bad), reason
        self.asked: list[int] = []

    def predict(self, columns: Columns) -> Answer:
        rows = length(columns)
        self.asked.append(rows)
        if self._bad & set(columns["x"].tolist()):
            raise PredictError("scripted", reason=self._reason)
        return Answer(np.full(rows, self._value), [(f"input x: {self.version}",)] * rows)


class Hanging(Scripted):
    seconds = 3.0

    def predict(self, columns: Columns) -> Answer:
        time.sleep(self.seconds)
        return super().predict(columns)


def rows(*x: float) -> Columns:
    return {"x": np.array(x, dtype=np.float64)}


def routing(**more: object) -> Routing:
    plain = {"model": "m", "revision": 1, "champion": "c", "baseline": "b", "constant": 0.25, "challenger": "n"}
    return Routing(**(plain | more))  # type: ignore[arg-type]


def test_a_link_that_answers_is_not_fallen_back_from():
    answered = WithFallback(Scripted("c", 0.7), Constant(0.1))(rows(1, 2))
    assert answered.values.tolist() == [0.7, 0.7]
    assert answered.served_by == ["c", "c"]
    assert answered.failures == [None, None]
    assert answered.flags == [("input x: c",)] * 2


@pytest.mark.parametrize("bad", [(0,), (6,), (2, 3), (0, 1, 5), tuple(range(7))])
def test_exactly_the_bad_rows_go_to_the_next_link(bad: tuple[int, ...]):
    link = Scripted("c", 0.7, bad=bad)
    answered = WithFallback(link, Constant(0.1))(rows(*range(7)))
    for row in range(7):
        is_bad = row in bad
        assert answered.values[row] == (0.1 if is_bad else 0.7)
        assert answered.served_by[row] == ("constant" if is_bad else "c")
        assert answered.failures[row] == ("raised" if is_bad else None)
        assert answered.flags[row] == (() if is_bad else ("input x: c",))


def test_one_bad_row_of_many_costs_few_calls():
    link = Scripted("c", 0.7, bad=[700])
    WithFallback(link, Constant(0.1))(rows(*range(1024)))
    assert len(link.asked) == 1 + 2 * 10


def test_the_reason_is_the_first_links_and_the_answer_the_last_ones():
    inner = WithFallback(Scripted("c", 0.6, bad=[1], reason="non_finite"), Constant(0.1))
    answered = WithFallback(Scripted("n", 0.7, bad=[1, 2], reason="shape"), inner)(rows(1, 2, 3))
    assert answered.failures == ["shape", "shape", None]
    assert answered.served_by == ["constant", "c", "n"]
    assert answered.values.tolist() == [0.1, 0.6, 0.7]


def test_what_is_late_is_answered_by_the_next_link_in_time():
    began = time.perf_counter()
    answered = WithFallback(Hanging("n", 0.7), Constant(0.1), 0.03, Bounds(1))(rows(1, 2))
    assert time.perf_counter() - began < 1.5
    assert (answered.failures, answered.served_by) == (["late", "late"], ["constant", "constant"])


def test_a_link_that_hangs_altogether_is_busy_and_costs_nothing_more():
    link = WithFallback(Hanging("n", 0.7), Constant(0.1), 0.03, Bounds(1))
    assert link(rows(1)).failures == ["late"]
    began = time.perf_counter()
    assert link(rows(1)).failures == ["busy"]
    assert time.perf_counter() - began < 1.0


def test_without_a_deadline_it_runs_here_however_long_it_takes():
    link = Hanging("n", 0.7)
    link.seconds = 0.1
    assert WithFallback(link, Constant(0.1))(rows(1)).failures == [None]


@pytest.mark.parametrize(
    ("broken", "served_by"),
    [((), "n"), (("n",), "c"), (("n", "c"), "b"), (("n", "c", "b"), "constant")],
)
def test_the_chain_is_the_chosen_then_champion_baseline_and_constant(broken: tuple[str, ...], served_by: str):
    links = {name: Scripted(name, 0.5, bad=[1] if name in broken else []) for name in "ncb"}
    answered = chain(routing(), "n", links, deadline_s=None)(rows(1))
    assert answered.served_by == [served_by]
    assert answered.failures == [None if not broken else "raised"]


def test_the_champions_own_chain_asks_it_once_and_never_the_challenger():
    links = {name: Scripted(name, 0.5, bad=[1]) for name in "ncb"}
    assert chain(routing(), "c", links, deadline_s=None)(rows(1)).served_by == ["constant"]
    assert [len(links[name].asked) for name in "ncb"] == [0, 1, 1]


def test_the_order_behind_the_chosen_one_is_the_routings():
    links = {name: Scripted(name, 0.5, bad=[1] if name == "n" else []) for name in "ncb"}
    asked = routing(chain=("baseline", "champion", "constant"))
    assert chain(asked, "n", links, deadline_s=None)(rows(1)).served_by == ["b"]
    assert chain(routing(chain=("constant",)), "n", links, deadline_s=None)(rows(1)).served_by == ["constant"]


def test_a_chosen_version_that_is_not_loaded_fails_its_calls_and_they_are_answered():
    answered = chain(routing(), "n", {"c": Scripted("c", 0.5)}, deadline_s=1.0)(rows(1, 2))
    assert answered.failures == ["not_loaded"] * 2
    assert answered.served_by == ["c"] * 2


def test_alone_there_is_no_number_where_it_fails():
    answered = alone(Scripted("n", 0.5, bad=[2]), deadline_s=None)(rows(1, 2))
    assert answered.failures == [None, "raised"]
    assert np.isnan(answered.values).tolist() == [False, True]


@pytest.mark.parametrize(
    ("engine", "reason"),
    [
        (lambda m: np.full(len(m), np.nan), "non_finite"),
        (lambda m: np.full(len(m), np.inf), "non_finite"),
        (lambda m: np.zeros(len(m) + 1), "shape"),
        (lambda m: np.zeros((len(m), 2)), "shape"),
        (lambda m: np.full(len(m), 1.5), "out_of_range"),
        (lambda m: np.full(len(m), -0.1), "out_of_range"),
        (lambda m: m.nothing, "raised"),
        (lambda m: ["a"] * len(m), "raised"),
    ],
)
def test_an_answer_that_is_none_is_named(predictor: Callable[..., object], engine: object, reason: str):
    link = predictor("v", engine)
    answered = WithFallback(link, Constant(0.1))({"wait": np.array([1.0, 2.0])})  # type: ignore[arg-type]
    assert answered.failures == [reason] * 2
    assert answered.values.tolist() == [0.1, 0.1]


def test_a_regression_may_answer_any_finite_number(predictor: Callable[..., object]):
    link = predictor("v", lambda m: np.full(len(m), -40.5), task="regression")
    assert WithFallback(link, Constant(0.1))({"wait": np.array([1.0])}).values.tolist() == [-40.5]  # type: ignore[arg-type]


def test_float32_rounding_beyond_one_is_a_probability_of_one(predictor: Callable[..., object]):
    link = predictor("v", lambda m: np.full(len(m), np.float32(1.0000001)))
    assert WithFallback(link, Constant(0.1))({"wait": np.array([1.0])}).values.tolist() == [1.0]  # type: ignore[arg-type]
