"""An A/B of several versions: begun, and what came of it as figures or a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lockgate.decide.ab_plan import AbPlan, plan
from lockgate.decide.ab_result import AbResult, result, spec_of
from lockgate.errors import NotFound, SpecError, unknown
from lockgate.features.differing import refuse_apart
from lockgate.records import AbSpec, AbState, ModelSpec, Prediction, Rollout, Routing, Spend, Verdict, Version
from lockgate.records.duration import UNITS_S
from lockgate.records.spend import spend_id
from lockgate.release.start import check_gates, check_servable, check_whole
from lockgate.release.start_ab import begin_ab
from lockgate.workspace import planning
from lockgate.workspace.wire import Wiring

if TYPE_CHECKING:
    import polars as pl

KINDS = (".csv", ".parquet", ".json")


def asked(spec: ModelSpec, over: Mapping[str, Any]) -> AbSpec:
    """The model's A/B, with what is said otherwise now; None in `over` is not said."""
    said = {name: value for name, value in over.items() if value is not None}
    return msgspec.convert({**msgspec.to_builtins(spec.ab), **said}, AbSpec)


def begun(
    wiring: Wiring,
    versions: Sequence[Version],
    spec: ModelSpec,
    ab: AbSpec,
    routing: Routing | None,
    rollouts: Sequence[Rollout],
    *,
    event_s: float,
    dirty: bool,
) -> Rollout:
    """The A/B's first record, all of its versions loaded once. routing: what it is begun over, read before `rollouts`.

    Raises as `begin_ab`; SpecError for versions without their gates, that are not as they were sealed, and whose rows no
    caller could send to all.
    """
    model = versions[0].model
    if routing is None:
        raise SpecError(
            f"{model} has no champion yet to be compared with.",
            cure=f"Its first version takes the traffic at once: lockgate rollout start {versions[0].short}",
        )
    contract = wiring.contract(routing.champion)
    rollout = begin_ab(versions, spec, ab, routing, rollouts, contract, event_s=event_s)
    verdicts = wiring.records.all(Verdict, model)
    shorts = {routing.champion: routing.champion[:6]} | {version.id: version.short for version in versions}
    for one, other in combinations(shorts, 2):
        refuse_apart(wiring.contract(one), wiring.contract(other), names=(shorts[one], shorts[other]))
    for version in versions:
        check_whole(version, wiring.damage(version.id))
        check_servable(version, wiring.predictor(version.id).manifest.task, dirty=dirty)
        check_gates(version, verdicts, routing.champion)
    return rollout


def draws(rollout: Rollout, *, event_s: float, now_s: float, by: str) -> list[Spend]:
    """The metric's alpha for all challengers together, another for all guardrails."""
    spec = spec_of(rollout)
    gates = [f"A/B by {spec.metric}", *(["A/B guardrails"] if spec.guardrails else [])]
    return [
        Spend(
            id=spend_id(rollout.model, (rollout.id,), gate),
            model=rollout.model,
            gate=gate,
            alpha=spec.alpha,
            at_s=event_s,
            written_s=now_s,
            by=by,
            rollout=rollout.id,
        )
        for gate in gates
    ]


def planned(wiring: Wiring, rollout: Rollout, spent: Sequence[Spend]) -> AbPlan:
    """What it reaches by when, at as many new units a day as the log's end had, else as the newest dataset has rows.

    Units that come on several days count once, so fewer may follow than that day promises. Raises SpecError where nothing
    says how many.
    """
    since_s = rollout.started_s - UNITS_S["d"]
    calls = [call for call in wiring.log.calls(rollout.model, since_s=since_s) if isinstance(call, Prediction)]
    units = {call.id if spec_of(rollout).per_call else call.unit for call in calls}
    if calls:
        asked_s = [call.asked_s for call in calls]  # a day and more: event time lags behind the log
        per_day = len(units) / max(1.0, (max(asked_s) - min(asked_s)) / UNITS_S["d"])
    else:
        per_day = planning.rows_per_day(wiring.records, rollout.model)
    return plan(rollout, per_day, math.fsum(spend.alpha for spend in spent))


def result_of(wiring: Wiring, name: str) -> AbResult:
    """What a rollout has shown so far. Raises NotFound for an unknown one, SpecError for one that is no A/B."""
    rollout = wiring.records.get(Rollout, name)
    if rollout is None:
        known = [r.id for r in wiring.records.all(Rollout) if r.kind == "ab"]
        raise NotFound(unknown("rollout", name, known), cure="Ids of rollouts stand in: lockgate status")
    if rollout.kind != "ab":
        raise SpecError(f"{name} is a ladder, not an A/B.", cure=f"See: lockgate why {name}")
    return result(rollout, wiring.records.get(AbState, name) or AbState(rollout=name, model=rollout.model))


def table(found: AbResult) -> pl.DataFrame:
    """A row for each challenger, metric and slice, with the figures of both arms."""
    import polars as pl

    rows = [
        {**_row(item), "metric": item.metric, "column": None, "level": None, "log_e": item.log_e}
        for item in found.compared
    ]
    rows += [
        {**_row(part), "metric": found.metric, "column": part.column, "level": part.level, "log_e": None}
        for part in found.slices
    ]
    schema = {
        "rollout": pl.String(),
        "metric": pl.String(),
        "column": pl.String(),
        "level": pl.String(),
        "version": pl.String(),
        "champion": pl.String(),
        **dict.fromkeys(("units", "champion_units"), pl.Int64()),
        **dict.fromkeys(("mean", "champion_mean", "difference", "low", "high", "log_e"), pl.Float64()),
        "told": pl.String(),
        "sample_ratio_log_e": pl.Float64(),
        "is_void": pl.Boolean(),
    }
    same = {
        "rollout": found.rollout,
        "champion": found.champion,
        "sample_ratio_log_e": found.ratio.log_e,
        "is_void": found.ratio.is_void,
    }
    return pl.DataFrame([{**same, **row} for row in rows], schema=schema)


def write(found: AbResult, out: Path) -> None:
    """As a table, or all of it as JSON, by the name's end. Raises SpecError for another end."""
    if out.suffix == ".json":
        out.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    elif out.suffix == ".csv":
        table(found).write_csv(out)
    elif out.suffix == ".parquet":
        table(found).write_parquet(out)
    else:
        raise SpecError(f"{out.name} ends in none of {', '.join(KINDS)}.", cure="Say which by the file's name.")


def _row(item: Any) -> dict[str, Any]:
    return {
        "version": item.version,
        "units": item.units[1],
        "champion_units": item.units[0],
        "mean": item.means[1],
        "champion_mean": item.means[0],
        "difference": item.estimate,
        "low": item.low,
        "high": item.high,
        "told": item.told,
    }
