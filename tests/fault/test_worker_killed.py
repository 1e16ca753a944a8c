"""A worker killed under load, as the out-of-memory killer would: only the calls in its hands are cut."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter

import httpx

from lockgate.records import Prediction
from lockgate.records.prediction import Window

CLIENTS = 4


class Clients:
    """Four people who ask and, when cut off, ask again under the same id."""

    def __init__(self, url: str, row: dict[str, object]) -> None:
        self._url, self._row = url, row
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.acknowledged: dict[str, float] = {}
        self.cut: list[str] = []
        self.refused: list[int] = []
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def _ask(self, number: int) -> None:
        place = 0
        while not self._stop.is_set():
            self._until_answered(f"k{number}-{place}")
            place += 1

    def _until_answered(self, name: str) -> None:
        """A connection of its own for each try, so that what is cut is a call and not a line kept open."""
        give_up = time.monotonic() + 20
        while time.monotonic() < give_up:
            try:
                answer = httpx.post(
                    f"{self._url}/predict/tide", json={"rows": [self._row], "id": name}, timeout=15, trust_env=False
                )
            except httpx.TransportError:
                with self._lock:
                    self.cut.append(name)
                time.sleep(0.02)
                continue
            with self._lock:
                if answer.status_code != 200:
                    self.refused.append(answer.status_code)
                else:
                    (told,) = answer.json()["predictions"]
                    self.acknowledged[told["id"]] = told["value"]
            return


def test_a_killed_worker_costs_the_calls_in_its_hands_and_nothing_else(workshop, until):
    with workshop.serving(workers=2) as server:
        before = server.state["workers"]
        clients = Clients(server.url, workshop.row())
        killed: list[int] = []
        for _ in range(2):
            until(lambda: len(clients.acknowledged) > 20 * (1 + len(killed)), "calls under way")
            pid = server.state["workers"][0]
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
            until(lambda gone=pid: gone not in server.state["workers"], "the worker's replacement")
            time.sleep(0.5)
        clients.end()
        after = server.state["workers"]
        assert server.process.poll() is None
    assert len(after) == len(before) == 2
    assert not set(killed) & set(after)
    assert before[1] in after, "the other worker was left alone"
    assert clients.refused == []
    # Each client has at most one call in hand when a worker goes.
    assert len(set(clients.cut)) <= CLIENTS * len(killed)
    assert all(f"{name}-0" in clients.acknowledged for name in clients.cut), "a retry under the same id was answered"
    logged = {e.id: e.value for e in workshop.log() if isinstance(e, Prediction)}
    assert {name: logged.get(name) for name in clients.acknowledged} == clients.acknowledged
    # More than once only where a retry came to another worker: the log is at least once, and readers count an id once.
    often = [
        name for name, times in Counter(e.id for e in workshop.log() if not isinstance(e, Window)).items() if times > 1
    ]
    assert set(often) <= {f"{name}-0" for name in clients.cut}


def test_a_killed_supervisor_takes_its_workers_along(workshop, until):
    with workshop.serving() as server:
        children = [*server.state["workers"], *server.state["companions"]]
        server.process.kill()
        server.process.wait(10)
        until(lambda: not any(_is_alive(pid) for pid in children), "the children's end", within_s=15)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - a zombie that nobody reaped is no worker
        return stat.read().rpartition(") ")[2][0] != "Z"
