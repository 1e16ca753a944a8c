"""The start of an A/B: what must be true, and the record it begins with."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lockgate.decide import ab
from lockgate.errors import Conflict, SpecError, unknown
from lockgate.records import AbSpec, Contract, ModelSpec, Rollout, RolloutState, Routing, Step, Version
from lockgate.records.ab import CHAMPION_SCORE
from lockgate.records.duration import seconds

NUMBERS = ("int", "float", "bool")


def refuse_pairs(spec: ModelSpec, version: Version) -> None:
    """Raises SpecError for a ladder, which proves worth on pairs, where the prediction that is served makes its outcome."""
    if spec.outcomes.outcome_depends_on_prediction:
        raise SpecError(
            f"Outcomes of {version.model} depend on the prediction that is served, so what another version would have said "
            "of the same call has none: pairs prove nothing.",
            cure=f"Ask for a randomised A/B: lockgate rollout start --ab {version.short} --metric METRIC",
        )


def begin_ab(
    versions: Sequence[Version],
    spec: ModelSpec,
    asked: AbSpec,
    routing: Routing,
    rollouts: Sequence[Rollout],
    contract: Contract,
    *,
    event_s: float,
) -> Rollout:
    """The rollout's first record. contract: the champion's, as calls are logged under it.

    Raises Conflict where a rollout is under way, SpecError for a version that is the champion or comes twice, of another
    model, and for metrics, columns and units that are not there.
    """
    first = versions[0]
    _refuse_running(first, rollouts)
    _refuse_versions(versions, routing)
    ab.check(asked, spec.metrics_by_unit)
    _refuse_columns(asked, contract)
    if spec.unit is None and not asked.per_call:
        raise SpecError(
            f"No unit of {first.model} is named, and calls of one customer are no independent trials.",
            cure=f'Name it: unit = "customer_id" under [model.{first.model}]; or judge every call by itself: --per-call',
        )
    arms = ab.arms([version.id for version in versions], asked)
    return Rollout(
        id=f"r{len(rollouts) + 1}-{first.id[:6]}",
        model=first.model,
        champion=routing.champion,
        challenger=first.id,
        spec=spec.rollout,
        steps=(Step(name="A/B", kind="share", share=ab.share_of(arms)),),
        at=0,
        state=RolloutState.RUNNING,
        started_s=event_s,
        stepped_s=event_s,
        deadline_s=event_s + seconds(asked.deadline),
        not_worse_by=spec.gate.not_worse_by,
        kind="ab",
        arms=arms,
        ab=msgspec.structs.replace(asked, share=tuple(arm.share for arm in arms)),
    )


def _refuse_running(first: Version, rollouts: Sequence[Rollout]) -> None:
    running = next((rollout for rollout in rollouts if rollout.is_running), None)
    if running is not None:
        raise Conflict(
            f"A rollout of {first.model} is under way ({running.id}).",
            cure=f"Wait for it, or end it: lockgate rollout abort {first.model} --reason ...",
        )


def _refuse_versions(versions: Sequence[Version], routing: Routing) -> None:
    seen: set[str] = set()
    for version in versions:
        if version.model != routing.model:
            raise SpecError(f"{version.short} is a version of {version.model}, not of {routing.model}.")
        if version.id == routing.champion:
            raise SpecError(f"{version.short} is the champion already.", cure="Name its challengers alone.")
        if version.id in seen:
            raise SpecError(f"{version.short} is named twice.", cure="Name each challenger once.")
        seen.add(version.id)


def _refuse_columns(asked: AbSpec, contract: Contract) -> None:
    columns = {column.name: column for column in contract.asked}
    for name in asked.slices:
        if name not in columns:
            raise SpecError(unknown("column", name, columns), cure="Name slices by columns that a call has.")
    if asked.covariate in (None, CHAMPION_SCORE):
        return
    if asked.covariate not in columns:
        raise SpecError(
            unknown("covariate", str(asked.covariate), (*columns, CHAMPION_SCORE)),
            cure="Name a column that a call has, known before it is answered; or champion_score.",
        )
    if columns[str(asked.covariate)].type not in NUMBERS:
        raise SpecError(
            f"The covariate {asked.covariate} is of type {columns[str(asked.covariate)].type}.",
            cure="Name a number; parts by a text are slices.",
        )
