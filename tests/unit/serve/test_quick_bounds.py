"""The quick way within its bounds: the loop is not held for what is late, and a version that is left alone is left alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lockgate.features.request import Plain, RequestType
from lockgate.records import Prediction, Routing
from lockgate.records.prediction import LogEntry
from lockgate.runtime import folder
from lockgate.runtime.breaker import OPENS_AFTER
from lockgate.runtime.fallback import Prompt
from lockgate.serve.batch import from_request
from lockgate.serve.call import Caller

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}


class Slow:
    """A quick way that takes its time, whatever it is given."""

    def __init__(self, quick: Any, takes_s: float, refuses: Any = None) -> None:
        self.runs: list[int] = []
        self._quick, self._takes_s, self._refuses = quick, takes_s, refuses

    def __call__(self, rows: Sequence[Any]) -> list[float] | None:
        self.runs.append(len(rows))
        time.sleep(self._takes_s)
        return None if self._refuses in [row[0] for row in rows] else self._quick(rows)


class World:
    def __init__(self, fitted: tuple[Path, str], contract: Any, deadline_ms: float) -> None:
        self.path, self.version = fitted
        self.contract = contract
        self.log: list[LogEntry] = []
        self.before_logging: Callable[[], None] = lambda: None
        routing = Routing(
            model="late", revision=1, champion=self.version, baseline=None, constant=0.23, deadline_ms=deadline_ms
        )
        links = {self.version: Prompt(folder.load(self.path, self.version))}
        self.caller = Caller(contract, routing, links, self.append)
        self.request = RequestType(contract)

    def append(self, entries: Sequence[LogEntry]) -> None:
        self.before_logging()
        self.log += entries

    def slow(self, takes_s: float, refuses: Any = None) -> Slow:
        found = Slow(self.caller.served.quick[self.version], takes_s, refuses)
        self.caller.served.quick[self.version] = found  # type: ignore[index] # a dict, for whoever made it
        return found

    def plain(self, **more: Any) -> Plain:
        found = self.request.plain(json.dumps({"rows": [ROW | more.pop("row", {})]} | more).encode())
        assert found is not None
        return found

    def long(self, name: str) -> list[Prediction]:
        body = json.dumps({"rows": [ROW], "id": name}).encode()
        batch = from_request(self.request.decode(body), self.contract, now_s=0.0)
        return self.caller.answer(batch, request=name)


@pytest.fixture
def world(fitted: Any, project: Any) -> World:
    return World(fitted, project.contract, deadline_ms=20.0)


def test_what_is_late_together_is_not_run_again_one_by_one(world: World):
    slow = world.slow(0.03)
    began = time.perf_counter()
    assert world.caller.answer_plain([world.plain() for _ in range(8)]) == [None] * 8
    assert time.perf_counter() - began < 0.15
    assert slow.runs == [8]
    assert world.log == []


def test_whoever_spoils_a_batch_is_looked_for_no_longer_than_the_deadline(world: World):
    slow = world.slow(0.009, refuses=9.0)
    asked = [world.plain() for _ in range(49)] + [world.plain(row={"wait": 9.0})]
    began = time.perf_counter()
    found = world.caller.answer_plain(asked)
    assert time.perf_counter() - began < 0.2
    assert len(slow.runs) < 10
    assert found[-1] is None
    assert len(world.log) == sum(one is not None for one in found)


def test_a_version_whose_breaker_is_open_is_left_alone_this_way_too(world: World):
    breaker = world.caller.served.bounds[world.version].breaker
    slow = world.slow(0.0)
    for _ in range(OPENS_AFTER):
        breaker.saw("late")
    assert world.caller.answer_plain([world.plain(), world.plain()]) == [None, None]
    assert slow.runs == []


def test_a_quick_answer_counts_for_the_breaker(world: World):
    breaker = world.caller.served.bounds[world.version].breaker
    for _ in range(3):
        for _ in range(OPENS_AFTER - 1):
            breaker.saw("late")
        assert world.caller.answer_plain([world.plain()]) != [None]
    assert not breaker.is_open


def test_an_answer_is_published_under_its_id_once_it_is_logged(world: World):
    """Whoever asks the same meanwhile waits, and hears nothing that the log does not know."""
    world.slow(0.0)
    waiting: list[Any] = []
    pool = ThreadPoolExecutor(1)

    def ask_the_same() -> None:
        waiting.append(pool.submit(world.long, "q"))
        time.sleep(0.1)
        assert not waiting[0].done()

    world.before_logging = ask_the_same
    ((told,),) = world.caller.answer_plain([world.plain(id="q")])
    assert waiting[0].result(5) == [told]
    assert world.log == [told]


def test_an_id_whose_answer_could_not_be_logged_may_be_asked_again(world: World):
    failures = [RuntimeError("once")]

    def fails_once() -> None:
        if failures:
            raise failures.pop()

    world.before_logging = fails_once
    with pytest.raises(RuntimeError, match="once"):
        world.caller.answer_plain([world.plain(id="q")])
    assert world.caller.answer_plain([world.plain(id="q")]) == [world.log]
    assert len(world.log) == 1
