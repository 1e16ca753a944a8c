"""What the quick way takes, and what it passes on."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from lockgate.features.request import Plain, RequestType
from lockgate.records import Column, Routing, Shadow
from lockgate.records.prediction import LogEntry
from lockgate.runtime import folder
from lockgate.runtime.fallback import Prompt
from lockgate.serve.call import Caller
from lockgate.server.calls import Calls, again
from lockgate.server.together import MOST_ROWS, Together
from lockgate.workspace.dataplane import DataPlane, Served

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}


def body(rows: int) -> bytes:
    return json.dumps({"rows": [ROW] * rows}).encode()


def calls_of(project: Any) -> Calls:
    plane = DataPlane(project.home)
    plane.refresh()
    return Calls(plane)


def test_more_rows_than_the_loop_may_be_held_for_go_the_long_way_however_few_bytes(project: Any):
    project.publish(project.add_fitted())
    calls = calls_of(project)
    assert calls.plain("late", body(MOST_ROWS)) is not None
    assert calls.plain("late", body(MOST_ROWS + 1)) is None
    calls.close()


def test_of_a_champion_without_a_quick_way_nothing_is_tried_there(project: Any):
    project.publish(project.add_constant("hosted", 0.9, "boom"))
    calls = calls_of(project)
    assert calls.plain("late", body(1)) is None
    calls.close()


def test_others_are_heard_between_the_batches_of_one_turn(project: Any):
    project.publish(project.add_fitted())
    calls = calls_of(project)
    heard: list[str] = []

    async def turn() -> None:
        together, loop = Together(), asyncio.get_running_loop()
        for name in "abc":
            found = calls.plain("late", body(MOST_ROWS - 1))
            assert found is not None
            together.ask(
                found[0].caller, found[1], lambda answer, name=name: heard.append(f"{name}{len(answer or ())}")
            )
        loop.call_soon(heard.append, "another")
        await asyncio.sleep(0.2)

    asyncio.run(turn())
    calls.close()
    rows = MOST_ROWS - 1
    assert heard == [f"a{rows}", "another", f"b{rows}", f"c{rows}"]


def test_a_shadow_has_the_time_of_its_own_row(project: Any):
    path, version = project.fitted
    asked = Column(name="asked", type="time", is_nullable=True)
    contract = msgspec.structs.replace(project.contract, columns=(asked, *project.contract.columns), time="asked")
    routing = Routing(
        model="late",
        revision=1,
        champion=version,
        challenger="w",
        shadow=True,
        baseline=None,
        constant=0.2,
        deadline_ms=1000.0,
    )
    predictor = folder.load(path, version)
    log: list[LogEntry] = []
    links = {version: Prompt(predictor), "w": Prompt(replace(predictor, version="w"))}
    served = Served(Caller(contract, routing, links, log.extend), contract, RequestType(contract))
    sent = json.dumps({"rows": [{"asked": "2013-01-01T00:00:00Z"} | ROW, {"asked": None} | ROW]}).encode()
    plain = served.request.plain(sent)
    assert isinstance(plain, Plain)
    ((first, second),) = served.caller.answer_plain([plain])
    assert first.asked_s < second.asked_s
    shadows = served.caller.shadow(again(served, sent, None, [first, second]).batch, [first, second])
    assert [shadow.asked_s for shadow in shadows] == [first.asked_s, second.asked_s]
    assert all(isinstance(shadow, Shadow) and np.isfinite(shadow.value or 0.0) for shadow in shadows)
