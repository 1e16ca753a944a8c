"""Models that raise what is no Exception, as panics of Rust libraries do: the next link answers, wherever they are called."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lockgate
from lockgate.errors import PredictError
from lockgate.features.pipeline import CustomStep, Pipeline
from lockgate.runtime.answers import check_of
from lockgate.runtime.fallback import Constant, WithFallback
from lockgate.runtime.user_rule import UserRule

PANICS = """
class Panic(BaseException):
    pass

def rule(columns):
    raise Panic("out of bounds")
"""
COLUMNS = {"wait": np.array([1.0, 9.0])}


class Panic(BaseException):
    pass


def panics(*_: object) -> float:
    raise Panic


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "panicking.py").write_text(PANICS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "panicking", raising=False)


@pytest.mark.parametrize("deadline_ms", [500, None])
def test_a_guard_answers_all_the_same(deadline_ms: float | None) -> None:
    guarded = lockgate.guard("m", fallback=[0.23], task="binary", deadline_ms=deadline_ms)(panics)
    reply = guarded.answer(1)
    assert (reply.value, reply.failure, type(reply.error)) == (0.23, "raised", Panic)


@pytest.mark.parametrize("deadline_ms", [500, None])
def test_an_async_guard_answers_all_the_same(deadline_ms: float | None) -> None:
    @lockgate.guard("m", fallback=[0.23], task="binary", deadline_ms=deadline_ms)
    async def predict(row: int) -> float:
        raise Panic

    reply = asyncio.run(predict.answer(1))
    assert (reply.value, reply.failure) == (0.23, "raised")


def test_the_callers_own_interruption_passes() -> None:
    def interrupted(row: int) -> float:
        raise KeyboardInterrupt

    guarded = lockgate.guard("m", fallback=[0.23], task="binary", deadline_ms=None)(interrupted)
    with pytest.raises(KeyboardInterrupt):
        guarded(1)
    in_a_thread = lockgate.guard("m", fallback=[0.23], task="binary", deadline_ms=500)(interrupted)
    assert in_a_thread(1) == 0.23


def test_a_look_at_the_answer_that_panics_is_a_failure_too() -> None:
    with pytest.raises(PredictError):
        check_of("regression", panics, None)(1.0)


@pytest.mark.parametrize("deadline_s", [0.5, None])
def test_a_rule_in_the_chain(deadline_s: float | None) -> None:
    found = WithFallback(UserRule("panicking:rule", "binary"), Constant(0.5), deadline_s)(COLUMNS)
    assert (found.values.tolist(), found.failures) == ([0.5, 0.5], ["raised"] * 2)


def test_a_feature_step() -> None:
    step = CustomStep(function="panicking:rule", needs=("wait",), gives=("late",))
    with pytest.raises(PredictError) as caught:
        Pipeline(steps=(step,)).transform(COLUMNS)
    assert caught.value.reason == "raised"


def test_shadows_go_on(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[int] = []

    def challenger(row: int) -> float:
        asked.append(row)
        raise Panic

    guarded: Any = lockgate.guard(
        "m", fallback=[0.23], task="binary", deadline_ms=None, challenger=challenger, shadow=True
    )(lambda _: 0.7)
    for row in range(30):
        assert guarded(row) == 0.7
        give_up = time.monotonic() + 5
        while len(asked) <= row and time.monotonic() < give_up:
            time.sleep(0.001)
    assert (len(asked), guarded.guard.mirror.left_out) == (30, 0)
