"""Plans: `lockgate.plan`, the door that needs no workspace, and what a workspace knows of its own traffic."""

from __future__ import annotations

from typing import Literal

import numpy as np

from lockgate.decide.plan import Traffic
from lockgate.decide.plan import plan as decide
from lockgate.errors import SpecError
from lockgate.records import Block, Dataset, ModelSpec, RolloutSpec, Verdict, Version
from lockgate.records.duration import UNITS_S, seconds
from lockgate.records.plan import Plan
from lockgate.stats import forecast
from lockgate.store.ports import Records

RECENT_DAYS = 28


def plan(
    *,
    calls_per_day: float,
    failure_rate: float,
    ladder: tuple[str | float, ...] = RolloutSpec().ladder,
    guardrails: tuple[str, ...] = RolloutSpec().guardrails,
    alpha: float = 0.01,
    worth_alpha: float = 0.05,
    prove: Literal["better", "not worse"] = "not worse",
    not_worse_by: float = 0.0,
    gain: float | None = None,
    block_sd: float | None = None,
    lag1: float = 0.0,
    history: int = 0,
    memory: Literal["independent", "short", "long", "new"] = "short",
    deadline: str = "60d",
    horizon: str = "1d",
) -> Plan:
    """What a rollout takes: calls and days per step, the smallest harm seen, the smallest gain proved, the alpha spent.

    failure_rate: the champion's. gain: how much smaller the challenger's mean loss is expected to be, per call; block_sd:
    the standard deviation of the two arms' difference of day means; lag1: the correlation of neighbouring days; history:
    days of the pair that are known already. horizon: how long outcomes take. `plan.refusals` names what would never
    decide, or not in time, and what would mend it.
    Raises SpecError for a ladder that cannot be climbed, unknown words, or figures that cannot be.
    """
    spec = RolloutSpec(
        ladder=ladder,
        guardrails=guardrails,
        alpha=alpha,
        worth_alpha=worth_alpha,
        prove=prove,
        memory=memory,
        deadline=deadline,
    )
    traffic = Traffic(
        calls_per_day=calls_per_day,
        failure_rate=failure_rate,
        gain=gain,
        block_sd=block_sd,
        lag1=lag1,
        history=history,
        horizon_days=seconds(horizon) / UNITS_S["d"],
    )
    return decide(spec, traffic, not_worse_by=not_worse_by)


def of_version(records: Records, spec: ModelSpec, version: Version, champion: str) -> Plan:
    """The plan of a version's rollout: its calls as of late, and the gain that its gate against the champion saw.

    Raises SpecError where nothing says how many calls a day to expect.
    """
    blocks = records.all(Block, version.model)[-RECENT_DAYS:]
    calls = sum(block.calls for block in blocks)
    seen = _gate(records, version, champion)
    cut_off_s = version.lineage.trained_until_s
    has_replay = "replay" in spec.rollout.ladder and cut_off_s is not None
    closed = [b for b in records.all(Block, version.model) if has_replay and b.start_s >= (cut_off_s or 0.0)]
    values = np.array([] if seen is None else seen.evidence.values, dtype=np.float64)
    ahead = forecast.ahead(values)
    traffic = Traffic(
        calls_per_day=calls / len(blocks) if calls else rows_per_day(records, version.model),
        failure_rate=sum(block.failures for block in blocks) / calls if calls else 0.0,
        gain=None if seen is None or seen.evidence.estimate is None else -seen.evidence.estimate,
        block_sd=None if ahead is None else ahead.sd,
        lag1=0.0 if ahead is None else ahead.lag1,
        history=int(values.size),
        horizon_days=seconds(spec.outcomes.horizon) / UNITS_S["d"],
        replayed=len(closed),
    )
    return decide(spec.rollout, traffic, not_worse_by=spec.gate.not_worse_by)


def _gate(records: Records, version: Version, champion: str) -> Verdict | None:
    subject = (version.id, champion)
    own = [v for v in records.all(Verdict, version.model) if v.subject == subject and v.rollout is None]
    return own[-1] if own else None


def rows_per_day(records: Records, model: str) -> float:
    """Before the first day has closed: the rows of the newest dataset over the time it spans."""
    datasets = records.all(Dataset, model)
    newest = datasets[-1] if datasets else None
    if newest is None or newest.since_s is None or newest.until_s is None or newest.until_s <= newest.since_s:
        raise SpecError(
            f"Nothing says how many calls a day {model} gets.",
            cure="Serve it for a day, name its time column, or start it --anyway.",
        )
    return newest.rows * UNITS_S["d"] / (newest.until_s - newest.since_s)
