import asyncio
import threading

import pytest

from lockgate.errors import PredictError
from lockgate.runtime.bounded import Pool
from lockgate.runtime.tasks import Tasks, in_thread


async def ends(after_s=0.0, value="yes"):
    await asyncio.sleep(after_s)
    return value


def test_hundreds_wait_at_once_without_a_thread_each():
    async def scene():
        tasks = Tasks(1000)
        before = threading.active_count()
        waiting = [asyncio.create_task(tasks.run(lambda: ends(0.3), 5)) for _ in range(500)]
        await asyncio.sleep(0.1)
        held, threads = tasks.at_work, threading.active_count() - before
        return await asyncio.gather(*waiting), held, threads, tasks.at_work

    answers, held, threads, left = asyncio.run(scene())
    assert (set(answers), held, left) == ({"yes"}, 500, 0)
    assert threads <= 0  # those of tests before may end meanwhile


def test_one_that_is_late_is_cancelled():
    async def scene():
        gone = asyncio.Event()

        async def slow():
            try:
                await asyncio.sleep(10)
            finally:
                gone.set()

        with pytest.raises(PredictError) as late:
            await Tasks(1).run(slow, 0.02)
        await asyncio.wait_for(gone.wait(), 5)
        return late.value.reason

    assert asyncio.run(scene()) == "late"


def test_one_that_will_not_be_cancelled_counts_until_it_ends():
    async def scene():
        tasks, release = Tasks(1), asyncio.Event()

        async def stubborn():
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

        reasons = []
        for _ in range(2):
            with pytest.raises(PredictError) as failure:
                await tasks.run(stubborn, 0.02)
            reasons.append(failure.value.reason)
        release.set()
        while tasks.at_work:
            await asyncio.sleep(0.01)
        return reasons, await tasks.run(ends, 1)

    assert asyncio.run(scene()) == (["late", "busy"], "yes")


@pytest.mark.parametrize("deadline_s", [None, 5])
def test_the_callers_cancellation_goes_on_and_is_handed_on(deadline_s):
    async def scene():
        began, ended = asyncio.Event(), asyncio.Event()

        async def slow():
            began.set()
            try:
                await asyncio.sleep(10)
            finally:
                ended.set()

        caller = asyncio.create_task(Tasks(1).run(slow, deadline_s))
        await began.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await asyncio.wait_for(ended.wait(), 5)

    asyncio.run(scene())


@pytest.mark.parametrize("deadline_s", [None, 5])
def test_a_callers_own_timeout_is_the_callers(deadline_s):
    async def scene():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await Tasks(1).run(lambda: ends(10), deadline_s)

    asyncio.run(scene())


@pytest.mark.parametrize("deadline_s", [None, 5])
def test_one_that_cancels_itself_has_failed_and_cancels_nobody_else(deadline_s):
    async def gives_up():
        raise asyncio.CancelledError

    async def scene():
        with pytest.raises(PredictError) as failure:
            await Tasks(1).run(gives_up, deadline_s)
        return failure.value.reason

    assert asyncio.run(scene()) == "raised"


def test_what_blocks_is_given_up_in_its_thread():
    hold = threading.Event()

    async def scene():
        pool = Pool(1)
        with pytest.raises(PredictError) as late:
            await in_thread(pool, lambda: hold.wait(10), 0.05)
        return late.value.reason, pool.hanging

    assert asyncio.run(scene()) == ("late", 1)
    hold.set()


def test_a_thread_that_outlives_its_loop_ends_quietly():
    hold, ended = threading.Event(), threading.Event()

    def work():
        hold.wait(10)
        ended.set()

    async def scene():
        with pytest.raises(PredictError):
            await in_thread(Pool(1), work, 0.02)

    asyncio.run(scene())
    hold.set()
    assert ended.wait(5)


def test_a_cancelled_caller_gives_its_thread_up():
    hold = threading.Event()

    async def scene():
        pool = Pool(1)
        caller = asyncio.create_task(in_thread(pool, lambda: hold.wait(10), 5))
        await asyncio.sleep(0.05)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        return pool.hanging

    assert asyncio.run(scene()) == 1
    hold.set()
