"""Worker processes while versions with different contracts come and go: every caller is answered, old rows and new."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from lockgate.records import Column, Contract, Prediction, Routing, Shadow

MODEL = "late"
OLD_ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}
NEW_ROW: dict[str, Any] = {"wait": 3.5, "seats": 120.5, "humidity": 0.4, "plane": "N1"}
CARRIER = "carrier"


def renewed(old: Contract) -> Contract:
    """A column is new, one is gone, and one is wider."""
    kept = [column for column in old.columns if column.name != CARRIER]
    wider = [msgspec.structs.replace(c, type="float") if c.name == "seats" else c for c in kept]
    return msgspec.structs.replace(old, columns=(*wider, Column(name="humidity", type="float")))


class Callers:
    """One who sends old rows and one who sends new ones, all the while; a call that is cut is asked again under its id."""

    def __init__(self, url: str) -> None:
        self.answers: list[tuple[str, dict[str, Any]]] = []
        self.problems: list[str] = []
        self._url, self._stop = url, threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=(f"{name}{n}", row))
            for n in range(2)
            for name, row in (("old", OLD_ROW), ("new", NEW_ROW))
        ]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def seen(self, since: int = 0) -> Counter[tuple[str, str, str | None]]:
        """Answers by row, value's version, and failure."""
        return Counter((name[:3], told["served_by"], told["failure"]) for name, told in self.answers[since:])

    def more(self, until: Callable[..., None], each: int = 40) -> Counter[tuple[str, str, str | None]]:
        """What is answered from now on, so many times to each kind of row at least."""
        before = len(self.answers)

        def enough() -> bool:
            assert self.problems == []
            kinds = Counter(name[:3] for name, _ in self.answers[before:])
            return kinds["old"] >= each and kinds["new"] >= each

        until(enough, f"{each} answers to rows of each kind", within_s=30)
        return self.seen(before)

    def _call(self, name: str, row: dict[str, Any]) -> None:
        number = 0
        with httpx.Client(timeout=10) as client:
            while not self._stop.is_set():
                number += 1
                body = {"rows": [row], "id": f"{name}.{number}"}
                try:
                    came = client.post(f"{self._url}/predict/{MODEL}", json=body)
                except httpx.TransportError:
                    number -= 1
                    continue
                if came.status_code == 200:
                    self.answers.append((name, came.json()["predictions"][0]))
                else:
                    self.problems.append(f"{name}: {came.status_code} {came.text}")
                time.sleep(0.005)


def moved(project: Any, until: Callable[..., None], server: Any, routing: Routing, **changed: Any) -> Routing:
    """The next routing, once every worker has it."""
    last = msgspec.structs.asdict(msgspec.structs.replace(routing, revision=routing.revision + 1, **changed))
    told = project.publish(last.pop("champion"), **{k: v for k, v in last.items() if k not in ("model", "schema")})
    follows(until, server, told.revision)
    return told


def follows(until: Callable[..., None], server: Any, revision: int) -> None:
    seen: dict[int, int] = {}

    def all_of_them() -> bool:
        workers = server.state()["workers"]
        with httpx.Client(timeout=10) as client:
            try:
                told = client.get(f"{server.url}/readyz").json()
            except httpx.TransportError:
                return False
        seen[told["pid"]] = told.get("revisions", {}).get(MODEL, 0)
        return all(seen.get(pid) == revision for pid in workers)

    until(all_of_them, f"revision {revision} at every worker", within_s=20)


def test_nobody_is_refused_while_a_version_with_another_contract_comes_takes_over_and_goes(project, until):
    old = project.add_fitted()
    new = project.add_constant("new", 0.9, contract=renewed(project.contract), needs=("wait", "humidity"))
    base = project.add_constant("base", 0.4)
    routing = project.publish(old, baseline=base)
    with project.serving(workers=2) as server:
        assert server.predict(NEW_ROW).status_code == 422
        routing = moved(project, until, server, routing, challenger=new, rollout="r1", salt="r1", shadow=True)
        with Callers(server.url) as callers:
            shadow = callers.more(until)
            # Nobody is exposed in shadow: rows that only the challenger takes have the constant, for the baseline is old too.
            assert shadow.keys() == {("old", old, None), ("new", "constant", "contract")}
            routing = moved(project, until, server, routing, share=0.5)
            shares = callers.more(until)
            assert {("old", old, None), ("new", new, None), ("old", old, "contract")} <= shares.keys()
            assert {by for _, by, _ in shares} <= {old, new, "constant"}
            routing = moved(
                project, until, server, routing,
                champion=new, previous=old, challenger=None, rollout=None, salt="", shadow=False, share=0.0,
            )  # fmt: skip
            assert callers.more(until).keys() == {("old", old, "contract"), ("new", new, None)}
            routing = moved(project, until, server, routing, champion=old, previous=new, withdrawn=new)
            # What was rolled back answers nobody, not even those whose rows it alone takes.
            assert callers.more(until).keys() == {("old", old, None), ("new", "constant", "contract")}
        assert server.predict(OLD_ROW | {"gate": 1}).json()["error"]["column"] == "gate"
        document = server.get("/openapi.json").json()["components"]["schemas"][f"{MODEL}.rows"]
    assert callers.problems == []
    item = document["properties"]["rows"]["items"]
    assert set(item["properties"]) == {"wait", "seats", "carrier", "plane", "humidity"}
    assert sorted(map(sorted, (one["required"] for one in item["anyOf"]))) == sorted(
        (["carrier", "plane", "seats", "wait"], ["humidity", "plane", "seats", "wait"])
    )
    flags = {flag for name, told in callers.answers if name.startswith("old") for flag in told["flags"]}
    assert flags == {"input humidity: missing", "carrier: extra"}
    log = project.log()
    challenged = [e for e in log if isinstance(e, Prediction) and e.rollout == "r1" and e.arm == "challenger"]
    assert {e.failure for e in challenged if "input humidity: missing" in e.flags} == {"contract"}
    assert {e.failure for e in challenged if "input humidity: missing" not in e.flags} == {None}
    shadows = [e for e in log if isinstance(e, Shadow) and e.version == new]
    assert {(s.failure, s.value, s.flags) for s in shadows if s.failure} == {
        ("contract", None, ("input humidity: missing", "carrier: extra"))
    }
    assert {s.value for s in shadows if not s.failure} == {0.9}
    assert {e.inputs[1] for e in log if isinstance(e, Prediction) and e.id.startswith("new")} == {120.5}


def test_after_a_rollback_out_of_a_rollout_rows_of_the_version_that_left_are_still_read(project, until):
    old = project.add_constant("old", 0.1)
    added = (*project.contract.columns, Column(name="humidity", type="float"))
    new = project.add_constant("new", 0.9, contract=msgspec.structs.replace(project.contract, columns=added))
    routing = project.publish(old, challenger=new, rollout="r1", salt="r1", share=0.5)
    with project.serving() as server:
        row = OLD_ROW | {"humidity": 0.4}
        assert server.predict(row).status_code == 200
        moved(project, until, server, routing, challenger=None, rollout=None, salt="", share=0.0, withdrawn=new)
        told = server.predict(row).json()["predictions"][0]
        assert (told["served_by"], told["failure"], told["flags"]) == (old, None, ["humidity: extra"])
        assert server.predict(OLD_ROW).json()["predictions"][0]["flags"] == []


def test_one_id_asked_again_under_another_contract_is_answered_as_before(project, until):
    old = project.add_constant("old", 0.1)
    new = project.add_constant("new", 0.9, contract=renewed(project.contract))
    routing = project.publish(old, challenger=new, rollout="r1", salt="r1")
    with project.serving() as server:
        first = server.predict(OLD_ROW, id="q1").json()
        moved(project, until, server, routing, champion=new, previous=old, challenger=None, rollout=None, salt="")
        assert server.predict(OLD_ROW, id="q1").json() == first


@pytest.mark.parametrize("killed", [0, 1])
def test_a_worker_killed_during_a_rollback_refuses_nobody_and_the_next_follows(project, until, killed):
    old = project.add_fitted()
    new = project.add_constant("new", 0.9, contract=renewed(project.contract), needs=("wait", "humidity"))
    routing = project.publish(new, previous=old)
    with project.serving(workers=2) as server, Callers(server.url) as callers:
        callers.more(until)
        os.kill(server.state()["workers"][killed], signal.SIGKILL)
        routing = moved(project, until, server, routing, champion=old, previous=new, withdrawn=new)
        assert callers.more(until).keys() == {("old", old, None), ("new", "constant", "contract")}
    assert callers.problems == []
    assert len(callers.answers) > 100
