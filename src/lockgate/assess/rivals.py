"""The model against each baseline on the same rows: a verdict for each, all looked at together, and the best of them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import msgspec
import numpy as np

from lockgate.assess.estimate import Arms, estimate
from lockgate.assess.question import Answers, CheckQuestion, Floats
from lockgate.assess.scores import MOST_BOOTSTRAPPED, MOST_RESORTED, Judged
from lockgate.decide.judgement import Judgement
from lockgate.decide.offline import Estimated, ruled
from lockgate.errors import SpecError
from lockgate.metrics import Loss, SummaryMetric
from lockgate.metrics.figures import between, decimals, named, number
from lockgate.records import Ruling, Verdict
from lockgate.stats.multiplicity import holm


@dataclass(frozen=True, kw_only=True)
class Held:
    """One baseline beside the model. own, theirs: the metric of each; found: the difference, positive is worse."""

    answers: Answers
    own: float
    theirs: float
    found: Estimated
    verdict: Verdict

    @property
    def name(self) -> str:
        return self.answers.name

    @property
    def is_ahead(self) -> bool:
        """Whether the model is the better one on these rows, shown or not."""
        return self.found.estimate < 0


def verdicts(question: CheckQuestion, metric: Loss | SummaryMetric, tested: Judged) -> list[Held]:
    """Every baseline, the best of them on these rows first. Several are tried, so that a difference counts as shown only
    where Holm's procedure lets it stand among all of them.
    """
    found = [_estimated(question.values, rival.values, metric, tested) for rival in question.rivals]
    adjusted = holm(np.array([item.detail["p"] for item in found]), alpha=tested.alpha).adjusted
    own = value_of(metric, question.values, tested.outcome)
    held = [
        Held(
            answers=rival,
            own=own,
            theirs=value_of(metric, rival.values, tested.outcome),
            found=item,
            verdict=_verdict(question, rival, _ruled(item, metric, rival.name, float(p), tested.alpha)),
        )
        for rival, item, p in zip(question.rivals, found, adjusted, strict=True)
    ]
    is_down = _is_down(metric)
    return sorted(held, key=lambda item: item.theirs if is_down else -item.theirs)


def value_of(metric: Loss | SummaryMetric, values: Floats, outcome: Floats) -> float:
    found = metric.of(values, outcome)
    return float(found.mean()) if isinstance(found, np.ndarray) else found


def ruling_of(best: Held) -> Ruling:
    """Pass where the model is shown better than the best baseline, fail where it is not even ahead of it."""
    if best.verdict.ruling is Ruling.UNDECIDED and not best.is_ahead:
        return Ruling.FAIL
    return best.verdict.ruling


def told(best: Held, question: CheckQuestion, metric: Loss | SummaryMetric, places: int) -> str:
    """The report's first sentence, in plain words. places: decimals of the metric's values, as its table has them."""
    is_down = _is_down(metric)
    pair = f"its {named(metric.name)} is {number(best.own, places)}, that of {best.name} {number(best.theirs, places)}"
    sign = 1.0 if is_down else -1.0
    low, high = sorted((sign * best.found.low, sign * best.found.high))
    gap = sign * best.found.estimate
    fine = decimals([(gap, low, high)])
    interval = between(low, high, fine, "+") if math.isfinite(best.found.low) else "(no interval)"
    away = f"{number(gap, fine, '+')} {interval} on {best.found.over}"
    ruling = best.verdict.ruling
    if ruling is Ruling.PASS:
        return f"{question.name} beats the best baseline, {best.name}: {pair} ({away})."
    if ruling is Ruling.FAIL:
        good = "lower" if is_down else "higher"
        return f"{question.name} loses to a baseline, {best.name}: {pair} ({away}; {good} is better)."
    if not best.is_ahead:
        same = "says what it says" if best.found.estimate == 0 else "is not even ahead of it"
        return f"{question.name} does not beat the best baseline, {best.name}: it {same}; {pair} ({away})."
    return f"{question.name} is ahead of the best baseline, {best.name}, but luck could do that: {pair} ({away})."


def _is_down(metric: Loss | SummaryMetric) -> bool:
    return isinstance(metric, Loss) or metric.direction == "down"


def _estimated(values: Floats, other: Floats, metric: Loss | SummaryMetric, tested: Judged) -> Estimated:
    arms = Arms(champion=other, challenger=values, outcome=tested.outcome, block=tested.block, length=tested.length)
    if np.array_equal(values, other):
        return Estimated(
            estimate=0.0,
            low=0.0,
            high=0.0,
            rows=tested.outcome.size,
            over=f"{tested.outcome.size:,} rows",
            method="none: the answers are the same",
            guarantee="exact",
            detail={"p": 1.0},
        )
    most = MOST_BOOTSTRAPPED if isinstance(metric, Loss) else MOST_RESORTED
    try:
        return estimate(metric, arms, alpha=tested.alpha, seed=tested.seed, most=most)
    except SpecError as error:
        # Too few rows, or of too few kinds, for an interval: the difference stands, and shows nothing.
        sign = 1.0 if _is_down(metric) else -1.0
        own, theirs = (value_of(metric, answers, tested.outcome) for answers in (values, other))
        return Estimated(
            estimate=sign * (own - theirs),
            low=-math.inf,
            high=math.inf,
            rows=tested.outcome.size,
            over=f"{tested.outcome.size:,} rows",
            method=f"none: {error.message}",
            guarantee="not measured",
            detail={"p": 1.0},
        )


def _ruled(found: Estimated, metric: Loss | SummaryMetric, against: str, adjusted: float, alpha: float) -> Judgement:
    item = ruled(
        found,
        metric=metric.name,
        against=against,
        claim="better",
        margin=0.0,
        alpha=alpha,
        name=f"check against {against}",
        is_loss=_is_down(metric),
    )
    evidence = msgspec.structs.replace(item.evidence, detail=item.evidence.detail | {"holm_p": adjusted})
    if math.isinf(found.low):
        evidence = msgspec.structs.replace(evidence, low=None, high=None)
        sentence = f"On {found.over} its {metric.name} and that of {against} have no interval: {found.method[6:]}"
        return msgspec.structs.replace(item, evidence=evidence, sentence=sentence)
    if item.ruling is Ruling.UNDECIDED or adjusted <= alpha:
        return msgspec.structs.replace(item, evidence=evidence)
    sentence = (
        f"{item.sentence} Alone it would count; among all the baselines tried it does not (Holm p {adjusted:.2g})."
    )
    return msgspec.structs.replace(item, ruling=Ruling.UNDECIDED, evidence=evidence, sentence=sentence)


def _verdict(question: CheckQuestion, rival: Answers, item: Judgement) -> Verdict:
    """Named by the data and the question: the same check is the same verdict."""
    data = hashlib.blake2b(digest_size=16)
    for values in (rival.values, question.values, question.outcome):
        data.update(np.ascontiguousarray(values).tobytes())
    evidence = msgspec.structs.replace(item.evidence, digest=data.hexdigest())
    named = f"{question.name}\x1f{rival.name}\x1f{item.gate.measure}\x1f{item.gate.method}\x1f{evidence.digest}"
    times = question.columns[question.time] if question.time else None
    return Verdict(
        id=f"v{hashlib.blake2b(named.encode(), digest_size=6).hexdigest()}",
        model="-",
        ruling=item.ruling,
        gate=item.gate,
        evidence=evidence,
        subject=(question.name, rival.name),
        sentence=item.sentence,
        at_s=float(np.nanmax(times)) if times is not None else question.now_s,
        written_s=question.now_s,
    )
