"""**Now**: a row per model with its traffic by version, state, last verdict and its age, and how calls are going."""

from __future__ import annotations

from collections.abc import Sequence

from lockgate.decide.rollout import awaited
from lockgate.records import (
    AlarmLife,
    Health,
    Move,
    Override,
    Record,
    Rollout,
    Routing,
    Ruling,
    Step,
    Verdict,
    Version,
)
from lockgate.records.alarm import SEVERITY
from lockgate.records.log_trouble import LogTrouble
from lockgate.records.service import Service
from lockgate.records.silence import Silence
from lockgate.store.ports import Records

SAID_OTHERWISE = ("approval", "log", "source", "retraining")  # with the state, the troubles, and the retrainings


class Traffic(Record, frozen=True, kw_only=True):
    """share: of the traffic, in [0, 1]; a shadow is called on every call and answers none."""

    version: str
    role: str
    share: float


class Row(Record, frozen=True, kw_only=True):
    """One model now. Times are event time, seconds since 1970; None where there is nothing to say yet. channels: a sentence
    for each channel of `[alerts]` that cannot be told; service: how this host's workers do; both are the same
    with every model, service None where nobody serves here.
    """

    model: str
    traffic: tuple[Traffic, ...]
    state: str
    verdict: str | None
    verdict_id: str | None
    verdict_age_s: float | None
    fallback_rate: float | None
    p99_ms: float | None
    outcome_lag_s: float | None
    calls: int
    until_s: float | None
    alarms: tuple[str, ...]
    next: str
    channels: tuple[str, ...] = ()
    service: Service | None = None


def rows(records: Records) -> list[Row]:
    """Every model that has a routing, and every one that is guarded in somebody's own service and watched; by name. A log
    that is not well concerns them all, and is said with each; a source that is silent with those that read it.
    """
    log = [found for found in records.all(LogTrouble) if found.until_s is None]
    silent = [found for found in records.all(Silence) if found.until_s is None]
    routed = [
        _row(records, routing, [*log, *(found for found in silent if routing.model in found.readers)])
        for routing in records.all(Routing)
    ]
    names = {row.model for row in routed}
    guarded = [_guarded(health, log) for health in records.all(Health) if health.model not in names]
    return sorted([*routed, *guarded], key=lambda row: row.model)


def _guarded(health: Health, troubles: Sequence[LogTrouble | Silence]) -> Row:
    """Its traffic is split where it is called; what came of that is what is known here."""
    calls = sum(health.calls.values())
    return Row(
        model=health.model,
        traffic=tuple(
            Traffic(version=version[:6], role="guarded", share=own / calls) for version, own in health.calls.items()
        ),
        state="guarded",
        verdict=None,
        verdict_id=None,
        verdict_age_s=None,
        fallback_rate=health.fallback_rate,
        p99_ms=health.p99_ms,
        outcome_lag_s=health.outcome_lag_s,
        calls=calls,
        until_s=health.until_s,
        alarms=tuple(trouble.sentence for trouble in troubles),
        next=troubles[0].next if troubles else "lockgate watch",
    )


def _row(records: Records, routing: Routing, troubles: Sequence[LogTrouble | Silence]) -> Row:
    model = routing.model
    names = {version.id: version.short for version in records.all(Version, model)}
    running = next((r for r in records.all(Rollout, model) if r.is_running), None)
    health = records.get(Health, model)
    verdicts = records.all(Verdict, model)
    last = verdicts[-1] if verdicts else None
    alarms = open_alarms(records, model)
    waits = _waits(running, verdicts, health)
    void = next((v for v in verdicts if running and v.rollout == running.id and v.ruling is Ruling.VOID), None)
    return Row(
        model=model,
        traffic=_traffic(routing, names),
        state=_state(records, routing, running, void, waits) + _not_taken(health),
        verdict=last.sentence if last else None,
        verdict_id=last.id if last else None,
        verdict_age_s=max(0.0, health.until_s - last.at_s) if last and health else None,
        fallback_rate=health.fallback_rate if health else None,
        p99_ms=health.p99_ms if health else None,
        outcome_lag_s=health.outcome_lag_s if health else None,
        calls=sum(health.calls.values()) if health else 0,
        until_s=health.until_s if health else None,
        alarms=(*_stalled(health), *_gravest(alarms), *(trouble.sentence for trouble in troubles)),
        next=troubles[0].next if troubles else _next(running, alarms, void or last, model, waits),
    )


def _gravest(lives: Sequence[AlarmLife]) -> tuple[str, ...]:
    """One that is open, and how many more are."""
    others = [f"{_many(len(lives) - 1)} open: lockgate alarms {lives[-1].model}"] if len(lives) > 1 else []
    return (*(life.sentence for life in lives[-1:]), *others)


def _many(others: int) -> str:
    return "1 more alarm is" if others == 1 else f"{others:,} more alarms are"


def _stalled(health: Health | None) -> tuple[str, ...]:
    return () if health is None or health.stalled is None else (health.stalled,)


def open_alarms(records: Records, model: str) -> list[AlarmLife]:
    """Those that are open, the gravest last and of those the newest, without those that a row says otherwise."""
    lives = (life for life in records.all(AlarmLife, model) if life.is_open and life.cause not in SAID_OTHERWISE)
    return sorted(lives, key=lambda life: (SEVERITY.index(life.severity), life.since_s))


def _traffic(routing: Routing, names: dict[str, str]) -> tuple[Traffic, ...]:
    champion = Traffic(version=names.get(routing.champion, "?"), role="champion", share=1 - routing.share)
    if routing.challenger is None:
        return (champion,)
    if routing.arms:
        return champion, *(
            Traffic(version=names.get(arm.version, "?"), role="challenger", share=arm.share) for arm in routing.arms
        )
    role = "challenger" if routing.share else ("shadow" if routing.shadow else "replay")
    return champion, Traffic(version=names.get(routing.challenger, "?"), role=role, share=routing.share)


def _state(
    records: Records, routing: Routing, running: Rollout | None, void: Verdict | None, waits: Step | None
) -> str:
    """A rollout that stands still says why: its evidence is unsound, a person holds it, or it wants an approval. A champion
    that a person promoted without proof is called so for as long as it stands.
    """
    if running is None:
        return "serving" + _unproved(records, routing)
    why = "" if void is None else ", held: its evidence is void"
    hold = None if running.held is None else records.get(Override, running.held)
    if hold is not None:
        why += f", held by {hold.by}: {hold.reason}"
    elif waits is not None:
        why += f", waits for an approval of {waits.name}"
    return f"rollout {running.id}: {running.step.name}{why}"


def _not_taken(health: Health | None) -> str:
    """How many callers send rows that the assigned version does not take, and what is the matter with most of them."""
    if health is None or not health.not_taken:
        return ""
    calls = sum(health.calls.values())
    why = next((flag.removeprefix("input ") for flag in health.flags if flag.startswith("input ")), None)
    return f"; {health.not_taken:,} of {calls:,} rows not taken by their version" + (f" ({why})" if why else "")


def _unproved(records: Records, routing: Routing) -> str:
    promoted = [m for m in records.all(Move, routing.model) if m.kind == "promote" and m.to == routing.champion]
    if not promoted or promoted[-1].verdicts:
        return ""
    return f", promoted without proof by {promoted[-1].by}"


def _waits(running: Rollout | None, verdicts: Sequence[Verdict], health: Health | None) -> Step | None:
    """The step that nothing but an approval keeps the rollout from."""
    if running is None or not running.spec.require_approval or health is None:
        return None
    own = {v.gate.name: v for v in verdicts if v.rollout == running.id}
    return awaited(running, list(own.values()), health.until_s)


def _next(
    running: Rollout | None, alarms: Sequence[AlarmLife], last: Verdict | None, model: str, waits: Step | None
) -> str:
    if waits is not None:
        return f"lockgate rollout approve {model} --reason ..."
    if running is not None and running.held is not None:
        return f"lockgate rollout resume {model} --reason ..."
    if running is None and alarms:
        return alarms[-1].next
    if last is not None:
        return f"lockgate why {last.id}"
    return f"lockgate train {model}"
