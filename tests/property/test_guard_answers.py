"""Whatever a guarded callable does, its caller gets an answer, and a label that says what happened."""

from __future__ import annotations

import asyncio
import math
import threading
from concurrent.futures import CancelledError
from decimal import Decimal
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import lockgate as lg

CONSTANT = 0.23
DEADLINE_MS = 60.0
released = threading.Event()


class Refuses:
    """An object that raises whatever is done with it."""

    def __float__(self):
        raise MemoryError

    def __repr__(self):
        raise RuntimeError


class Own(BaseException):
    """No Exception: what only catches those lets it through."""


CHANCES = st.floats(0, 1) | st.sampled_from(
    [0, 1, True, np.float32(0.5), np.array(0.25), Fraction(1, 3), Decimal("0.5")]
)
WRONG = {
    "shape": [None, "0.5", b"0.5", {}, [0.5], np.array([0.5]), np.zeros(2), 1j, object(), Refuses(), "x" * 10_000],
    "non_finite": [math.nan, math.inf, -math.inf, 10**400, np.float64("nan"), Decimal("NaN")],
    "out_of_range": [-0.1, 1.1, 2, -1, np.float32(7), 10**300],
}
RAISED = [
    RuntimeError("no"),
    ValueError(),
    SystemExit(3),
    MemoryError(),
    StopIteration(),
    TypeError("inside"),
    CancelledError(),
]
IN_A_THREAD = [KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit(), Own()]

wrong = st.sampled_from([(reason, value) for reason, values in WRONG.items() for value in values])
behaviour = (
    CHANCES.map(lambda value: (None, value))
    | wrong
    | st.sampled_from(RAISED).map(lambda error: ("raised", error))
    | st.just(("late", None))
)


def sync(what):
    reason, value = what

    def predict(row):
        if reason == "late":
            released.wait(10)
        if reason == "raised":
            raise value
        return value

    return predict


def awaited(what, *, is_stubborn=False):
    reason, value = what

    async def predict(row):
        await asyncio.sleep(0)
        while reason == "late":
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                if not is_stubborn:
                    raise
                return 0.9
        if reason == "raised":
            raise value
        return value

    return predict


def guarded(function, **more):
    return lg.guard("m", fallback=[CONSTANT], task="binary", **({"deadline_ms": DEADLINE_MS} | more))(function)


def is_answered_as(reply, what):
    reason, value = what
    assert reply.failure == reason
    if reason is None:
        assert reply.value is value
        assert reply.served_by == reply.version
        assert reply.prediction.value == float(value)
    else:
        assert (reply.value, reply.served_by, reply.error is None) == (CONSTANT, "constant", False)
    assert 0 <= reply.prediction.value <= 1


@settings(max_examples=60, deadline=None)
@given(behaviour)
def test_a_sync_callable_is_answered_and_labelled(what):
    is_answered_as(guarded(sync(what)).answer({}), what)


@settings(max_examples=40, deadline=None)
@given(behaviour.filter(lambda what: what[0] != "late"))
def test_so_is_one_without_a_deadline_in_its_callers_thread(what):
    is_answered_as(guarded(sync(what), deadline_ms=None).answer({}), what)


@settings(max_examples=60, deadline=None)
@given(behaviour, st.booleans())
def test_an_async_callable_is_answered_and_labelled(what, is_stubborn):
    if isinstance(what[1], StopIteration):
        what = ("raised", RuntimeError())  # a coroutine cannot raise the other
    reply = asyncio.run(guarded(awaited(what, is_stubborn=is_stubborn)).answer({}))
    is_answered_as(reply, what)


@settings(max_examples=40, deadline=None)
@given(behaviour.filter(lambda what: what[0] != "late" and not isinstance(what[1], StopIteration)))
def test_so_is_an_async_one_in_its_callers_task(what):
    is_answered_as(asyncio.run(guarded(awaited(what), deadline_ms=None).answer({})), what)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(IN_A_THREAD))
def test_what_only_a_caller_could_mean_is_the_callables_own_doing_in_a_thread(error):
    is_answered_as(guarded(sync(("raised", error))).answer({}), ("raised", error))


@settings(max_examples=30, deadline=None)
@given(behaviour, st.booleans(), st.booleans())
def test_links_of_either_kind_stand_behind_either_kind(what, is_async, link_is_async):
    def rule(row):
        return 0.4

    async def asked(row):
        return 0.4

    if isinstance(what[1], StopIteration):
        what = ("raised", RuntimeError())
    function = (awaited if is_async else sync)(what)
    both = lg.guard("m", fallback=[asked if link_is_async else rule, CONSTANT], task="binary", deadline_ms=DEADLINE_MS)
    predict = both(function)
    reply = asyncio.run(predict.answer({})) if is_async else predict.answer({})
    assert reply.failure == what[0]
    assert reply.value == (what[1] if what[0] is None else 0.4)


@settings(max_examples=60, deadline=None)
@given(st.recursive(st.none() | st.text() | st.floats() | st.binary() | st.integers(), st.lists))
def test_any_object_is_an_answer_of_task_any(value):
    reply = lg.guard("m", fallback=["sorry"], task="any", deadline_ms=None)(lambda: value).answer()
    assert (reply.value is value, reply.failure) == (True, None)
    assert math.isnan(reply.prediction.value) or 0 <= reply.prediction.value < 1
