"""When a model is to be trained again: facts in, what is due and why out, or what stands in the way. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Literal, NamedTuple

from lockgate.errors import ConfigError, SpecError
from lockgate.records import Retraining, RetrainingState, RetrainSpec, Verdict
from lockgate.records.duration import UNITS_S, seconds

Kind = Literal["degradation", "age", "outcomes", "every", "push"]
KNOWN = ("degradation", "age > 45d", "outcomes > 20000", "every 30d", "push")
WINDOWS = ("all", "recent 90d", "since break")
BY_HAND = "by hand"
PUSH = "push"
ATTEMPTS = 2
_COUNT = re.compile(r"[1-9][\d_]*")


class Trigger(NamedTuple):
    """One word of `retrain.when`. amount: seconds of event time, or outcomes; 0 where the kind has none."""

    word: str
    kind: Kind
    amount: float = 0.0


class Window(NamedTuple):
    """One word of `retrain.window`. recent_s: the length of a "recent" one."""

    word: str
    kind: Literal["all", "recent", "break"]
    recent_s: float = 0.0


class Facts(NamedTuple):
    """What is known of one model. Times are event time. cut_off_s: up to when the champion was trained; outcomes: matured
    of the calls since then, outcomes_since: since the last retraining began, or the cut-off where there was none; has_data:
    whether rows were brought by hand since. degraded: the champion's verdict. elsewhere: how many retrainings of other
    models are under way. rollout: the running one. waiting: the short name of a retrained version that no rollout has tried.
    """

    event_s: float
    cut_off_s: float
    outcomes: int
    outcomes_since: int
    has_data: bool
    degraded: Verdict | None
    past: Sequence[Retraining]
    elsewhere: int = 0
    rollout: str | None = None
    waiting: str | None = None

    @property
    def last(self) -> Retraining | None:
        """The newest that has come to its end."""
        return next((one for one in reversed(self.past) if not one.is_under_way), None)

    @property
    def running(self) -> Retraining | None:
        return next((one for one in self.past if one.is_under_way), None)


class Due(NamedTuple):
    """causes: the words that ask for a retraining; held: what stands in the way, the gravest first; verdict: the
    degradation's. sentence: both, for a person.
    """

    causes: tuple[str, ...]
    held: tuple[str, ...]
    verdict: str | None
    sentence: str

    @property
    def is_due(self) -> bool:
        return bool(self.causes) and not self.held


def triggers(spec: RetrainSpec) -> tuple[Trigger, ...]:
    """`retrain.when`, read. Raises SpecError for a word that is none, with the nearest that is."""
    return tuple(_trigger(word) for word in spec.when)


def windows(words: Iterable[str]) -> tuple[Window, ...]:
    """`retrain.window`, read; the first is the default. Raises SpecError for no word, one that is none, or one twice."""
    found = tuple(_window(word) for word in words)
    if not found:
        raise SpecError("retrain.window names no window.", cure='Write window = ["all"].')
    if len({window.word for window in found}) < len(found):
        raise SpecError(f"retrain.window names a window twice: {', '.join(w.word for w in found)}.")
    return found


def due(spec: RetrainSpec, facts: Facts, *, at_once: int, pushed: str | None = None) -> Due:
    """Whether the model is to be trained again now. pushed: the word of whoever asks himself, beside `retrain.when`."""
    reasons = [(pushed, f"asked for {pushed}")] if pushed else []
    reasons += [
        (trigger.word, why) for trigger in triggers(spec) if (why := _asks(trigger, facts)) and trigger.word != pushed
    ]
    causes = tuple(word for word, _ in reasons)
    held = tuple(_held(spec, facts, at_once))
    verdict = facts.degraded.id if facts.degraded is not None and "degradation" in causes else None
    return Due(causes, held, verdict, _sentence(spec, [why for _, why in reasons], held))


def _trigger(word: str) -> Trigger:
    kind, _, rest = word.strip().partition(" ")
    amount = rest.removeprefix(">").strip()
    if word in ("degradation", "push"):
        return Trigger(word, "degradation" if word == "degradation" else "push")
    if kind == "age" and rest.startswith(">"):
        return Trigger(word, "age", _length(word, amount))
    if kind == "every" and not rest.startswith(">"):
        return Trigger(word, "every", _length(word, amount))
    if kind == "outcomes" and rest.startswith(">") and _COUNT.fullmatch(amount):
        return Trigger(word, "outcomes", float(int(amount)))
    raise SpecError(f"retrain.when names {word!r}.", cure=_nearest(word, KNOWN))


def _window(word: str) -> Window:
    if word == "all":
        return Window(word, "all")
    if word == "since break":
        return Window(word, "break")
    if word.startswith("recent "):
        return Window(word, "recent", _length(word, word.removeprefix("recent ").strip()))
    raise SpecError(f"retrain.window names {word!r}.", cure=_nearest(word, WINDOWS))


def _length(word: str, text: str) -> float:
    try:
        return seconds(text)
    except ConfigError as error:
        raise SpecError(f"{word!r}: {error.message}", cure=error.cure) from error


def _nearest(word: str, known: Sequence[str]) -> str:
    """By the whole word, else by how it begins: `ages > 30d` means an age."""
    first = {name.partition(" ")[0]: name for name in known}
    near = get_close_matches(word, known, n=1) or [
        first[name] for name in get_close_matches(word.partition(" ")[0], first, n=1)
    ]
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return f"{hint}Known are {', '.join(map(repr, known))}; numbers are yours."


def _asks(trigger: Trigger, facts: Facts) -> str | None:
    """Why this one asks for a retraining now; None where it does not."""
    age_s = facts.event_s - facts.cut_off_s
    if trigger.kind == "degradation" and facts.degraded is not None:
        return f"the champion has degraded ({facts.degraded.id})"
    if trigger.kind == "age" and age_s > trigger.amount:
        return f"the champion's training ended {_days(age_s)} ago ({trigger.word})"
    if trigger.kind == "outcomes" and facts.outcomes > trigger.amount:
        return f"{facts.outcomes:,} outcomes have matured since its training ended ({trigger.word})"
    if trigger.kind == "every":
        last_s = max(facts.cut_off_s, facts.past[-1].started_s if facts.past else facts.cut_off_s)
        if facts.event_s - last_s >= trigger.amount:
            return f"{_days(facts.event_s - last_s)} have passed since the last training ({trigger.word})"
    return None


def _held(spec: RetrainSpec, facts: Facts, at_once: int) -> Iterable[str]:
    if facts.running is not None:
        yield f"the retraining {facts.running.id} is under way"
    elif facts.elsewhere >= at_once:
        yield f"{facts.elsewhere} of {at_once} at a time are under way, of other models"
    if facts.rollout is not None:
        yield f"the rollout {facts.rollout} is under way"
    if facts.waiting is not None:
        yield f"{facts.waiting} was retrained and waits for its rollout: lockgate rollout start {facts.waiting}"
    last = facts.last
    if last is not None and last.ended_s is not None and last.state is not RetrainingState.CUT_OFF:
        left_s = last.ended_s + seconds(spec.cooldown) - facts.event_s
        if left_s > 0:
            yield f"the cooldown of {spec.cooldown} after {last.id} lasts {_days(left_s)} more"
    if not facts.outcomes_since and not facts.has_data:
        yield f"no outcome has matured since {'its training ended' if last is None else f'{last.id} began'}"


def _sentence(spec: RetrainSpec, reasons: Sequence[str], held: Sequence[str]) -> str:
    if not reasons:
        asked = ", ".join(spec.when) or "nothing"
        return f"Nothing asks for a retraining (retrain.when: {asked})."
    why = "; ".join(reasons)
    if held:
        return f"A retraining is asked for, and held: {'; '.join(held)}. It is asked for because {why}."
    return f"A retraining is due: {why}."


def _days(length_s: float) -> str:
    days = length_s / UNITS_S["d"]
    return f"{days:,.1f} d" if days < 10 else f"{days:,.0f} d"
