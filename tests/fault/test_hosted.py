"""A version in a child of the worker: what queues up goes together, and nobody waits longer than he said."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from lockgate.errors import PredictError, StoreError
from lockgate.features.columns import Columns
from lockgate.runtime import folder, hosted
from lockgate.runtime.bounded_child import Limits
from lockgate.runtime.hosted import Hosted
from lockgate.runtime.packed import unpacked
from lockgate.store.folders import Folders


def columns(*waits: float) -> Columns:
    return {"wait": np.array(waits, dtype=np.float64)}


@pytest.fixture(scope="module")
def place(new_project: Any) -> tuple[Any, str]:
    project = new_project("hosted")
    return project, project.add_constant("mine", 0.7, "by_wait")


@pytest.fixture
def child(place: Any) -> Iterator[Hosted]:
    project, version = place
    made = Hosted(Folders(project.home / "versions").path(version), version, project.root, Limits(seconds=2.0))
    yield made
    made.close()


def test_it_answers_as_the_version_does_here(child: Hosted, place: Any) -> None:
    import sys

    project, version = place
    sys.path.insert(0, str(project.root))
    try:
        here = folder.load(Folders(project.home / "versions").path(version), version).predict(columns(1.0, 2.0))
    finally:
        sys.path.remove(str(project.root))
    there = child.predict(columns(1.0, 2.0))
    assert there.values.tolist() == here.values.tolist()
    assert there.flags == here.flags


def test_more_rows_than_a_batch_holds_come_back_in_order(child: Hosted) -> None:
    found = child.predict(columns(*[1.0] * (3 * hosted.MOST_ROWS + 7)))
    assert found.values.shape == (3 * hosted.MOST_ROWS + 7,)
    assert len(found.flags) == 3 * hosted.MOST_ROWS + 7


def test_what_queued_up_is_asked_together_and_each_gets_its_own(child: Hosted, monkeypatch: Any) -> None:
    sizes: list[int] = []
    ask = child._child.ask

    def counted(body: bytes, **more: Any) -> Any:
        found = ask(body, **more)
        sizes.append(len(found.values))
        return found

    monkeypatch.setattr(child._child, "ask", counted)
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(len(child.predict(columns(*[1.0] * n)).values)))
        for n in range(1, 41)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(answers) == list(range(1, 41))
    assert sum(sizes) == sum(range(1, 41))
    assert len(sizes) < 40, "with forty callers at once some batch holds more than one call"


def test_callers_that_ask_again_at_once_are_not_answered_by_halves(place: Any, monkeypatch: Any) -> None:
    project, _ = place
    version = project.add_constant("slow", 0.7, "slow")  # a second a batch, so that a tenth of it is long
    slow = Hosted(Folders(project.home / "versions").path(version), version, project.root, Limits(seconds=10.0))
    sizes: list[int] = []
    ask = slow._child.ask

    def counted(body: bytes, **more: Any) -> Any:
        found = ask(body, **more)
        sizes.append(len(found.values))
        return found

    monkeypatch.setattr(slow._child, "ask", counted)
    threads = [threading.Thread(target=lambda: [slow.predict(columns(1.0)) for _ in range(4)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    slow.close()
    assert sum(sizes) == 24
    assert max(sizes) > 3, "two halves that take turns hold three each"
    assert len(sizes) <= 6


def hang(child: Hosted) -> None:
    with suppress(PredictError):
        child.predict_by(columns(7.0), time.monotonic() + 1.0)


def test_a_caller_is_told_in_time_and_one_that_gave_up_is_not_scored(child: Hosted) -> None:
    slow = threading.Thread(target=hang, args=(child,))
    slow.start()
    time.sleep(0.2)
    began = time.monotonic()
    with pytest.raises(PredictError) as caught:
        child.predict_by(columns(1.0), time.monotonic() + 0.1)
    assert caught.value.reason == "late"
    assert time.monotonic() - began < 1.0
    slow.join(20)
    assert not child._queue or child._queue[0].is_given_up


def test_beyond_the_bound_calls_are_refused_at_once(child: Hosted, monkeypatch: Any) -> None:
    monkeypatch.setattr(hosted, "MOST_WAITING", 3)
    threads = [threading.Thread(target=hang, args=(child,)) for _ in range(4)]
    for thread in threads:
        thread.start()
        time.sleep(0.1)
    began = time.monotonic()
    with pytest.raises(PredictError) as caught:
        child.predict_by(columns(1.0), time.monotonic() + 5)
    assert caught.value.reason == "busy"
    assert time.monotonic() - began < 0.5
    for thread in threads:
        thread.join(20)


def test_closed_it_refuses_and_takes_its_child_along(child: Hosted) -> None:
    pid = child.pid
    assert pid is not None
    child.close()
    with pytest.raises(PredictError) as caught:
        child.predict(columns(1.0))
    assert caught.value.reason == "gone"
    assert child.pid is None


def test_a_version_that_was_changed_is_not_hosted(place: Any, tmp_path: Any) -> None:
    import shutil

    project, version = place
    copy = tmp_path / "copy"
    shutil.copytree(Folders(project.home / "versions").path(version), copy)
    (copy / "contract.json").write_text("{}")
    with pytest.raises(StoreError, match="has changed since it was sealed"):
        Hosted(copy, version, project.root, Limits())


def waits(body: bytes) -> Any:
    found = unpacked(body)
    assert isinstance(found, dict)
    return found["wait"]


def test_calls_whose_callers_gave_up_are_not_asked_again(child: Hosted, monkeypatch: Any) -> None:
    asked: list[list[float]] = []
    ask = child._child.ask

    def counted(body: bytes, **more: Any) -> Any:
        asked.append(waits(body).tolist())
        return ask(body, **more)

    monkeypatch.setattr(child._child, "ask", counted)
    waiting = [hosted._Waiting(columns(wait)) for wait in (6.0, *[1.0] * 20, 2.0)]
    for given_up in waiting[:-1]:
        given_up.is_given_up = True
    child._answer(waiting)
    assert waiting[-1].answer.result(0).values.shape == (1,)
    assert asked == [[6.0, *[1.0] * 20, 2.0], [2.0]]


def test_one_bad_call_among_many_is_found_by_halves(child: Hosted, monkeypatch: Any) -> None:
    asked: list[int] = []
    ask = child._child.ask

    def counted(body: bytes, **more: Any) -> Any:
        asked.append(len(waits(body)))
        return ask(body, **more)

    monkeypatch.setattr(child._child, "ask", counted)
    waiting = [hosted._Waiting(columns(wait)) for wait in (*[1.0] * 40, 6.0, *[1.0] * 23)]
    child._answer(waiting)
    failed = [one.answer.exception(0) for one in waiting]
    assert [isinstance(error, PredictError) for error in failed] == [False] * 40 + [True] + [False] * 23
    assert len(asked) <= 2 * 6 + 1
