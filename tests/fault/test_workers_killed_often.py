"""`kill -9` of workers under load: what was acknowledged is in the log, and what was cut is answered on the next try."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": None}
CALLERS = 4
KILLS = 3


@dataclass
class Told:
    """What one caller heard: values by request id, and the tries that each cut call took."""

    values: dict[str, float] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def call_on(url: str, name: str, stop: threading.Event, told: Told) -> None:
    with httpx.Client(timeout=10) as client:
        number = 0
        while not stop.is_set():
            number += 1
            request = f"{name}.{number}"
            for _ in range(200):
                try:
                    answer = client.post(f"{url}/predict/late", json={"rows": [ROW], "id": request})
                except httpx.TransportError as error:
                    # no connection at all would mean that the port itself was gone
                    (told.refused if isinstance(error, httpx.ConnectError) else told.cut).append(request)
                    continue
                if answer.status_code != 200:
                    told.problems.append(f"{request}: {answer.status_code} {answer.text}")
                else:
                    told.values[request] = answer.json()["predictions"][0]["value"]
                break
            else:
                told.problems.append(f"{request}: never answered")


def test_what_was_acknowledged_survives_and_what_was_cut_is_answered_again(project, until):
    project.publish(project.add_fitted())
    stop = threading.Event()
    told = [Told() for _ in range(CALLERS)]
    with project.serving(workers=2) as server:
        threads = [threading.Thread(target=call_on, args=(server.url, f"c{n}", stop, told[n])) for n in range(CALLERS)]
        for thread in threads:
            thread.start()
        for _ in range(KILLS):
            time.sleep(1.0)
            victim = server.state()["workers"][0]
            os.kill(victim, signal.SIGKILL)
            killed = time.monotonic()
            until(lambda gone=victim: gone not in server.state()["workers"], "another worker", within_s=1.5)
            assert time.monotonic() - killed < 1.5
        time.sleep(0.5)
        stop.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
    assert [problem for one in told for problem in one.problems] == []
    assert [request for one in told for request in one.refused] == []
    # a caller has one call in a worker's hands at a time, so a kill cuts at most one of each
    for one in told:
        assert len(set(one.cut)) <= KILLS
        assert set(one.cut) <= set(one.values)
    acknowledged = {f"{request}-0": value for one in told for request, value in one.values.items()}
    assert len(acknowledged) > 100
    entries = project.log()
    logged = {entry.id: entry.value for entry in entries}
    assert logged.items() >= acknowledged.items()
    assert logged.keys() == acknowledged.keys()  # every call was answered in the end, so nothing else is there
    cut = {f"{request}-0" for one in told for request in one.cut}
    twice = {i for i, times in Counter(entry.id for entry in entries).items() if times > 1}
    assert twice <= cut  # only a retried call may stand twice, under the one id that readers count once
