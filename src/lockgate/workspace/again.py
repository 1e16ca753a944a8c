"""A rollout's verdict, made again from the log: the same records, spec and engine give the same bits, or it says which not.

Calls are put into canonical order first, so the order in which shards arrive does not matter. What reached the log too late
to count then is left out again: late calls and shadows are named in the evidence, outcomes are known by when they came.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from lockgate.decide.guardrails import Guardrails
from lockgate.decide.judgement import Judgement
from lockgate.errors import NotFound, SpecError
from lockgate.metrics import loss
from lockgate.monitor.blocks import pair_block
from lockgate.monitor.evidence import RolloutEvidence
from lockgate.monitor.fold import DAY_S, Fold
from lockgate.monitor.guard import judged_quality, judged_worth
from lockgate.monitor.harm import seen
from lockgate.monitor.joined import Joined
from lockgate.records import (
    Evidence,
    Health,
    ModelSpec,
    Outcome,
    PairBlock,
    Record,
    Rollout,
    Shadow,
    Verdict,
    Version,
    encode,
)
from lockgate.records.duration import seconds
from lockgate.records.evidence import ENGINE
from lockgate.records.harm_state import HarmState
from lockgate.records.prediction import LogEntry
from lockgate.release.replay import replay
from lockgate.workspace.wire import Wiring

# Outcomes received so shortly before a day was closed may or may not have been read by then: the block itself tells.
UNSURE_S = 5.0


class Again(Record, frozen=True, kw_only=True):
    """agrees: the ruling, the evidence and the sentence came out equal to the bit. sentence: for a person."""

    verdict: str
    agrees: bool
    sentence: str


def again(wiring: Wiring, verdict: Verdict) -> Again:
    """Raises SpecError for a verdict that no log stands behind, or another engine's; NotFound where the rollout is gone."""
    if verdict.rollout is None:
        raise SpecError(
            f"{verdict.id} rests on a table, not on the log.", cure="Ask its gate again: lockgate gate VERSION"
        )
    if verdict.evidence.engine != ENGINE:
        raise SpecError(
            f"{verdict.id} was given by engine {verdict.evidence.engine}; this is engine {ENGINE}.",
            cure="Replay it with the release that gave it.",
        )
    rollout = wiring.records.get(Rollout, verdict.rollout)
    if rollout is None:
        raise NotFound(f"The rollout {verdict.rollout} is not in this workspace.")
    if rollout.kind == "ab":
        raise SpecError(
            f"{verdict.id} is of an A/B, whose units are not folded anew by this yet.",
            cure=f"Its figures so far: lockgate rollout result {rollout.id}",
        )
    name = verdict.gate.name
    found: Judgement | None
    if name in ("worth", "guardrail quality"):
        kept = _kept(wiring, rollout)
        since_s = min((block.start_s for block in kept), default=rollout.started_s)
        until_s = max((block.end_s for block in kept), default=since_s)
        entries = wiring.log.calls(rollout.model, since_s=since_s, until_s=until_s)
        blocks, changed = _blocks(wiring, rollout, kept, entries)
        if changed:
            sentence = _gone(wiring, rollout.model, since_s) or f"Does not agree: {changed}"
            return Again(verdict=verdict.id, agrees=False, sentence=sentence)
        found = _by_block(wiring.spec.model[verdict.model], rollout, blocks, verdict)
    else:
        since_s = rollout.started_s
        entries = wiring.log.calls(rollout.model, rollout=rollout.id)
        found = _by_call(wiring, rollout, entries, verdict)
    if found is None:
        sentence = _gone(wiring, rollout.model, since_s) or f"Does not agree: {name} does not speak on this log."
        return Again(verdict=verdict.id, agrees=False, sentence=sentence)
    same = encode(_bare(found)) == encode(_bare(_judgement(verdict)))
    sentence = (
        f"Agrees to the bit: made again from {len(entries):,} entries of the log. {found.sentence}"
        if same
        else _gone(wiring, rollout.model, since_s) or f"Does not agree. Then: {verdict.sentence} Now: {found.sentence}"
    )
    return Again(verdict=verdict.id, agrees=same, sentence=sentence)


def _gone(wiring: Wiring, model: str, since_s: float) -> str | None:
    """That the log has let go of the calls since then by its retention, where it has."""
    retention, health = wiring.spec.model[model].log.retention, wiring.records.get(Health, model)
    if retention is None or health is None:
        return None
    kept_s = math.floor((health.clock_s - seconds(retention)) / DAY_S) * DAY_S
    if since_s >= kept_s:
        return None
    return (
        f"Cannot be made again: the log of {model} is kept for {retention}, and its calls before "
        f"{datetime.fromtimestamp(kept_s, UTC):%Y-%m-%d} are gone. The verdict stands in the ledger as it was given."
    )


def _kept(wiring: Wiring, rollout: Rollout) -> list[PairBlock]:
    found = (block for block in wiring.records.all(PairBlock, rollout.model) if block.rollout == rollout.id)
    return sorted(found, key=lambda block: block.start_s)


def _judgement(verdict: Verdict) -> Judgement:
    return Judgement(ruling=verdict.ruling, gate=verdict.gate, evidence=verdict.evidence, sentence=verdict.sentence)


def _bare(item: Judgement) -> Judgement:
    """Without the names of what came late: later verdicts know of more of them."""
    evidence: Evidence = msgspec.structs.replace(item.evidence, late=())
    return msgspec.structs.replace(item, evidence=evidence)


def _by_call(wiring: Wiring, rollout: Rollout, entries: Sequence[LogEntry], verdict: Verdict) -> Judgement | None:
    held = wiring.records.get(HarmState, rollout.id)
    late = {*verdict.evidence.late, *(held.late if held else ())}
    kept = [e for e in entries if e.id not in late and not (isinstance(e, Shadow) and f"{e.id}:shadow" in late)]
    at = next((n for n, step in enumerate(rollout.steps) if verdict.gate.name == f"safe at {step.name}"), rollout.at)
    then = msgspec.structs.replace(rollout, at=at)
    found = Guardrails(then).take(then, seen(_calls(kept).of_rollout(rollout.id).sorted()))
    return next((one for one in found if (one.gate.name, one.ruling) == (verdict.gate.name, verdict.ruling)), None)


def _by_block(spec: ModelSpec, rollout: Rollout, blocks: Sequence[PairBlock], verdict: Verdict) -> Judgement:
    evidence, seen_then = RolloutEvidence(rollout, blocks), verdict.evidence.blocks
    if verdict.gate.name == "worth":
        return judged_worth(spec, evidence, seen_then)
    return judged_quality(evidence, seen_then)


def _blocks(
    wiring: Wiring, rollout: Rollout, kept: Sequence[PairBlock], entries: Sequence[LogEntry]
) -> tuple[list[PairBlock], str]:
    """Every block made again, and what is wrong with the first that is not what was kept."""
    scored = _replayed(wiring, rollout, entries, [b for b in kept if b.is_replayed])
    measure = loss(wiring.spec.model[rollout.model].judged_by, wiring.spec.model[rollout.model].task)
    found: list[PairBlock] = []
    for block in kept:
        source = scored.get(block.start_s, entries) if block.is_replayed else entries
        for until_s in _cuts(source, block):
            known = [e for e in source if not isinstance(e, Outcome) or e.received_s <= until_s]
            made = pair_block(
                block.start_s,
                _calls(known).between(block.start_s, block.end_s),
                rollout=rollout,
                loss=measure,
                is_replayed=block.is_replayed,
                closed_s=block.closed_s,
            )
            if made == block:
                break
        else:
            return found, f"the block of day {block.start_s / DAY_S:.0f} is not what the log gives now."
        found.append(made)
    return found, ""


def _cuts(entries: Sequence[LogEntry], block: PairBlock) -> list[float]:
    """When outcomes may last have been read: as the day was closed, or in the moments before."""
    closed_s = math.inf if block.closed_s is None else block.closed_s
    near = {e.received_s for e in entries if isinstance(e, Outcome) and closed_s - UNSURE_S < e.received_s <= closed_s}
    return [closed_s, *(math.nextafter(at_s, -math.inf) for at_s in sorted(near, reverse=True))]


def _replayed(
    wiring: Wiring, rollout: Rollout, entries: Sequence[LogEntry], blocks: Sequence[PairBlock]
) -> dict[float, list[LogEntry]]:
    """What both versions say of the logged calls of the days that were scored by replay."""
    version = wiring.records.get(Version, rollout.challenger)
    if not blocks or version is None or version.lineage.trained_until_s is None:
        return {}
    outcomes = [entry for entry in entries if isinstance(entry, Outcome)]
    days = replay(
        rollout,
        entries,
        wiring.contract(rollout.champion),
        wiring.predictor(rollout.champion),
        wiring.predictor(rollout.challenger),
        since_s=version.lineage.trained_until_s,
        until_s=max(block.end_s for block in blocks),
    )
    # Every outcome, not the latest alone: which of them was known then is for the cut to say.
    return {day.day: [*(e for e in day.entries if not isinstance(e, Outcome)), *outcomes] for day in days}


def _calls(entries: Sequence[LogEntry]) -> Joined:
    """Every call with what is known of it."""
    model = next((entry.model for entry in entries), "")
    fold = Fold(model, horizon_s=math.inf)
    fold.feed(entries)
    return fold.open_calls()
