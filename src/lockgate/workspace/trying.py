"""What a retraining rests on: windows compared on the last outcomes, and the recipe's replay at past cut-offs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from lockgate.decide import recipe
from lockgate.decide.judgement import Judgement
from lockgate.decide.retraining import Window
from lockgate.decide.windows import Chosen, choose, last_break
from lockgate.errors import LockgateError, SpecError
from lockgate.features.pipeline import Floats
from lockgate.monitor.champion import FEWEST_SCORED
from lockgate.records import Block, ModelSpec, Version, WindowTried
from lockgate.records.duration import UNITS_S
from lockgate.train.question import Question
from lockgate.train.split import held_out_record
from lockgate.train.trial import Stretch, Trials
from lockgate.workspace import datasets as sets
from lockgate.workspace import making
from lockgate.workspace.wire import Wiring

DAY_S = UNITS_S["d"]
LEAST_S = 7 * DAY_S  # that windows are judged on


class Place(NamedTuple):
    """Where the time of a dataset is cut. gate_s: the gate's own rows begin here, and no trial sees them; tried_s: windows
    are trained up to here, and judged on what was asked between the two.
    """

    gate_s: float
    tried_s: float

    @property
    def judged(self) -> Stretch:
        return Stretch(self.tried_s, self.gate_s)


class WindowChoice(NamedTuple):
    """since_s: the first moment that the version is trained on, None for all. judgement: None where nothing was compared,
    and `why` says why.
    """

    name: str
    since_s: float | None
    tried: tuple[WindowTried, ...]
    judgement: Judgement | None
    why: str = ""


def place(question: Question, event_s: float) -> Place | None:
    """None where rows are not held out by time. The stretch that windows are judged on is as long as the gate's."""
    from lockgate.features.contract import to_columns

    contract = question.contract
    if contract.time is None:
        return None
    record = held_out_record(to_columns(question.table, contract.columns), contract, question.spec)
    if record.from_s is None:
        return None
    until_s = question.dataset.until_s if question.dataset.until_s is not None else event_s
    length_s = max(LEAST_S, math.ceil((until_s - record.from_s) / DAY_S) * DAY_S)
    return Place(record.from_s, record.from_s - length_s)


def compare(
    trials: Trials | None, at: Place | None, windows: Sequence[Window], *, break_s: float | None, alpha: float
) -> WindowChoice:
    """The window to train on. The first is the default, and stays unless another is shown to be better."""
    default = windows[0]
    if at is None or trials is None:
        if default.kind != "all":
            raise SpecError(
                f"{default.word!r} is a stretch of time, and rows are not held out by time here.",
                cure='Write window = ["all"].',
            )
        return WindowChoice(
            default.word, None, (), None, "rows are not held out by time, so there is no window to choose"
        )
    tried = candidates(trials, at, windows, break_s)
    left = [one for one in tried if not one.left_out]
    by_word = {window.word: window for window in windows}
    if not left or left[0].name != default.word:
        raise SpecError(f"{default.word!r} cannot be trained on: {tried[0].left_out}.", cure="Name another window.")
    if len(left) < 2:
        why = "there is nothing to choose from: " + "; ".join(f"{one.name!r} {one.left_out}" for one in tried[1:])
        since_s = _since(default, at.gate_s, break_s)
        return WindowChoice(default.word, since_s, tuple(tried), None, why if tried[1:] else "the window was named")
    chosen, losses = _judge(trials, at, left, alpha)
    done = [one if one.left_out else _with(one, chosen, losses) for one in tried]
    since_s = _since(by_word[chosen.name], at.gate_s, break_s)
    return WindowChoice(chosen.name, since_s, tuple(done), chosen.judgement)


def replay_recipe(
    question: Question,
    trials: Trials | None,
    at: Place | None,
    window: Window,
    *,
    champion_s: float,
    event_s: float,
    break_s: float | None,
) -> tuple[Judgement | None, str]:
    """The recipe's evidence at past cut-offs, before all that chose the window; else why there is none."""
    if at is None or trials is None:
        return None, "rows are not held out by time, so the recipe cannot be replayed"
    found = recipe.replay(began_s=trials.began_s, until_s=at.tried_s, age_s=event_s - champion_s)
    if found is None:
        return None, "the history is too short to replay the recipe at past cut-offs"
    differences: list[Floats] = []
    try:
        for cut_s in found.cuts:
            over = Stretch(cut_s, cut_s + found.age_s)
            fresh = trials.losses(cut_s, over, since_s=_since(window, cut_s, break_s))
            older_s = cut_s - found.age_s
            older = trials.losses(older_s, over, since_s=_since(window, older_s, break_s))
            day, counts = trials.days(over)
            differences.append(np.bincount(day, weights=fresh - older) / counts)
    except LockgateError as error:
        return None, f"the recipe could not be replayed: {error.message}"
    spec = question.spec
    judged = recipe.judged(
        spec.rollout,
        found,
        metric=trials.measure.name,
        not_worse_by=spec.gate.not_worse_by,
        differences=np.concatenate(differences),
        window=window.word,
    )
    return judged, ""


def recipe_of(wiring: Wiring, spec: ModelSpec, champion: Version, *, since_s: float | None = None) -> Question:
    """The champion's recipe, asked of the newest dataset; of one that was not trained here, the one of lockgate.toml.

    since_s: rows asked before are left out.
    """
    made, model = champion.lineage, champion.model
    is_adopted = made.train.startswith(making.ADOPTED)
    return making.question(
        wiring,
        spec,
        sets.contract(wiring, model),
        making.newest(wiring, model),
        train=spec.train if is_adopted else made.train,
        features=(spec.features if is_adopted else made.features) or None,
        name=champion.name,
        since_s=since_s,
    )


def days_of(wiring: Wiring, champion: Version) -> list[Block]:
    """The version's own matured days with enough outcomes to say anything, oldest first."""
    own = (block for block in wiring.records.all(Block, champion.model) if block.champion == champion.id)
    return sorted((block for block in own if block.scored >= FEWEST_SCORED), key=lambda block: block.start_s)


def break_of(wiring: Wiring, champion: Version, *, is_degraded: bool) -> float | None:
    """The day on which the champion's skill broke, by its own matured days; None where it is not shown to have."""
    skill, days = champion.metrics.get("skill"), days_of(wiring, champion)
    if skill is None or not days:
        return None
    excess = np.array([(b.loss - (1 - skill) * b.base_loss) / b.scored for b in days])
    at = last_break(excess, is_known=is_degraded)
    return None if at is None else days[at].start_s


def candidates(trials: Trials, at: Place, windows: Sequence[Window], break_s: float | None) -> list[WindowTried]:
    """Each window with its rows, none of them trained on yet; the first may be all there is, the others then add nothing."""
    return [_candidate(trials, at, window, break_s, is_default=window == windows[0]) for window in windows]


def _candidate(trials: Trials, at: Place, window: Window, break_s: float | None, *, is_default: bool) -> WindowTried:
    made = WindowTried(name=window.word, cut_s=at.tried_s, until_s=at.gate_s)
    if window.kind == "break" and (break_s is None or break_s >= at.tried_s):
        why = "finds no break" if break_s is None else "leaves nothing to try it on: the break is too recent"
        return msgspec.structs.replace(made, since_s=break_s, left_out=why)
    since_s = _since(window, at.tried_s, break_s)
    rows = trials.rows(at.tried_s, since_s)
    left_out = trials.refusal(at.tried_s, since_s)
    if not left_out and not is_default and since_s is not None and since_s <= trials.began_s:
        left_out = "is all there is"
    return msgspec.structs.replace(made, since_s=since_s, rows=rows, left_out=left_out)


def _since(window: Window, cut_s: float, break_s: float | None) -> float | None:
    """The first moment of a window that ends at `cut_s`; before the break a window since it is all there was."""
    if window.kind == "recent":
        return cut_s - window.recent_s
    return break_s if window.kind == "break" and break_s is not None and break_s < cut_s else None


def _judge(trials: Trials, at: Place, left: Sequence[WindowTried], alpha: float) -> tuple[Chosen, dict[str, float]]:
    day, counts = trials.days(at.judged)
    losses = {one.name: trials.losses(at.tried_s, at.judged, since_s=one.since_s) for one in left}
    sums = {name: np.bincount(day, weights=values).astype(np.float64) for name, values in losses.items()}
    chosen = choose(sums, counts, default=left[0].name, metric=trials.measure.name, alpha=alpha)
    return chosen, {name: float(values.mean()) for name, values in losses.items()}


def _with(one: WindowTried, chosen: Chosen, losses: dict[str, float]) -> WindowTried:
    made = msgspec.structs.replace(one, loss=losses[one.name])
    found = chosen.compared.get(one.name)
    if found is None:
        return made
    return msgspec.structs.replace(made, estimate=found.mean.mean, low=found.mean.low, high=found.mean.high, p=found.p)
