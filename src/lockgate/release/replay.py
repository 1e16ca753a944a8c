"""Replay: logged calls, scored by a challenger at once, so that weeks of evidence arrive in minutes.

Only calls asked after the challenger's training cut-off count, and only those whose day had closed before the rollout
began: the shadow goes on where the replay ends, one stream of evidence.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from lockgate.decide.reading import read_elsewhere
from lockgate.errors import PredictError
from lockgate.features.columns import Columns, from_tuples
from lockgate.records import Contract, Outcome, Prediction, Rollout, Shadow
from lockgate.records.duration import UNITS_S
from lockgate.records.prediction import LogEntry
from lockgate.runtime.predictor import Answer, Predictor

DAY_S = UNITS_S["d"]


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A day's logged calls with their outcomes, and what both arms say of them, as the log would hold it."""

    day: float
    entries: list[LogEntry]


def replay(
    rollout: Rollout,
    log: Iterable[LogEntry],
    contract: Contract,
    champion: Predictor,
    challenger: Predictor,
    *,
    since_s: float,
    until_s: float,
) -> list[Replayed]:
    """Days in [since_s, until_s), oldest first, both cut to whole days. Calls logged under another contract are left out."""
    calls: dict[float, dict[str, Prediction]] = defaultdict(dict)
    outcomes: dict[str, Outcome] = {}
    width = len(contract.asked)
    first, last = math.ceil(since_s / DAY_S) * DAY_S, math.floor(until_s / DAY_S) * DAY_S
    for entry in log:
        if entry.model != rollout.model:
            continue
        if isinstance(entry, Outcome):
            held = outcomes.get(entry.id)
            outcomes[entry.id] = entry if held is None or entry.received_s >= held.received_s else held
        elif isinstance(entry, Prediction) and first <= entry.asked_s < last and len(entry.inputs) == width:
            calls[math.floor(entry.asked_s / DAY_S) * DAY_S].setdefault(entry.id, entry)
    is_elsewhere = read_elsewhere((call for day in calls.values() for call in day.values()), rollout.champion)
    for day, own in calls.items():
        calls[day] = {name: call for name, call in own.items() if not is_elsewhere(call)}
    return [
        _day(day, list(calls[day].values()), outcomes, rollout, contract, champion, challenger)
        for day in sorted(calls)
        if calls[day]
    ]


def _day(
    day: float,
    calls: list[Prediction],
    outcomes: dict[str, Outcome],
    rollout: Rollout,
    contract: Contract,
    champion: Predictor,
    challenger: Predictor,
) -> Replayed:
    columns = from_tuples(contract.asked, [call.inputs for call in calls])
    entries: list[LogEntry] = [*_as_champion(calls, columns, champion, rollout)]
    entries += _as_shadow(calls, columns, challenger, rollout)
    entries += [outcomes[call.id] for call in calls if call.id in outcomes]
    return Replayed(day=day, entries=entries)


def _as_champion(calls: list[Prediction], columns: Columns, champion: Predictor, rollout: Rollout) -> list[Prediction]:
    """The calls as if the champion had served them in this rollout; calls it cannot score are left out."""
    try:
        values, flags = champion.predict(columns)
    except PredictError:
        return []
    return [
        msgspec.structs.replace(
            call,
            arm="champion",
            version=rollout.champion,
            served_by=rollout.champion,
            value=float(value),
            share=0.0,
            rollout=rollout.id,
            failure=None,
            flags=(*(flag for flag in call.flags if not flag.startswith("input ")), *own),
        )
        for call, value, own in zip(calls, values, flags, strict=True)
    ]


def _as_shadow(calls: list[Prediction], columns: Columns, challenger: Predictor, rollout: Rollout) -> list[Shadow]:
    try:
        answer: Answer | None = challenger.predict(columns)
        failure = None
    except PredictError as error:
        answer, failure = None, error.reason
    return [
        Shadow(
            id=call.id,
            model=call.model,
            version=rollout.challenger,
            rollout=rollout.id,
            asked_s=call.asked_s,
            value=None if answer is None else float(answer.values[place]),
            latency_ms=0.0,
            failure=failure,
            flags=() if answer is None else answer.flags[place],
        )
        for place, call in enumerate(calls)
    ]
