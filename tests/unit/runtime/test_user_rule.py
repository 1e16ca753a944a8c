"""The user's own rule in the chain: it answers behind the versions, and what it gives is held to what an answer is."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from lockgate.errors import PredictError, SpecError
from lockgate.records import Routing
from lockgate.runtime.fallback import chain
from lockgate.runtime.user_rule import UserRule

RULES = """
import numpy as np

def by_wait(columns):
    return np.where(columns["wait"] > 5, 0.8, 0.1)

def raises(columns):
    raise KeyError("seats")

def one_too_few(columns):
    return columns["wait"][1:]

def no_chance(columns):
    return columns["wait"] * 10

def text(columns):
    return ["high" for _ in columns["wait"]]

def changes_what_it_is_given(columns):
    columns["wait"] -= 100
    columns.clear()
    return [0.5, 0.5]
"""
COLUMNS = {"wait": np.array([1.0, 9.0])}


@pytest.fixture(autouse=True)
def _rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "house_rules.py").write_text(RULES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "house_rules", raising=False)


def test_it_stands_where_the_chain_names_it() -> None:
    rule = UserRule("house_rules:by_wait", "binary")
    routing = Routing(
        model="m", revision=1, champion="c", baseline=None, constant=0.2, chain=("champion", rule.version, "constant")
    )
    assert routing.rules == ("house_rules:by_wait",)
    found = chain(routing, "c", {rule.version: rule}, deadline_s=1.0)(COLUMNS)
    assert found.values.tolist() == [0.1, 0.8]
    assert found.served_by == ["house_rules:by_wait"] * 2
    assert found.failures == ["not_loaded"] * 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [("raises", "raised"), ("one_too_few", "shape"), ("no_chance", "out_of_range"), ("text", "raised")],
)
def test_what_is_no_answer_is_named(name: str, reason: str) -> None:
    with pytest.raises(PredictError) as caught:
        UserRule(f"house_rules:{name}", "binary").predict(COLUMNS)
    assert caught.value.reason == reason


def test_it_cannot_take_the_columns_from_those_behind_it() -> None:
    assert UserRule("house_rules:changes_what_it_is_given", "binary").predict(COLUMNS).values.tolist() == [0.5, 0.5]
    assert {name: values.tolist() for name, values in COLUMNS.items()} == {"wait": [1.0, 9.0]}


def test_a_rule_that_is_not_there_is_refused_when_it_is_made() -> None:
    with pytest.raises(SpecError, match="house_rules:nothing"):
        UserRule("house_rules:nothing", "binary")
