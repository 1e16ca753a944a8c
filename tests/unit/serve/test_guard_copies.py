"""What one link, or one caller, changes is not what the next one gets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lockgate as lg


@pytest.fixture(autouse=True)
def _no_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rule(row: Any) -> float:
    return 0.5 if row["x"] > 50 else 0.1


@pytest.mark.parametrize("deadline_ms", [500, None])
@pytest.mark.parametrize("row", [{"x": 100.0}, {"x": 100.0, "more": [1]}])
def test_a_model_that_changes_its_row_and_fails_leaves_the_rule_what_was_given(
    row: dict[str, Any], deadline_ms: float | None
) -> None:
    @lg.guard("m", fallback=[rule, 0.23], task="regression", deadline_ms=deadline_ms)
    def predict(row: dict[str, Any]) -> float:
        row["x"] = 0.0
        raise ValueError

    assert predict(row) == 0.5
    assert predict(row=row) == 0.5
    assert row["x"] == 100.0


def test_so_it_is_for_arrays_and_in_an_event_loop() -> None:
    @lg.guard("m", fallback=[lambda values: float(values.sum()), 0.23], task="regression")
    async def predict(values: Any) -> float:
        values -= 100
        raise ValueError

    assert asyncio.run(predict(np.array([1.0, 2.0]))) == 3.0


def test_with_a_constant_alone_nothing_is_copied() -> None:
    @lg.guard("m", fallback=[0.23], task="any", deadline_ms=None)
    def predict(row: dict[str, Any]) -> dict[str, Any]:
        return row

    row = {"x": 1.0}
    assert predict(row) is row


def test_the_same_id_again_gets_an_answer_of_its_own() -> None:
    @lg.guard("m", fallback=[{}], task="any", id="request")
    def predict(request: str) -> dict[str, list[int | str]]:
        return {"a": [1]}

    for _ in range(3):
        answer = predict("r1")
        assert answer == {"a": [1]}
        answer["a"].append("changed")
