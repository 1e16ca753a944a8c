"""`lockgate retrain --dry-run`: why now or why not, on what, and what waiting and training would cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lockgate.decide import recipe, retraining
from lockgate.decide.retraining import BY_HAND, Window
from lockgate.records import ModelSpec, Record, Retraining, Rollout, RolloutState, Version, WindowTried
from lockgate.records.duration import UNITS_S, seconds
from lockgate.train.trial import Trials
from lockgate.workspace import making, retrainings, trying
from lockgate.workspace.wire import Wiring

if TYPE_CHECKING:
    from lockgate.workspace.workspace import Workspace

DAY_S = UNITS_S["d"]
RECENT = 28  # days that say what a day costs now


class Cost(Record, frozen=True, kw_only=True):
    """amount: None where nobody can know. how: in what, and how it was reckoned."""

    amount: float | None
    how: str


class RetrainingPlan(Record, frozen=True, kw_only=True):
    """What a retraining would be now. outcomes: matured since the champion's training ended. windows: as they would be tried,
    on the newest dataset, before the log's rows are taken in; trainings: fits of the recipe in all. training: CPU seconds;
    waiting: of the metric, summed over calls, until a version could be proved.
    """

    model: str
    is_due: bool
    causes: tuple[str, ...]
    held: tuple[str, ...]
    sentence: str
    dataset: str
    rows: int
    outcomes: int
    windows: tuple[WindowTried, ...]
    trainings: int
    training: Cost
    waiting: Cost
    next: str


def plan(workspace: Workspace, model: str, *, window: str | None) -> RetrainingPlan:
    """Nothing is trained and nothing written. Raises NotFound without a champion or a dataset."""
    wiring, spec, event_s = workspace.wiring, workspace.model(model), workspace.event_s(model)
    own = retrainings.champion(wiring, model)
    known = retrainings.facts(wiring, model, spec, event_s=event_s)
    found = retraining.due(spec.retrain, known, at_once=wiring.spec.retrain.at_once)
    asked = retraining.windows([window] if window else spec.retrain.window)
    windows, trainings = _tried(workspace, spec, own, asked, is_degraded=known.degraded is not None)
    dataset = making.newest(wiring, model)
    by_hand = retraining.due(spec.retrain, known, at_once=wiring.spec.retrain.at_once, pushed=BY_HAND)
    return RetrainingPlan(
        model=model,
        is_due=found.is_due,
        causes=found.causes,
        held=found.held or by_hand.held,
        sentence=found.sentence,
        dataset=str(dataset.ref),
        rows=dataset.rows,
        outcomes=known.outcomes,
        windows=windows,
        trainings=trainings,
        training=_training(known.past, own, trainings),
        waiting=_waiting(wiring, spec, own),
        next=f"lockgate retrain {model}" + (" --now" if by_hand.held else ""),
    )


def _tried(
    workspace: Workspace, spec: ModelSpec, own: Version, windows: tuple[Window, ...], *, is_degraded: bool
) -> tuple[tuple[WindowTried, ...], int]:
    """The windows with their rows, none of them trained; and how many fits it would take in all."""
    wiring = workspace.wiring
    if spec.retrain.run is not None:
        return (), 1
    event_s = workspace.event_s(own.model)
    question = trying.recipe_of(wiring, spec, own)
    at = trying.place(question, event_s)
    if at is None:
        return (), 1
    trials = Trials(question, lambda _: None)
    break_s = trying.break_of(wiring, own, is_degraded=is_degraded)
    tried = trying.candidates(trials, at, windows, break_s)
    compared = sum(not one.left_out for one in tried)
    until_s = own.lineage.trained_until_s
    age_s = 0.0 if until_s is None else event_s - until_s
    past = recipe.replay(began_s=trials.began_s, until_s=at.tried_s, age_s=age_s)
    return tuple(tried), 1 + (compared if compared > 1 else 0) + (0 if past is None else len(past.cuts) + 1)


def _training(past: Sequence[Retraining], own: Version, trainings: int) -> Cost:
    last = next((one for one in reversed(past) if one.cpu_s is not None and one.version is not None), None)
    if last is not None and last.cpu_s is not None:
        return Cost(amount=last.cpu_s, how=f"CPU seconds, as {last.id} took for all of it")
    if own.cpu_s is not None:
        how = f"CPU seconds: {trainings} fits of the {own.cpu_s:.1f} s that {own.short} took, without baselines and checks"
        return Cost(amount=own.cpu_s * trainings, how=how)
    return Cost(amount=None, how="nobody has measured a training of this model yet")


def _waiting(wiring: Wiring, spec: ModelSpec, own: Version) -> Cost:
    """What the champion's lost skill costs a day, times the days until another version could be proved."""
    skill = own.metrics.get("skill")
    recent = trying.days_of(wiring, own)[-RECENT:]
    if skill is None or not recent:
        return Cost(amount=None, how="no day of the champion has matured yet")
    scored = sum(b.scored for b in recent)
    excess = sum(b.loss - (1 - skill) * b.base_loss for b in recent) / scored
    calls = sum(b.calls for b in recent) / len(recent)
    if excess <= 0:
        return Cost(amount=0.0, how=f"the champion loses nothing against its own skill of {skill:.3f}")
    length, of = _days_to_prove(wiring, spec, own)
    how = (
        f"{spec.judged_by} summed over calls: {excess:.4f} a call above its skill of {skill:.3f} over the last {len(recent)} "
        f"days, {calls:,.0f} calls a day, {length:,.0f} days until proved ({of})"
    )
    return Cost(amount=excess * calls * length, how=how)


def _days_to_prove(wiring: Wiring, spec: ModelSpec, own: Version) -> tuple[float, str]:
    promoted = [r for r in wiring.records.all(Rollout, own.model) if r.state is RolloutState.PROMOTED]
    ended = [r for r in promoted if r.ended_s is not None]
    if ended and ended[-1].ended_s is not None:
        return max(1.0, (ended[-1].ended_s - ended[-1].started_s) / DAY_S), f"as {ended[-1].id} took"
    return seconds(spec.rollout.deadline) / DAY_S, "the deadline of a rollout, at most"
