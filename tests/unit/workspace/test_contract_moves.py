"""A routing move to a version of another contract: a call that was read before is answered, and logged, as it was read."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import Any

import pytest

from lockgate.records import Contract, Prediction, digest
from lockgate.runtime.folder import CONTRACT, MANIFEST, put, seal, verify
from lockgate.server.calls import Calls, answered_by
from lockgate.server.lines import STRETCH, Line, Lines
from lockgate.store.folders import Folders
from lockgate.workspace.dataplane import DataPlane

ROW: dict[str, Any] = {"wait": 9.0, "seats": 8, "carrier": "AA", "plane": None}
BODY = json.dumps({"rows": [ROW]}).encode()


@pytest.fixture
def versions(project: Any) -> tuple[str, str]:
    """The same model twice: with the contract's columns in order, and with the first two changed round."""
    first = project.add_fitted()
    folder = project.root / "round"
    shutil.copytree(project.fitted[0], folder)
    manifest = verify(folder, first)
    (folder / MANIFEST).unlink()
    wait, seats, *others = project.contract.columns
    put(folder, CONTRACT, Contract(model="late", columns=(seats, wait, *others), target="late"))
    sealed = seal(
        folder,
        model="late",
        name="round",
        role="candidate",
        format=manifest.format,
        task="binary",
        lineage=manifest.lineage,
        inputs=manifest.inputs,
    )
    second = digest(sealed)
    Folders(project.home / "versions").add(second, folder)
    return first, second


def test_a_call_that_was_read_before_a_move_is_answered_as_it_was_read(project: Any, versions: tuple[str, str]):
    first, second = versions
    project.publish(first)
    plane = DataPlane(project.home)
    plane.refresh()
    served = plane.model("late")
    asked = served.request.plain(BODY)
    assert asked is not None
    ((right,),) = served.caller.answer_plain([asked])

    project.publish(second, revision=2)
    plane.refresh()
    assert plane.model("late").routing.champion == second
    ((quick,),) = served.caller.answer_plain([asked])
    long = answered_by(served, lambda held: held.request.decode(BODY)).predictions[0]
    plane.close()
    for told in (quick, long):
        assert (told.value, told.version) == (right.value, first)
    logged = {entry.version: entry.inputs for entry in project.log() if isinstance(entry, Prediction)}
    assert logged == {first: (9.0, 8, "AA", None)}


def test_a_move_in_the_middle_of_reading_is_not_half_seen(project: Any, versions: tuple[str, str]):
    first, second = versions
    project.publish(first)
    plane = DataPlane(project.home)
    plane.refresh()
    served = plane.model("late")

    def read(held: Any) -> Any:
        rows = held.request.decode(BODY)
        project.publish(second, revision=2)
        plane.refresh()
        return rows

    (before,) = answered_by(served, read).predictions
    (after,) = answered_by(plane.model("late"), lambda held: held.request.decode(BODY)).predictions
    plane.close()
    assert (before.version, before.inputs) == (first, (9.0, 8, "AA", None))
    assert (after.version, after.inputs, after.value) == (second, (8, 9.0, "AA", None), before.value)


def test_an_id_counts_once_over_a_move(project: Any, versions: tuple[str, str]):
    first, second = versions
    project.publish(first)
    plane = DataPlane(project.home)
    plane.refresh()
    named = json.dumps({"rows": [ROW], "id": "q"}).encode()
    served = plane.model("late")
    answered_by(served, lambda held: held.request.decode(named))
    project.publish(second, revision=2)
    plane.refresh()
    moved = plane.model("late")
    plain = moved.request.plain(named)
    assert plain is not None
    assert moved.caller.answer_plain([plain]) == [None], "seen before, so the long way looks"
    plane.close()


def test_a_body_of_many_rows_goes_on_under_the_contract_in_force(project: Any, versions: tuple[str, str]):
    first, second = versions
    project.publish(first)
    plane = DataPlane(project.home)
    plane.refresh()
    calls = Calls(plane)
    rows = [Line(number, json.dumps(ROW).encode()) for number in range(STRETCH + 1)]

    async def told() -> list[dict[str, Any]]:
        found = b""
        async for written in Lines(calls)._answers(plane.model("late"), rows, None, "many"):
            found += written
            project.publish(second, revision=2)
            await asyncio.to_thread(plane.refresh)
        return [json.loads(line) for line in found.splitlines()]

    answers = asyncio.run(told())
    calls.close()
    assert [one["version"] for one in answers] == [first] * STRETCH + [second]
    assert len({round(one["value"], 6) for one in answers}) == 1
    assert {entry.inputs for entry in project.log() if entry.version == second} == {(8, 9.0, "AA", None)}
