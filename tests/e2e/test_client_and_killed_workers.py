"""The Python client under load while workers are killed: every call is answered, and counts once."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections import Counter
from typing import Any

from lockgate.records import Outcome, Prediction
from lockgate.server.client import Answer, AsyncClient, Client

THREADS, TASKS, KILLED = 3, 5, 3


class Load:
    """People who ask through both clients until they are told to stop; whatever a call raises is kept."""

    def __init__(self, url: str, row: dict[str, Any]) -> None:
        self._url, self._row = url, row
        self._stop = threading.Event()
        self.answers: list[list[Answer]] = []
        self.raised: list[BaseException] = []
        self._threads = [threading.Thread(target=self._guarded, args=(self._ask,)) for _ in range(THREADS)]
        self._threads.append(threading.Thread(target=self._guarded, args=(lambda: asyncio.run(self._ask_together()),)))
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(40)
            assert not thread.is_alive()

    def _guarded(self, ask: Any) -> None:
        try:
            ask()
        except BaseException as error:  # noqa: BLE001 - a call that fails is what this test looks for
            self.raised.append(error)

    def _ask(self) -> None:
        with Client(self._url) as client:
            while not self._stop.is_set():
                self.answers.append(client.predict("tide", [self._row, self._row | {"x1": 2.0}]))

    async def _ask_together(self) -> None:
        async def one(client: AsyncClient) -> None:
            while not self._stop.is_set():
                self.answers.append(await client.predict("tide", [self._row, self._row | {"x1": 2.0}]))

        async with AsyncClient(self._url) as client:
            await asyncio.gather(*(one(client) for _ in range(TASKS)))


def test_no_call_is_lost_or_doubled_while_workers_are_killed(workshop, until):
    with workshop.serving(workers=2) as server:
        load = Load(server.url, workshop.row())
        for number in range(KILLED):
            until(lambda n=number: len(load.answers) > 60 * (1 + n), "calls under way", within_s=30)
            pid = server.state["workers"][number % 2]
            os.kill(pid, signal.SIGKILL)
            until(lambda gone=pid: gone not in server.state["workers"], "the worker's replacement")
        until(lambda: len(load.answers) > 60 * (1 + KILLED), "calls after the last", within_s=30)
        load.end()
        with Client(server.url) as client:
            told = [{"id": answers[0].id, "value": 1} for answers in load.answers]
            assert client.outcomes("tide", told) == len(told)
    assert load.raised == []
    assert all(len(answers) == 2 for answers in load.answers)
    acknowledged = [answer for answers in load.answers for answer in answers]
    assert len({answer.id for answer in acknowledged}) == len(acknowledged), "an id for every call"
    logged = [entry for entry in workshop.log() if isinstance(entry, Prediction)]
    # An id may stand in two workers' logs where a call was answered, logged and cut; with one value, and counted once.
    values = {entry.id: entry.value for entry in logged}
    assert values == {answer.id: answer.value for answer in acknowledged}
    often = [times for times in Counter(entry.id for entry in logged).values() if times > 1]
    assert len(often) <= 2 * KILLED * (THREADS + TASKS)
    assert all(values[entry.id] == entry.value for entry in logged)
    assert {e.id for e in workshop.log() if isinstance(e, Outcome)} == {answers[0].id for answers in load.answers}
