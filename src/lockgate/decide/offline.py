"""The offline gate: two versions on the same held-out rows, by day blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.judgement import Judgement
from lockgate.records import Evidence, Gate, GateSpec, Ruling
from lockgate.stats.block_t import BlockMean, interval

Floats = NDArray[np.float64]


def offline_gate(
    spec: GateSpec, *, metric: str, against: str, better_by: float, sums: Floats, counts: Floats, call_variance: float
) -> Judgement:
    """Whether the candidate's loss is lower than `against`'s by more than `better_by`, on held-out rows.

    sums: shape (days,), candidate minus other, summed over a day's rows; counts: rows per day. Pass when the interval
    lies under -better_by, fail when it lies over it, undecided between. Raises SpecError under 3 days.
    """
    found = interval(sums, counts, alpha=spec.alpha, call_variance=call_variance)
    ruling = _rule(found, -better_by)
    gate = Gate(
        name=f"gate against {against}",
        question="worth",
        claim="better",
        measure=metric,
        method="block t by day",
        margin=better_by,
        alpha=spec.alpha,
        guarantee="calibrated",
    )
    evidence = Evidence(
        estimate=found.mean,
        low=found.low,
        high=found.high,
        n=(int(counts.sum()), int(counts.sum())),
        blocks=found.blocks,
        block="1d",
        design_effect=found.design_effect,
        lag1=found.lag1,
        values=tuple(float(v) for v in sums / counts),
    )
    return Judgement(ruling=ruling, gate=gate, evidence=evidence, sentence=_sentence(found, ruling, metric, against))


def _rule(found: BlockMean, bound: float) -> Ruling:
    if found.high < bound:
        return Ruling.PASS
    return Ruling.FAIL if found.low > bound else Ruling.UNDECIDED


def _sentence(found: BlockMean, ruling: Ruling, metric: str, against: str) -> str:
    word = {Ruling.PASS: "lower than", Ruling.FAIL: "not low enough against", Ruling.UNDECIDED: "not yet told from"}[
        ruling
    ]
    return (
        f"On {found.blocks} held-out days its {metric} is {word} that of {against}: "
        f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]."
    )
