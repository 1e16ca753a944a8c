"""The start of a rollout: what must be true, and the record it begins with."""

from __future__ import annotations

from collections.abc import Sequence

from lockgate.decide import ladder
from lockgate.errors import Conflict, SpecError
from lockgate.features.pipeline import resolve
from lockgate.records import ModelSpec, Rollout, RolloutState, Routing, Ruling, Verdict, Version
from lockgate.records.duration import seconds
from lockgate.records.spec import Task


def check_gates(version: Version, verdicts: Sequence[Verdict], champion: str | None) -> list[Verdict]:
    """The standing offline verdicts. Raises SpecError where one is missing, or fails.

    Undecided may start: a shadow exposes nobody, and only proved worth promotes. verdicts: the model's, oldest first.
    """
    standing = {(v.gate.name, v.subject): v for v in verdicts if v.subject[:1] == (version.id,) and v.rollout is None}
    needed: list[tuple[str, tuple[str, ...]]] = [("gate against baseline", (version.id, version.baseline or ""))]
    if champion is not None:
        needed.append(("gate against champion", (version.id, champion)))
    needed += [key for key in standing if key[0].startswith("gate of slices") and key not in needed]
    for name, subject in needed:
        found = standing.get((name, subject))
        if found is None:
            raise SpecError(
                f"{version.short} has no verdict of the {name}.",
                cure=f"Ask for it first: lockgate gate {version.short}",
            )
        if found.ruling is Ruling.FAIL:
            raise SpecError(
                f"{version.short} may not take traffic: {found.sentence}", cure=f"See: lockgate why {found.id}"
            )
    return [standing[key] for key in needed]


def begin(
    version: Version,
    spec: ModelSpec,
    routing: Routing,
    rollouts: Sequence[Rollout],
    verdicts: Sequence[Verdict],
    *,
    event_s: float,
) -> Rollout:
    """The rollout's first record. Raises Conflict where one is under way, SpecError where the version is the champion."""
    refuse_second(version, rollouts)
    if version.id == routing.champion:
        raise SpecError(f"{version.short} is the champion already.")
    check_gates(version, verdicts, routing.champion)
    gate = [
        v for v in verdicts if v.gate.name == "gate against champion" and v.subject == (version.id, routing.champion)
    ]
    return Rollout(
        id=next_id(version, rollouts),
        model=version.model,
        champion=routing.champion,
        challenger=version.id,
        spec=spec.rollout,
        steps=ladder.steps(spec.rollout),
        at=0,
        state=RolloutState.RUNNING,
        started_s=event_s,
        stepped_s=event_s,
        deadline_s=event_s + seconds(spec.rollout.deadline),
        not_worse_by=spec.gate.not_worse_by,
        history=gate[-1].evidence.values,
    )


def refuse_second(version: Version, rollouts: Sequence[Rollout]) -> None:
    """Raises Conflict where a rollout of the version's model is under way. rollouts: all of the model's."""
    running = next((rollout for rollout in rollouts if rollout.is_running), None)
    if running is not None:
        raise Conflict(
            f"A rollout of {version.model} is under way ({running.id}).",
            cure=f"Wait for it, or end it: lockgate rollout abort {version.model} --reason ...",
        )


def next_id(version: Version, rollouts: Sequence[Rollout]) -> str:
    """Of the rollout after these, the model's."""
    return f"r{len(rollouts) + 1}-{version.id[:6]}"


def check_whole(version: Version, damage: str | None) -> None:
    """Raises SpecError for a version whose folder is not what was judged. damage: what is wrong with it, in a sentence."""
    if damage is not None:
        raise SpecError(f"{version.short} may not take traffic: its folder is not as it was sealed. {damage}")


def check_servable(version: Version, task: Task, *, dirty: bool) -> None:
    """Raises SpecError for a version that nobody could make again, or whose answers no call can carry yet."""
    if version.lineage.is_dirty and not dirty:
        raise SpecError(
            f"{version.short} was made from files that differ from commit {(version.lineage.commit or '')[:12]}, so nobody "
            "can make it again.",
            cure="Commit them and train again; or promote it all the same with --dirty.",
        )
    if task == "multiclass":
        raise SpecError(
            f"{version.short} answers with a chance for each class, and only single numbers are served so far.",
            cure="Train, check, gate, export and `lg.check` take it; for traffic, ask one class against the rest.",
        )


def first_routing(version: Version, spec: ModelSpec) -> Routing:
    """All traffic to a model's first champion. Raises SpecError where the chain names a rule that is not there."""
    numbers = [link for link in spec.fallback if not isinstance(link, str)]
    links = [link for link in spec.fallback if isinstance(link, str)]
    for rule in (link for link in links if ":" in link):
        resolve(rule)
    return Routing(
        model=version.model,
        revision=1,
        champion=version.id,
        baseline=version.baseline,
        constant=float(numbers[0]) if numbers else version.metrics["target_mean"],
        unit=spec.unit,
        time=spec.time,
        chain=(*links, "constant"),
        deadline_ms=spec.deadline_ms,
        task=spec.task,
    )
