"""`kill -9` of a worker while the traffic moves: no call is refused, and nobody answers by the routing that was left."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": None}
CALLERS = 3
MOVES = 8
TAKEN_UP_S = 1.0
"""Within which the last worker answers by a new routing; a worker that is replaced meanwhile included."""


@dataclass
class Heard:
    """(asked at, answered at, version) of each; what was cut is asked again, a connection each, under the same id."""

    answers: list[tuple[float, float, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def ask(url: str, name: str, stop: threading.Event, heard: Heard) -> None:
    number = 0
    while not stop.is_set():
        number += 1
        asked = time.monotonic()
        while time.monotonic() < asked + 20:
            tried = time.monotonic()
            try:
                body = {"rows": [ROW], "id": f"{name}.{number}"}
                answer = httpx.post(f"{url}/predict/late", json=body, timeout=10, trust_env=False)
            except httpx.TransportError:
                time.sleep(0.01)
                continue
            if answer.status_code == 200:
                version = answer.json()["predictions"][0]["version"]
                heard.answers.append((tried, time.monotonic(), version))
            else:
                heard.problems.append(f"{answer.status_code} {answer.text}")
            break
        else:
            heard.problems.append(f"{name}.{number} was never answered")


def test_a_worker_killed_at_any_moment_of_a_move_answers_by_the_new_routing_or_not_at_all(
    project: Any, until: Callable[..., None]
) -> None:
    versions = [project.add_constant("first", 0.1), project.add_constant("second", 0.2)]
    project.publish(versions[0])
    rng, stop, heard = random.Random(5), threading.Event(), [Heard() for _ in range(CALLERS)]
    settled: list[tuple[float, float, str]] = []
    with project.serving(workers=2) as server:
        callers = [threading.Thread(target=ask, args=(server.url, f"c{n}", stop, heard[n])) for n in range(CALLERS)]
        for caller in callers:
            caller.start()
        for move in range(1, MOVES + 1):
            old, new = versions[(move - 1) % 2], versions[move % 2]
            victim = server.state()["workers"][move % 2]
            early = threading.Timer(rng.uniform(0.0, 0.3), os.kill, (victim, signal.SIGKILL))
            early.start()  # before, while and after the workers look at the board, which they do each quarter of a second
            time.sleep(rng.uniform(0.0, 0.1))
            project.publish(new, revision=move + 1, previous=old)
            since = time.monotonic() + TAKEN_UP_S
            early.join()
            until(lambda gone=victim: gone not in server.state()["workers"], "another worker")
            until(
                lambda since=since: sum(asked >= since for one in heard for asked, _, _ in one.answers) > 20,
                "20 answers",
            )
            settled.append((since, time.monotonic(), new))
        stop.set()
        for caller in callers:
            caller.join(30)
            assert not caller.is_alive()
        assert server.process.poll() is None
    assert [problem for one in heard for problem in one.problems] == []
    answers = [answer for one in heard for answer in one.answers]
    for since, until_s, version in settled:
        then = [told for asked, answered, told in answers if since <= asked and answered < until_s]
        assert then, "somebody asked"
        assert set(then) == {version}
    assert {told for _, _, told in answers} == set(versions)
