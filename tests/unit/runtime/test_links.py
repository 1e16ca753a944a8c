import asyncio
import contextvars
import threading
import time

import pytest

from lockgate.errors import PredictError
from lockgate.runtime.answers import check_of
from lockgate.runtime.breaker import OPENS_AFTER
from lockgate.runtime.links import Constant, Link, Missing, answer, answer_async

CHECK = check_of("binary")
who = contextvars.ContextVar("who", default="nobody")
ROW = (({"wait": 3},), {})


def link(function, *, deadline_s=0.05, at_once=4, raises=()):
    return Link("m:f", function, CHECK, deadline_s=deadline_s, at_once=at_once, raises=raises)


def reason(own, asked=ROW):
    with pytest.raises(PredictError) as failure:
        own.call(asked)
    return failure.value.reason


def test_the_first_links_reason_stays_whoever_answers():
    links = [link(lambda _: 1 / 0), link(lambda _: 7.0), link(lambda _: 0.4)]
    found = answer(links, Constant(0.1, 0.1), ROW)
    assert (found.answer, found.failure) == (0.4, "raised")
    assert isinstance(found.error, ZeroDivisionError)


def test_a_constant_that_could_be_changed_is_given_as_a_copy():
    constant = Constant({"labels": []}, 0.0)
    constant.found(None, None).answer["labels"].append("mine")
    assert constant.found(None, None).answer == {"labels": []}


def test_errors_that_are_the_callers_own_come_through_as_they_were():
    before = KeyError("before")

    def refuse(row):
        raise ValueError("no such airport") from before

    with pytest.raises(ValueError, match="no such airport") as refusal:
        link(refuse, raises=(ValueError,)).call(ROW)
    assert refusal.value.__cause__ is before
    with pytest.raises(ValueError, match="no such airport"):
        link(refuse, raises=(ValueError,), deadline_s=None).call(ROW)


def test_a_call_that_does_not_fit_the_signature_is_the_programs_mistake():
    with pytest.raises(TypeError, match="positional argument"):
        link(lambda _: 0.5).call(((), {}))


def test_a_type_error_from_inside_is_the_models():
    assert reason(link(lambda row: row + 1)) == "raised"


def test_a_link_that_is_late_five_times_is_left_alone():
    hold = threading.Event()
    own = link(lambda _: hold.wait(10), deadline_s=0.01, at_once=50)
    assert [reason(own) for _ in range(OPENS_AFTER)] == ["late"] * OPENS_AFTER
    assert reason(own) == "open"
    hold.set()


def test_one_that_raises_is_asked_again():
    own = link(lambda _: 1 / 0)
    assert {reason(own) for _ in range(3 * OPENS_AFTER)} == {"raised"}


def test_threads_that_hang_are_bounded():
    hold = threading.Event()
    own = link(lambda _: hold.wait(10), deadline_s=0.02, at_once=2)
    assert [reason(own) for _ in range(3)] == ["late", "late", "busy"]
    hold.set()


def test_the_context_is_carried_into_threads_and_tasks():
    async def name(row):
        return 1.0 if who.get() == "me" else 0.0

    who.set("me")
    assert link(lambda _: float(who.get() == "me")).call(ROW)[0] == 1.0
    assert link(name).call(ROW)[0] == 1.0
    assert asyncio.run(link(name).call_async(ROW))[0] == 1.0


def test_a_coroutine_that_nobody_awaits_is_no_answer():
    async def inner(row):
        return 0.5

    def looks_sync(row):
        return inner(row)

    assert reason(link(looks_sync)) == "shape"


def test_a_missing_version_fails_as_one_that_is_not_loaded():
    found = answer([Missing("v7"), link(lambda _: 0.5)], Constant(0.1, 0.1), ROW)
    assert (found.answer, found.failure, found.served_by) == (0.5, "not_loaded", "m:f")


def test_what_blocks_does_not_hold_up_the_loop():
    async def scene():
        beats = 0

        async def beat():
            nonlocal beats
            while True:
                await asyncio.sleep(0.005)
                beats += 1

        beating = asyncio.create_task(beat())
        found = await answer_async([link(lambda _: time.sleep(0.2) or 0.5, deadline_s=0.1)], Constant(0.1, 0.1), ROW)
        beating.cancel()
        return found.failure, beats

    failure, beats = asyncio.run(scene())
    assert failure == "late"
    assert beats >= 3


def test_a_sync_caller_gives_up_an_async_link():
    async def slow(row):
        await asyncio.sleep(10)

    began = time.monotonic()
    assert reason(link(slow)) == "late"
    assert time.monotonic() - began < 5


def test_a_twin_has_bounds_of_its_own():
    hold = threading.Event()
    own = link(lambda _: hold.wait(10) and 0.5, deadline_s=0.02, at_once=1)
    other = own.twin()
    assert reason(other) == "late"
    assert reason(other) == "busy"
    hold.set()
    assert own.call(ROW)[0] == 0.5
