"""A row that breaks a `fall_back` rule: answered behind the version, flagged, and a failure of both arms alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from lockgate.features.request import RequestType
from lockgate.records import Column, Contract, Routing, Rule, Severity, Shadow
from lockgate.records.prediction import LogEntry
from lockgate.runtime.predictor import Predictor
from lockgate.serve.batch import Batch, from_columns, from_request
from lockgate.serve.call import Caller

CONTRACT = Contract(
    model="late",
    columns=(
        Column(name="unit", type="text"),
        Column(
            name="wait", type="float", low=0.0, high=10.0, on_break="fall_back", severity=Severity(missing="fall_back")
        ),
        Column(name="late", type="int", is_known_before=False),
    ),
    target="late",
    unit="unit",
    rules=(Rule(name="no seven", check="wait != 7", on_break="fall_back"),),
)
Make = Callable[..., Predictor]
WAITS = [1.0, 99.0, None, 7.0, 2.0]


def sent() -> Batch:
    rows = [{"unit": f"u{n}", "wait": wait} for n, wait in enumerate(WAITS)]
    decoded = RequestType(CONTRACT).decode(json.dumps({"rows": rows, "id": "r"}).encode())
    return from_request(decoded, CONTRACT, now_s=1.0)


def of_a_table() -> Batch:
    waits = np.array([np.nan if wait is None else wait for wait in WAITS])
    units = np.array([f"u{n}" for n in range(len(WAITS))], dtype=object)
    return from_columns({"unit": units, "wait": waits}, CONTRACT, prefix="r", now_s=1.0)


@pytest.fixture
def predictors(predictor: Make) -> dict[str, Predictor]:
    values = {"c": 0.3, "n": 0.6, "b": 0.1}
    return {name: predictor(name, lambda m, v=value: np.full(len(m), v)) for name, value in values.items()}


def routing(**more: Any) -> Routing:
    plain = {"model": "late", "revision": 1, "champion": "c", "baseline": "b", "constant": 0.2, "deadline_ms": 2000.0}
    return Routing(**(plain | more))


@pytest.mark.parametrize("batch", [sent, of_a_table])
def test_such_a_row_is_answered_by_the_baseline_and_its_neighbours_by_the_champion(
    predictors: dict[str, Predictor], batch: Callable[[], Batch]
) -> None:
    told = Caller(CONTRACT, routing(), predictors, lambda _: None).answer(batch())
    assert [p.served_by for p in told] == ["c", "b", "b", "b", "c"]
    assert [p.value for p in told] == [0.3, 0.1, 0.1, 0.1, 0.3]
    assert [p.failure for p in told] == [None, "contract", "contract", "contract", None]
    flags = [(), ("wait: above range",), ("wait: missing",), ("no seven: broken",), ()]
    assert [p.flags for p in told] == flags


def test_without_a_baseline_the_constant_answers(predictors: dict[str, Predictor]) -> None:
    told = Caller(CONTRACT, routing(baseline=None), predictors, lambda _: None).answer(sent())
    assert [p.served_by for p in told] == ["c", "constant", "constant", "constant", "c"]


def test_no_arm_scores_it_neither_serving_nor_in_shadow(predictors: dict[str, Predictor]) -> None:
    """A row that one arm is kept from and the other scores would make the arms differ by the rows they see."""
    log: list[LogEntry] = []

    def append(entries: Sequence[LogEntry]) -> None:
        log.extend(entries)

    split = routing(challenger="n", share=0.5, salt="s", rollout="r1", shadow=True)
    told = Caller(CONTRACT, split, predictors, append).score(sent())
    left = {told[place].id for place in (1, 2, 3)}
    assert {p.arm for p in told} == {"champion", "challenger"}
    assert all(p.served_by == "b" for p in told if p.id in left)
    shadows = [entry for entry in log if isinstance(entry, Shadow)]
    assert {s.id: s.failure for s in shadows} == {p.id: "contract" if p.id in left else None for p in told}
    assert all((s.value is None) == (s.id in left) for s in shadows)
