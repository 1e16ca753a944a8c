"""Verdicts made again from the log: the same bits, whatever the order in which shards arrive; and a changed log is told."""

from __future__ import annotations

import dataclasses
import random
import shutil
from typing import Any

import msgspec
import pytest

from lockgate.errors import NotFound, SpecError
from lockgate.records import Health, LogSpec, Outcome, RolloutSpec, Verdict
from lockgate.records.prediction import LogEntry
from lockgate.store.memory import MemoryLog
from lockgate.workspace.again import again

FIRST, DAYS = 41, 22
SPEC = RolloutSpec(ladder=("replay", "shadow", 0.5, 1.0), prove="better", deadline="30d")


def tell(workspace: Any, workshop: Any, first: int, days: int) -> None:
    """Scored days with their outcomes, and a tick after each."""
    for day in range(first, first + days):
        table = workshop.table(first_day=day, days=1, per_day=100)
        found = workspace.score("tide", table, prefix=f"d{day}")
        known = (table["known_at"].dt.epoch("us") / 1e6).to_list()
        workspace.outcomes("tide", list(zip([p.id for p in found], map(float, table["y"]), known, strict=True)))
        workspace.tick()


@pytest.fixture(scope="module")
def shop(built: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A copy of the workspace for this file: nothing here changes it but `told`."""
    root = tmp_path_factory.mktemp("again") / "project"
    shutil.copytree(built.root, root)
    return type(built)(root, dict(built.versions))


@pytest.fixture(scope="module")
def told(shop: Any) -> Any:
    """A rollout that began with six days of replay and went on in shadow and at a share."""
    workshop, workspace = shop, shop.open()
    workspace.gate(workshop.versions["rival"])
    tell(workspace, workshop, FIRST, 6)
    workspace.rollout(workshop.versions["rival"], by="the tests", spec=SPEC, anyway=True)
    tell(workspace, workshop, FIRST + 6, DAYS - 6)
    return workspace


def of_rollouts(workspace: Any) -> list[Verdict]:
    return [v for v in workspace.wiring.records.all(Verdict, "tide") if v.rollout is not None]


def with_log(workspace: Any, entries: list[LogEntry]) -> Any:
    log = MemoryLog()
    log.append(entries)
    return dataclasses.replace(workspace.wiring, log=log)


def test_every_verdict_of_a_rollout_is_made_again_to_the_bit(told: Any) -> None:
    verdicts = of_rollouts(told)
    assert {"worth", "safe at shadow"} <= {v.gate.name for v in verdicts}
    for verdict in verdicts:
        found = told.again(verdict.id)
        assert found.agrees, found.sentence
        assert "Agrees to the bit: made again from" in found.sentence


@pytest.mark.parametrize("seed", range(3))
def test_shards_in_any_order_give_the_same_bits(told: Any, seed: int) -> None:
    entries = list(told.wiring.log.read()[0])
    random.Random(seed).shuffle(entries)
    shuffled = with_log(told, entries)
    verdicts = of_rollouts(told)
    for verdict in [v for v in verdicts if v.gate.name != "worth"] + [v for v in verdicts if v.gate.name == "worth"][
        -2:
    ]:
        assert again(shuffled, verdict).agrees


def test_outcomes_that_came_later_change_no_verdict_and_changed_ones_are_told(told: Any) -> None:
    entries = list(told.wiring.log.read()[0])
    worth = [v for v in of_rollouts(told) if v.gate.name == "worth"][-1]
    later = [
        msgspec.structs.replace(e, value=1.0 - e.value, received_s=e.received_s + 1e6)
        for e in entries
        if isinstance(e, Outcome)
    ]
    assert again(with_log(told, entries + later), worth).agrees
    forged = [
        msgspec.structs.replace(e, value=1.0 - e.value) if isinstance(e, Outcome) and n % 50 == 0 else e
        for n, e in enumerate(entries)
    ]
    found = again(with_log(told, forged), worth)
    assert not found.agrees
    assert "is not what the log gives now" in found.sentence


def test_a_lost_shard_is_told(told: Any) -> None:
    entries = list(told.wiring.log.read()[0])
    safe = next(v for v in of_rollouts(told) if v.gate.name == "safe at shadow")
    found = again(with_log(told, entries[len(entries) // 2 :]), safe)
    assert not found.agrees
    assert "oes not" in found.sentence


def test_a_verdict_on_a_table_or_of_another_engine_or_unknown_is_refused(told: Any) -> None:
    offline = next(v for v in told.wiring.records.all(Verdict, "tide") if v.rollout is None)
    with pytest.raises(SpecError, match="rests on a table"):
        told.again(offline.id)
    with pytest.raises(NotFound, match="no verdict 'v0'"):
        told.again("v0")
    other = of_rollouts(told)[0]
    evidence = msgspec.structs.replace(other.evidence, engine=1)
    with pytest.raises(SpecError, match="given by engine 1"):
        again(told.wiring, msgspec.structs.replace(other, evidence=evidence))


def test_the_command_says_whether_it_agrees(told: Any, shop: Any) -> None:
    verdict = next(v for v in of_rollouts(told) if v.gate.name == "safe at shadow")
    ran = shop.run("why", verdict.id, "--replay")
    assert (ran.returncode, ran.stdout.startswith("Agrees to the bit")) == (0, True)


def test_a_verdict_whose_calls_the_log_has_let_go_says_so(told: Any) -> None:
    wiring, model = told.wiring, told.wiring.spec.model["tide"]
    brief = msgspec.structs.replace(model, log=LogSpec(retention="3d"))
    health = wiring.records.get(Health, "tide")
    gone = MemoryLog()
    gone.append(wiring.log.read()[0])
    gone.forget("tide", health.until_s - 3 * 86_400)
    spec = msgspec.structs.replace(wiring.spec, model={"tide": brief})
    for verdict in of_rollouts(told)[:2]:
        found = again(dataclasses.replace(wiring, log=gone, spec=spec), verdict)
        assert not found.agrees
        assert found.sentence.startswith("Cannot be made again: the log of tide is kept for 3d, and its calls before ")
        # Without a retention nothing may be missing.
        assert again(dataclasses.replace(wiring, log=gone), verdict).sentence.startswith("Does not agree")
