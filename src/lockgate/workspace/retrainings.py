"""Retrainings as records: what is known of a model, what is due, and how one begins, goes on after a crash, and ends."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence

import msgspec

from lockgate.decide import retraining
from lockgate.decide.retraining import ATTEMPTS, Due, Facts
from lockgate.errors import NotFound
from lockgate.monitor import alarms
from lockgate.records import (
    Alarm,
    AlarmLife,
    Block,
    Dataset,
    ModelSpec,
    Retraining,
    RetrainingState,
    Rollout,
    Routing,
    Ruling,
    Verdict,
    Version,
)
from lockgate.records.alarm import Severity
from lockgate.records.duration import seconds
from lockgate.workspace import claim
from lockgate.workspace.wire import Wiring

REFUSED_PLAN = "plan"


def champion(wiring: Wiring, model: str) -> Version:
    """Raises NotFound where the model has none."""
    routing = wiring.records.get(Routing, model)
    found = None if routing is None else wiring.records.get(Version, routing.champion)
    if found is None:
        raise NotFound(f"{model} has no champion to retrain.", cure=f"Train and gate a version: lockgate train {model}")
    return found


def facts(wiring: Wiring, model: str, spec: ModelSpec, *, event_s: float) -> Facts:
    """What `retrain.when` is asked of. Raises NotFound without a champion."""
    own, records = champion(wiring, model), wiring.records
    cut_off_s = own.lineage.trained_until_s if own.lineage.trained_until_s is not None else own.made_s
    everybodys = records.all(Retraining)
    past = [one for one in everybodys if one.model == model]
    last = next((one for one in reversed(past) if not one.is_under_way), None)
    horizon_s = seconds(spec.outcomes.horizon)
    blocks = [b for b in records.all(Block, model) if b.end_s > cut_off_s]
    since = blocks if last is None else [b for b in blocks if b.end_s + horizon_s > last.started_s]
    running = next((r for r in records.all(Rollout, model) if r.is_running), None)
    return Facts(
        event_s=event_s,
        cut_off_s=cut_off_s,
        outcomes=sum(b.labelled for b in blocks),
        outcomes_since=sum(b.labelled for b in since),
        has_data=_has_data(records.all(Dataset, model), own, last),
        degraded=_degraded(records.all(Verdict, model), own),
        past=past,
        elsewhere=sum(one.is_under_way and one.model != model for one in everybodys),
        rollout=None if running is None else running.id,
        waiting=_waiting(wiring, own, last),
    )


def due(wiring: Wiring, model: str, *, event_s: float, pushed: str | None = None) -> Due:
    spec = wiring.spec.model[model]
    found = facts(wiring, model, spec, event_s=event_s)
    return retraining.due(spec.retrain, found, at_once=wiring.spec.retrain.at_once, pushed=pushed)


def ask(wiring: Wiring, model: str, found: Due, *, by: str, event_s: float) -> Retraining:
    """Written down before anything is done, so that whoever dies leaves it to be done."""
    made = Retraining(
        id=f"t{secrets.token_hex(4)}",
        model=model,
        causes=found.causes,
        verdict=found.verdict,
        state=RetrainingState.ASKED,
        by=by,
        started_s=event_s,
        written_s=wiring.clock(),
        sentence=found.sentence,
    )
    wiring.records.write(made)
    return made


def holder(one: Retraining) -> str:
    return f"{one.id}/{os.getpid()}"


def end(
    wiring: Wiring, one: Retraining, state: RetrainingState, sentence: str, *, event_s: float, following: str
) -> Retraining:
    """Its last state, and an alarm where a person is needed; both or neither."""
    done = msgspec.structs.replace(one, state=state, ended_s=event_s, sentence=sentence)
    about = state.value if done.again_s is None else REFUSED_PLAN
    _tell(
        wiring,
        done,
        f"a{one.id[1:]}",
        about,
        event_s=event_s,
        following=following,
        past="The model was retrained since.",
    )
    return done


def told_again(wiring: Wiring, one: Retraining, sentence: str, *, event_s: float, following: str) -> Retraining:
    """Of one that ended with a refused plan: its rollout has started, or may be."""
    done = msgspec.structs.replace(one, sentence=sentence, again_s=None)
    _tell(
        wiring,
        done,
        f"a{secrets.token_hex(4)}",
        done.state.value,
        event_s=event_s,
        following=following,
        past="Its plan is in time.",
    )
    return done


def _tell(
    wiring: Wiring, done: Retraining, name: str, about: str, *, event_s: float, following: str, past: str
) -> None:
    """The record with its alarm, a ticket where a person is needed; then alarms about another end of it are over."""
    severity: Severity = "note" if following == "" else "ticket"
    told = Alarm(
        id=name,
        model=done.model,
        cause="retraining",
        severity=severity,
        sentence=done.sentence,
        next=following or f"lockgate why {done.id}",
        verdict=None,
        at_s=event_s,
        written_s=wiring.clock(),
        about=about,
        version=done.version,
    )
    alarms.tell(wiring.records, done, alarms=[told])

    def is_past(life: AlarmLife) -> str | None:
        return past if life.cause == "retraining" and life.about != about else None

    alarms.end(wiring.records, done.model, is_past, at_s=event_s, now_s=told.written_s)


def take_up(wiring: Wiring, *, event_s: dict[str, float]) -> list[Retraining]:
    """What a dead process left: asked for once more, or cut off where it died twice, or a person had begun it and sees that
    it died. Returns those asked for once more.
    """
    again: list[Retraining] = []
    for one in claim.dead(wiring):
        is_by_hand = retraining.BY_HAND in one.causes
        if one.attempt < ATTEMPTS and not is_by_hand and one.model in wiring.spec.model:
            sentence = f"Its process died; begun once more. {one.sentence}"
            again.append(
                msgspec.structs.replace(one, state=RetrainingState.ASKED, attempt=one.attempt + 1, sentence=sentence)
            )
            wiring.records.write(again[-1])
            continue
        times = "" if one.attempt == 1 else f" {one.attempt} times"
        end(
            wiring,
            one,
            RetrainingState.CUT_OFF,
            f"The retraining {one.id} of {one.model} was cut off: its process died{times}.",
            event_s=event_s.get(one.model, one.started_s),
            following=f"lockgate retrain {one.model}",
        )
    return again


def _degraded(verdicts: Sequence[Verdict], own: Version) -> Verdict | None:
    told = (v for v in reversed(verdicts) if v.gate.name == "degradation" and v.subject[:1] == (own.id,))
    return next((v for v in told if v.ruling is Ruling.FAIL), None)


def _has_data(datasets: Sequence[Dataset], own: Version, last: Retraining | None) -> bool:
    """Whether somebody brought rows since the last training."""
    trained = last.dataset if last is not None and last.dataset is not None else own.lineage.dataset
    return bool(datasets) and datasets[-1].ref != trained


def _waiting(wiring: Wiring, own: Version, last: Retraining | None) -> str | None:
    """A retrained version that passed its gate, that no rollout has tried, and that nobody passed over."""
    if last is None or last.state is not RetrainingState.MADE or last.version in (None, own.id):
        return None
    if last.again_s is not None:  # its plan is refused so far: it holds nothing up
        return None
    made = wiring.records.get(Version, str(last.version))
    tried = {version for rollout in wiring.records.all(Rollout, own.model) for version in rollout.challengers}
    if made is None or made.id in tried or own.made_s > made.made_s:
        return None
    return made.short
