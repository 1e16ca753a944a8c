"""The guardrails over the log: handed out in stretches, calls decide what they decide together."""

from __future__ import annotations

import random

import pytest

from lockgate.decide import ladder
from lockgate.monitor import fold as folding
from lockgate.monitor import harm
from lockgate.monitor.fold import DAY_S, Fold
from lockgate.monitor.harm import HarmWatch
from lockgate.records import Prediction, Rollout, RolloutSpec, RolloutState, Shadow, encode
from lockgate.records.prediction import LogEntry


def rollout() -> Rollout:
    spec = RolloutSpec(guardrails=("failures", "latency_ms", "contract_breaks"))
    steps = ladder.steps(spec)
    return Rollout(
        id="r1",
        model="m",
        champion="old",
        challenger="new",
        spec=spec,
        steps=steps,
        at=next(place for place, step in enumerate(steps) if step.kind != "replay" and step.share > 0),
        state=RolloutState.RUNNING,
        started_s=0.0,
        stepped_s=0.0,
        deadline_s=60 * DAY_S,
        not_worse_by=0.002,
    )


def entries(share: float) -> list[LogEntry]:
    """A challenger that fails in a third of its calls, each call with its shadow, many in the same instant."""
    chance = random.Random(5)
    found: list[LogEntry] = []
    for number in range(4_000):
        is_new = chance.random() < share
        asked = Prediction(
            id=f"p{number:04d}",
            model="m",
            unit=f"u{number}",
            asked_s=float(number // 3),
            answered_s=float(number // 3),
            arm="challenger" if is_new else "champion",
            version="new" if is_new else "old",
            served_by="old",
            value=0.5,
            latency_ms=5.0 + chance.random(),
            share=share,
            rollout="r1",
            failure="raised" if is_new and chance.random() < 0.33 else None,
        )
        found.append(asked)
        other = "old" if is_new else "new"
        found.append(
            Shadow(
                id=asked.id, model="m", version=other, rollout="r1", asked_s=asked.asked_s, value=0.4, latency_ms=1.0
            )
        )
    chance.shuffle(found)
    return found


@pytest.mark.parametrize("at_once", [1, 7, 500])
def test_what_is_judged_in_stretches_is_what_is_judged_at_once(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    plan = rollout()
    told = entries(plan.step.share)
    seen: list[tuple[list[tuple[str, bytes]], bytes]] = []
    for most in (100_000, at_once):
        monkeypatch.setattr(folding, "AT_ONCE", most)
        monkeypatch.setattr(harm, "AT_ONCE", most)
        fold, watch = Fold("m", horizon_s=DAY_S), HarmWatch(plan, None)
        fold.feed(told)
        found = watch.look(plan, fold)
        seen.append((sorted((item.gate.name, encode(item.evidence)) for item in found), encode(watch.state())))
    assert seen[0] == seen[1]
    assert "guardrail failures" in dict(seen[0][0]), "something was decided"
