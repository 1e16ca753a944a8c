"""`lockgate retrain`: rows from the log, the window chosen by evidence, the recipe trained on it, gated, and replayed.

Every later step may start from the records of the one before; whoever dies in between is found by its lease, and the
whole is begun once more (`retrainings.take_up`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from lockgate.decide import retraining
from lockgate.decide.judgement import Judgement
from lockgate.decide.retraining import BY_HAND, PUSH, Window
from lockgate.errors import Conflict, LockgateError, NotFound, SpecError
from lockgate.monitor.verdicts import verdict
from lockgate.records import ModelSpec, Retraining, RetrainingState, Ruling, Version
from lockgate.train.question import Question
from lockgate.train.trial import Trials
from lockgate.workspace import claim, logged_rows, making, own_training, retrainings, starting, trying
from lockgate.workspace.trying import Place, WindowChoice
from lockgate.workspace.wire import Wiring

if TYPE_CHECKING:
    from lockgate.workspace.workspace import Workspace

Progress = Callable[[str], None]


class Asked(NamedTuple):
    """How a retraining is asked for. window: instead of those of lockgate.toml; now: also where something holds it back;
    begun: the id of one that is written down already.
    """

    window: str | None = None
    now: bool = False
    begun: str | None = None
    by: str = "lockgate"


class _Made(NamedTuple):
    """What came of it. windows, why: of the choice; said: what else a person should know."""

    version: Version
    window: str | None
    choice: WindowChoice | None
    judged: tuple[Judgement, ...]
    said: tuple[str, ...]


def retrain(workspace: Workspace, model: str, asked: Asked, progress: Progress) -> Retraining:
    """The retraining in its last state. Raises Conflict where one is under way, or something else holds it back and `now`
    does not pass over that; what goes wrong once it has begun is its state and sentence.
    """
    wiring, spec = workspace.wiring, workspace.model(model)
    event_s = workspace.event_s(model)
    if asked.window is not None:
        retraining.windows([asked.window])
    one = _begun(wiring, model, asked) or _by_hand(wiring, model, asked, event_s)
    with claim.claimed(wiring, model, retrainings.holder(one)):
        one = msgspec.structs.replace(one, state=RetrainingState.RUNNING, started_s=event_s)
        wiring.records.write(one)
        began_s = _cpu_s()
        try:
            one, made = _trained(workspace, spec, one, asked, progress)
            return _ended(workspace, one, made, event_s, began_s)
        except LockgateError as error:
            return _failed(wiring, one.id, str(error), event_s, began_s)
        except KeyboardInterrupt:
            _failed(wiring, one.id, "it was interrupted.", event_s, began_s)
            raise
        except Exception as error:  # noqa: BLE001 - the user's own code: what it raises is told, and the next may go well
            return _failed(wiring, one.id, f"it raised {error!r}.", event_s, began_s)


def push(workspace: Workspace, model: str, *, by: str) -> Retraining:
    """Asked for from outside: written down for the loop to begin."""
    spec, wiring, event_s = workspace.model(model), workspace.wiring, workspace.event_s(model)
    if not any(trigger.kind == "push" for trigger in retraining.triggers(spec.retrain)):
        raise SpecError(
            f"{model} is not retrained on a push.", cure=f'Allow it: [model.{model}.retrain] when = [..., "push"]'
        )
    found = retrainings.due(wiring, model, event_s=event_s, pushed=PUSH)
    if found.held:
        raise Conflict(f"{model} is not retrained: {'; '.join(found.held)}.")
    return retrainings.ask(wiring, model, found, by=by, event_s=event_s)


def _begun(wiring: Wiring, model: str, asked: Asked) -> Retraining | None:
    if asked.begun is None:
        return None
    found = wiring.records.get(Retraining, asked.begun)
    if found is None or found.model != model:
        raise NotFound(f"There is no retraining {asked.begun!r} of {model}.")
    if found.state is not RetrainingState.ASKED:
        raise Conflict(f"The retraining {found.id} is {found.state} already.")
    return found


def _by_hand(wiring: Wiring, model: str, asked: Asked, event_s: float) -> Retraining:
    """Whoever asks himself is held back as the loop is, unless he says `now`; nobody passes over one under way."""
    spec = wiring.spec.model[model]
    known = retrainings.facts(wiring, model, spec, event_s=event_s)
    found = retraining.due(spec.retrain, known, at_once=wiring.spec.retrain.at_once, pushed=BY_HAND)
    if known.running is not None:
        raise Conflict(f"The retraining {known.running.id} of {model} is under way.", cure="See: lockgate status")
    if found.held and not asked.now:
        raise Conflict(
            f"{model} is not retrained: {'; '.join(found.held)}.", cure=f"All the same: lockgate retrain {model} --now"
        )
    return retrainings.ask(wiring, model, found, by=asked.by, event_s=event_s)


def _trained(
    workspace: Workspace, spec: ModelSpec, one: Retraining, asked: Asked, progress: Progress
) -> tuple[Retraining, _Made]:
    wiring, model = workspace.wiring, one.model
    progress("taking the log's calls whose outcomes have come into a dataset")
    taken = logged_rows.take(wiring, model, spec, event_s=workspace.event_s(model))
    one = msgspec.structs.replace(one, dataset=taken.dataset.ref, rows=taken.rows)
    wiring.records.write(one)
    progress(f"{taken.dataset.ref}: {taken.dataset.rows:,} rows, {taken.rows:,} of them new")
    if spec.retrain.run is not None:
        version = own_training.run(workspace, model, spec, taken.dataset, progress)
        said = "the command of retrain.run chose its rows, so no windows were compared and no recipe was replayed"
        return one, _Made(version, None, None, (), (said,))
    recipe = _Recipe(workspace, spec, one, progress)
    made = recipe.made(retraining.windows([asked.window] if asked.window else spec.retrain.window))
    return one, made


class _Recipe:
    """The champion's own recipe: tried, trained, replayed."""

    def __init__(self, workspace: Workspace, spec: ModelSpec, one: Retraining, progress: Progress) -> None:
        self._workspace, self._spec, self._one, self._progress = workspace, spec, one, progress
        self._champion = retrainings.champion(workspace.wiring, one.model)
        self._event_s = workspace.event_s(one.model)
        is_degraded = "degradation" in one.causes
        self._break_s = trying.break_of(workspace.wiring, self._champion, is_degraded=is_degraded)

    def made(self, windows: Sequence[Window]) -> _Made:
        whole = self._question(None)
        at = trying.place(whole, self._event_s)
        trials = None if at is None else Trials(whole, self._progress)
        chosen = trying.compare(trials, at, windows, break_s=self._break_s, alpha=self._spec.gate.alpha)
        self._progress(chosen.judgement.sentence if chosen.judgement else chosen.why)
        version = making.trained(self._workspace.wiring, self._question(chosen.since_s), self._progress)
        judged, said = self._replayed(whole, trials, at, next(w for w in windows if w.word == chosen.name))
        found = tuple(item for item in (chosen.judgement, judged) if item is not None)
        return _Made(version, chosen.name, chosen, found, tuple(s for s in (chosen.why, said) if s))

    def _question(self, since_s: float | None) -> Question:
        return trying.recipe_of(self._workspace.wiring, self._spec, self._champion, since_s=since_s)

    def _replayed(
        self, whole: Question, trials: Trials | None, at: Place | None, window: Window
    ) -> tuple[Judgement | None, str]:
        own = self._champion.lineage.trained_until_s
        return trying.replay_recipe(
            whole,
            trials,
            at,
            window,
            champion_s=self._event_s if own is None else own,
            event_s=self._event_s,
            break_s=self._break_s,
        )


def _ended(workspace: Workspace, one: Retraining, made: _Made, event_s: float, began_s: float) -> Retraining:
    """Gated as any other version, its evidence written beside it; then its rollout, where the config says so."""
    wiring, version = workspace.wiring, made.version
    subject = (version.id, retrainings.champion(wiring, one.model).id)
    own = [
        verdict(item, model=one.model, subject=subject, rollout=None, at_s=event_s, now_s=wiring.clock())
        for item in made.judged
    ]
    wiring.records.write(*own)
    gates = workspace.gate(version)
    one = msgspec.structs.replace(
        one,
        version=version.id,
        window=made.window,
        windows=() if made.choice is None else made.choice.tried,
        verdicts=tuple(v.id for v in (*own, *gates)),
        cpu_s=_cpu_s() - began_s,
    )
    failed = [v for v in gates if v.ruling is Ruling.FAIL]
    because = f"{version.short} was retrained{_on(made)} ({', '.join(one.causes)})"
    said = "".join(f" {sentence[0].upper()}{sentence[1:]}." for sentence in made.said)
    if failed:
        sentence = f"{because} and failed its gate: {failed[0].sentence}{said}"
        following = f"lockgate why {failed[0].id}"
        return retrainings.end(wiring, one, RetrainingState.REFUSED, sentence, event_s=event_s, following=following)
    recipe = next((v for v in own if v.gate.name == "recipe"), None)
    start = starting.ask(workspace, version, recipe, event_s=event_s)
    may = "passed its gate" if start.again_s is not None else "may start its rollout"
    sentence = f"{because} and {may}.{said}" + (f" {start.said}" if start.said else "")
    one = msgspec.structs.replace(one, again_s=start.again_s)
    return retrainings.end(wiring, one, RetrainingState.MADE, sentence, event_s=event_s, following=start.following)


def _failed(wiring: Wiring, name: str, why: str, event_s: float, began_s: float) -> Retraining:
    """What is written down of it by now, ended."""
    one = wiring.records.get(Retraining, name)
    assert one is not None
    one = msgspec.structs.replace(one, cpu_s=_cpu_s() - began_s)
    sentence = f"The retraining {one.id} of {one.model} came to nothing: {why}"
    following = f"lockgate retrain {one.model} --now"
    return retrainings.end(wiring, one, RetrainingState.FAILED, sentence, event_s=event_s, following=following)


def _on(made: _Made) -> str:
    return "" if made.window is None else f" on {made.window!r}"


def _cpu_s() -> float:
    """Of this process and of those it has waited for: a command of the user's own is one."""
    used = os.times()
    return time.process_time() + used.children_user + used.children_system
