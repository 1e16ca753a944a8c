"""A service with an event loop for each request, closed the plain way: what was under way there holds no place for ever."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

import lockgate as lg
from lockgate.serve import mirrored

pytestmark = pytest.mark.filterwarnings("ignore")  # coroutines that their service never awaited


@pytest.fixture(autouse=True)
def _no_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    gc.collect()  # what the closed loops left is complained of here, and not in another test


def view(work: Coroutine[Any, Any, Any]) -> Any:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def test_late_calls_of_closed_loops_are_forgotten() -> None:
    waits_s = 1.0

    @lg.guard("m", fallback=[0.23], task="binary", deadline_ms=20, at_once=3)
    async def predict(row: int) -> float:
        await asyncio.sleep(waits_s)
        return 0.7

    assert [view(predict.answer(row)).failure for row in range(3)] == ["late"] * 3
    waits_s = 0.0
    replies = [view(predict.answer(row)) for row in range(5)]
    assert "busy" not in [reply.failure for reply in replies]


def test_shadows_of_closed_loops_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirrored, "BOUND", 3)

    async def challenger(row: int) -> float:
        await asyncio.sleep(1.0)
        return 0.5

    @lg.guard("m", fallback=[0.23], task="binary", challenger=challenger, shadow=True)
    async def predict(row: int) -> float:
        return 0.7

    for row in range(10):
        assert view(predict(row)) == 0.7
    assert predict.guard.mirror.left_out == 0
