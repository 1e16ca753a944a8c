"""A retrained version whose plan is refused holds nothing up, is asked for again as days come, and starts once in time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from lockgate.records import Alarm, AlarmLife, Retraining, Rollout
from lockgate.server.retraining import Trainer
from lockgate.workspace import retrainings, starting

TIDE, FIRST, BROKE = "tide", 40, 55


def live(shop: Any, first: int, days: int) -> None:
    """Days of calls with their outcomes; from BROKE on the opposite of what the champion was trained on comes true."""
    workspace = shop.open()
    table = shop.table(first, days)
    answers = table["y"] if first < BROKE else 1 - table["y"]
    found = workspace.score(TIDE, table, prefix=f"d{first}")
    known = (table["known_at"].dt.epoch("us") / 1e6).to_list()
    told = zip([p.id for p in found], map(float, answers.to_list()), known, strict=True)
    workspace.outcomes(TIDE, list(told))
    while workspace.tick().read:
        pass
    workspace.close()


def configured(shop: Any, *, deadline: str, rollout: str) -> None:
    file: Path = shop.root / "lockgate.toml"
    text = file.read_text().partition("\n[model.tide.retrain]")[0]
    # Without a share of traffic on the way: 75 calls a day show none safe for weeks, however much is replayed.
    text = text.replace('ladder = ["shadow", 0.5, 1.0]', 'ladder = ["replay", "shadow", 1.0]')
    lines = [f'deadline = "{deadline}"' if line.startswith("deadline =") else line for line in text.splitlines()]
    more = f'[model.tide.retrain]\nwindow = ["since break"]\nrollout = "{rollout}"'
    file.write_text("\n".join([*lines, more]) + "\n")


def broken(shop: Any, *, rollout: str) -> Retraining:
    """Retrained a while after the break, with a deadline too short for any plan."""
    configured(shop, deadline="2d", rollout=rollout)
    live(shop, FIRST, 15)
    live(shop, BROKE, 40)
    workspace = shop.open()
    done: Retraining = workspace.retrain(TIDE, by="the tests")
    workspace.close()
    return done


def in_time_after(shop: Any, version: str, *, days: int, rollout: str) -> None:
    """A deadline that the plan misses now by so many days, each of which replay will score."""
    workspace = shop.open()
    whole = workspace.plan(version).days
    workspace.close()
    assert whole is not None
    assert whole > days + 2
    configured(shop, deadline=f"{math.ceil(whole) - days}d", rollout=rollout)


def turned(shop: Any) -> list[Rollout]:
    """What the loop's trainer makes of it; the rollouts after that."""
    workspace = shop.open()
    trainer = Trainer(workspace)
    try:
        trainer.turn()
        return workspace.wiring.records.all(Rollout, TIDE)
    finally:
        trainer.close()
        workspace.close()


def tickets(shop: Any) -> list[tuple[str, str]]:
    """Open alarms about retraining: how grave, and the next command."""
    lives = [life for life in shop.open().wiring.records.all(AlarmLife, TIDE) if life.cause == "retraining"]
    return [(life.severity, life.next) for life in lives if life.is_open]


def test_a_refused_plan_says_so_and_holds_no_later_retraining_up(workshop: Any):
    done = broken(workshop, rollout="ask")
    workspace = workshop.open()
    short = workspace.version(done.version).short
    assert "passed its gate" in done.sentence
    assert "asked again every day" in done.sentence
    assert tickets(workshop) == [("ticket", f"lockgate plan {short}")]
    assert workspace.why(done.id).next == f"lockgate plan {short.rpartition('-')[2]}"
    held = retrainings.due(workspace.wiring, TIDE, event_s=workspace.event_s(TIDE)).held
    assert not any("waits for its rollout" in why for why in held), held
    assert any("cooldown" in why for why in held), held
    later_s = workspace.event_s(TIDE) + 8 * 86_400
    found = retrainings.due(workspace.wiring, TIDE, event_s=later_s)
    assert found.causes == ("degradation",)
    assert not any("waits" in why or "cooldown" in why for why in found.held)


@pytest.mark.slow
def test_it_starts_by_itself_once_enough_days_have_come(workshop: Any):
    done = broken(workshop, rollout="auto")
    in_time_after(workshop, done.version, days=4, rollout="auto")
    assert turned(workshop) == [], "not before a day has passed"
    live(workshop, 95, 2)
    assert turned(workshop) == [], "two days are not enough"
    asked = workshop.open().wiring.records.get(Retraining, done.id)
    assert asked.again_s > done.again_s
    live(workshop, 97, 3)
    (rollout,) = turned(workshop)
    assert rollout.challenger == done.version
    assert rollout.plan.is_sound
    workspace = workshop.open()
    ended = workspace.wiring.records.get(Retraining, done.id)
    assert ended.again_s is None
    assert f"Its rollout {rollout.id} has started by itself" in ended.sentence
    told = [alarm for alarm in workspace.wiring.records.all(Alarm, TIDE) if alarm.cause == "retraining"]
    assert told[-1].severity == "note"
    assert not any(severity == "ticket" for severity, _ in tickets(workshop)), "nobody is needed any more"
    assert len(turned(workshop)) == 1, "once"


@pytest.mark.slow
def test_a_person_who_wants_to_be_asked_is_told_when_it_may_start(workshop: Any):
    done = broken(workshop, rollout="ask")
    in_time_after(workshop, done.version, days=4, rollout="ask")
    live(workshop, 95, 5)
    assert turned(workshop) == []
    workspace = workshop.open()
    short = workspace.version(done.version).short
    assert tickets(workshop) == [("ticket", f"lockgate rollout start {short}")]
    held = retrainings.due(workspace.wiring, TIDE, event_s=workspace.event_s(TIDE)).held
    assert any("waits for its rollout" in why for why in held), held
    workspace.rollout(done.version, by="the tests")
    assert starting.refused(workspace.wiring, TIDE) == []
