"""Why: the record behind an id, as sentences."""

from __future__ import annotations

from lockgate.errors import NotFound
from lockgate.records import (
    Acknowledgement,
    Alarm,
    AlarmLife,
    Drill,
    Move,
    Override,
    Record,
    Retraining,
    Rollout,
    Ruling,
    Spend,
    Verdict,
    Version,
)
from lockgate.records.alarm_life import cause_key
from lockgate.records.drift import DriftFound
from lockgate.records.duration import lasted
from lockgate.report.moved import moved_lines
from lockgate.report.retrained import following_of, retraining_lines
from lockgate.report.words import age, text, when
from lockgate.store.ports import Records

Found = Acknowledgement | Alarm | Drill | Move | Override | Retraining | Rollout | Spend | Verdict | Version


class Why(Record, frozen=True, kw_only=True):
    """lines: what a person reads, the sentence first."""

    id: str
    kind: str
    lines: tuple[str, ...]
    next: str


def find(records: Records, name: str) -> Found:
    """The record of that id, or of the start of a version's. Raises NotFound."""
    found: Found | None = records.get(Verdict, name) or records.get(Move, name) or records.get(Alarm, name)
    found = found or records.get(Spend, name) or records.get(Override, name) or records.get(Acknowledgement, name)
    found = found or records.get(Drill, name) or records.get(Retraining, name)
    found = found or records.get(Rollout, name) or records.get(Version, name)
    if found is not None:
        return found
    for version in records.all(Version):
        if version.short == name or (len(name) >= 6 and version.id.startswith(name)):
            return version
    raise NotFound(
        f"Nothing is written down under {name!r}.", cure="Ids stand in: lockgate status, and lockgate rollout log"
    )


def why(records: Records, name: str) -> Why:
    """The sentence, the evidence and where it leads."""
    found = find(records, name)
    names = {version.id: version.short for version in records.all(Version)}
    lines: tuple[str, ...]
    following = "lockgate status"
    match found:
        case Verdict():
            moved = records.get(DriftFound, found.id)
            if moved is None:
                lines = _verdict(found, names)
            else:
                lines, following = (
                    (*moved_lines(found, moved, names), "", *text(found)),
                    f"lockgate retrain {found.model} --plan",
                )
        case Move():
            named = (*found.verdicts, *found.overrides)
            lines, following = _move(found, names), f"lockgate why {named[0]}" if named else following
        case Alarm():
            lines = _alarm(records, found)
            following = found.next
        case Spend():
            drawn = f"{found.alpha:g} of {found.model}'s alpha, drawn for {found.gate}"
            lines = (drawn, f"by {found.by}; {when(found.at_s)}")
        case Override():
            lines, following = override_lines(found), f"lockgate why {found.rollout}"
        case Acknowledgement():
            lines, following = acknowledgement_lines(found), f"lockgate why {found.alarm}"
        case Drill():
            lines = _drill(found, names)
            following = following if found.ruling is Ruling.PASS else f"lockgate rollback {found.model} --drill"
        case Retraining():
            lines, following = retraining_lines(found, names), following_of(found)
        case Rollout():
            lines = _rollout(records, found, names)
        case Version():
            lines, following = _version(records, found, names), f"lockgate gate {found.short}"
    return Why(id=name, kind=type(found).__name__.lower(), lines=lines, next=following)


def _verdict(found: Verdict, names: dict[str, str]) -> tuple[str, ...]:
    gate, seen = found.gate, found.evidence
    about = " against ".join(names.get(name, name) for name in found.subject)
    rate = "error rate not measured yet" if gate.alpha is None else f"alpha {gate.alpha:.2g}, {gate.guarantee}"
    lines = [
        found.sentence,
        f"{found.ruling.upper()} of {gate.name!r}: {about}; {when(found.at_s)}",
        f"claim: {gate.claim}, margin {gate.margin:g}; method: {gate.method} ({rate})",
    ]
    if seen.n:
        lines.append(f"calls {_counts(seen.n)}; events {_counts(seen.events)} (champion first)")
    if seen.exposure:
        extra = (
            ""
            if seen.extra_events is None
            else f", some {seen.extra_events:,.1f} failures more than the champion's rate"
        )
        lines.append(f"exposed: {seen.exposure:,} calls{extra}")
    if seen.design_effect is not None or seen.lag1 is not None:
        effect = "-" if seen.design_effect is None else f"{seen.design_effect:.1f}"
        lines.append(f"variance inflation by day {effect}; correlation of neighbouring days {seen.lag1 or 0:+.2f}")
    if seen.coverage is not None:
        foretold = "" if seen.forecast is None else f"; the plan foretold {seen.forecast:,.0f} blocks"
        lines.append(f"outcomes known of {seen.coverage:.1%} of the pairs, after {age(seen.horizon_s)}{foretold}")
    if seen.late:
        lines.append(
            f"{len(seen.late):,} calls came behind the watermark and count for nothing: {', '.join(seen.late[:3])}"
        )
    return (*lines, "", *text(found))


def _move(found: Move, names: dict[str, str]) -> tuple[str, ...]:
    return (
        f"{found.kind.replace('_', ' ')} -> {names.get(found.to, found.to)} at {found.share:.0%}",
        found.reason,
        f"by {found.by}; {when(found.at_s)}; routing revision {found.revision}; verdicts: {', '.join(found.verdicts) or '-'}"
        + (f"; overrides: {', '.join(found.overrides)}" if found.overrides else ""),
    )


def _alarm(records: Records, found: Alarm) -> tuple[str, ...]:
    """With how it stands, where it is the last of its cause."""
    lines = [found.sentence, f"{found.severity}, cause {found.cause}, {when(found.at_s)}"]
    life = records.get(AlarmLife, cause_key(found.model, found.cause, found.about))
    if life is not None and life.id in (found.id, found.of):
        over = "open" if life.until_s is None else f"over after {lasted(life.until_s - life.since_s)}"
        lines.append(
            f"{over}; raised {life.times:,} {'time' if life.times == 1 else 'times'}, last {when(life.last_s)}"
        )
        lines += () if life.acknowledged is None else acknowledgement_lines(life.acknowledged)
    return tuple(lines)


def acknowledgement_lines(found: Acknowledgement) -> tuple[str, ...]:
    """What a person said of an alarm, why, and who."""
    what = "acknowledged" if found.until_s is None else f"snoozed until {when(found.until_s)}"
    return (f"{found.alarm} {what}", found.reason, f"by {found.by}; {when(found.written_s)}")


def override_lines(found: Override) -> tuple[str, ...]:
    """What was decided, why, and by whom."""
    words = {
        "hold": f"held at {found.step}",
        "resume": f"resumed at {found.step}",
        "approve": f"{found.step} approved",
        "promote": "promoted without proof",
        "skip": f"on to {found.step} without its verdict",
        "widen": f"alpha widened to {found.alpha or 0:g}",
    }
    return (f"{found.rollout}: {words[found.kind]}", found.reason, f"by {found.by}; {when(found.at_s)}")


def _drill(found: Drill, names: dict[str, str]) -> tuple[str, ...]:
    there = f"; the way there again {max(found.there_ms):.0f} ms at worst" if found.there_ms else ""
    return (
        found.sentence,
        f"{found.ruling.upper()} of the drill: {names.get(found.leaves, found.leaves)} -> {names.get(found.to, found.to)}",
        f"refused {found.refused:,}, cut {found.cut:,}, astray {found.astray:,}, fallbacks {found.fell_back:,}{there}",
        f"by {found.by}; {when(found.at_s)}; at most {found.bound_ms:.0f} ms wanted",
    )


def _rollout(records: Records, found: Rollout, names: dict[str, str]) -> tuple[str, ...]:
    ladder = " > ".join(f"[{step.name}]" if step is found.step else step.name for step in found.steps)
    arms = ", ".join(names.get(version, "?") for version in found.challengers)
    lines = [
        f"{arms} against {names.get(found.champion, '?')}: {found.state}",
        f"{ladder}; began {when(found.started_s)}, deadline {when(found.deadline_s)}",
    ]
    moves = [move for move in records.all(Move, found.model) if move.rollout == found.id]
    said = [(move.at_s, move.written_s, str(move.kind), move.id, move.reason) for move in moves]
    own = [override for override in records.all(Override, found.model) if override.rollout == found.id]
    # What moved at once stands there as the move, with the override's own reason in it.
    lasting = [override for override in own if override.kind not in ("promote", "skip")]
    said += [(o.at_s, o.written_s, o.kind, o.id, f"{o.step}, {o.by}: {o.reason}") for o in lasting]
    for at_s, _, kind, name, reason in sorted(said):
        lines.append(f"{when(at_s)}  {kind.replace('_', ' ')} ({name}): {reason}")
    return tuple(lines)


def _version(records: Records, found: Version, names: dict[str, str]) -> tuple[str, ...]:
    made = found.lineage
    metrics = "  ".join(f"{name} {value:.4f}" for name, value in sorted(found.metrics.items()))
    lines = [
        f"{found.short} ({found.role}), made {when(found.made_s)} from {made.rows:,} rows of {made.dataset}",
        f"held out: {metrics}",
        f"features {made.features} ({made.features_hash[:8]}), train {made.train}, seed {made.seed}, run {made.run or '-'}",
        f"commit {made.commit or '-'}{' with changes' if made.is_dirty else ''}, environment {made.environment[:8]}",
    ]
    if found.parity is not None:
        lines.append(f"compiled path: {found.parity.reason}")
    if found.baseline:
        lines.append(f"its baseline: {names.get(found.baseline, found.baseline)}")
    made_by = next((r for r in records.all(Retraining, found.model) if r.version == found.id), None)
    return (*lines, *(() if made_by is None else retraining_lines(made_by, names)))


def _counts(numbers: tuple[int, ...]) -> str:
    return ", ".join(f"{number:,}" for number in numbers) or "-"
