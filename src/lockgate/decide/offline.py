"""The offline question: two versions on the same held-out rows, looked at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.judgement import Judgement
from lockgate.records import Evidence, Gate, GateSpec, Ruling
from lockgate.records.evidence import Claim, Guarantee
from lockgate.stats.block_t import BlockMean, interval

Floats = NDArray[np.float64]


class Estimated(NamedTuple):
    """A difference, candidate minus other, positive is worse, with both ends of its interval at 1 - alpha.

    rows: how many; over: what was taken as independent, in words; blocks: how many of them, block: their length.
    """

    estimate: float
    low: float
    high: float
    rows: int
    over: str
    method: str
    guarantee: Guarantee
    blocks: int = 0
    block: str = ""
    design_effect: float | None = None
    lag1: float | None = None
    values: tuple[float, ...] = ()
    detail: dict[str, float] = {}


def offline_gate(
    spec: GateSpec, *, metric: str, against: str, better_by: float, sums: Floats, counts: Floats, call_variance: float
) -> Judgement:
    """Whether the candidate's loss is lower than `against`'s by more than `better_by`, on held-out rows.

    sums: shape (days,), candidate minus other, summed over a day's rows; counts: rows per day. Pass when the interval
    lies under -better_by, fail when it lies over it, undecided between. Raises SpecError under 3 days.
    """
    found = by_blocks(sums, counts, alpha=spec.alpha, call_variance=call_variance, block="1d", over="held-out days")
    return ruled(found, metric=metric, against=against, claim="better", margin=better_by, alpha=spec.alpha)


def by_blocks(sums: Floats, counts: Floats, *, alpha: float, call_variance: float, block: str, over: str) -> Estimated:
    """The mean difference per row, its interval by Student's t over blocks taken as independent."""
    found: BlockMean = interval(sums, counts, alpha=alpha, call_variance=call_variance)
    return Estimated(
        estimate=found.mean,
        low=found.low,
        high=found.high,
        rows=int(counts.sum()),
        over=f"{found.blocks:,} {over}",
        method=f"block t by {'day' if block == '1d' else block}",
        guarantee="calibrated",
        blocks=found.blocks,
        block=block,
        design_effect=found.design_effect,
        lag1=found.lag1,
        values=tuple(float(v) for v in sums / counts) if found.blocks <= MOST_VALUES else (),
    )


# More values than a drawing can show are left out of the record; the estimate rests on all of them.
MOST_VALUES = 1000


def ruled(
    found: Estimated,
    *,
    metric: str,
    against: str,
    claim: Claim,
    margin: float,
    alpha: float,
    name: str = "",
    is_loss: bool = True,
) -> Judgement:
    """Pass where the whole interval lies on the claim's side of its margin, fail where it lies on the other.

    claim: "better" by more than `margin`, or "not worse" by `margin`. is_loss: whether the metric itself is better when
    smaller; the sentence speaks in the metric's own direction.
    """
    bound = margin if claim == "not worse" else -margin
    if found.high < bound:
        ruling = Ruling.PASS
    else:
        ruling = Ruling.FAIL if found.low > bound else Ruling.UNDECIDED
    gate = Gate(
        name=name or f"gate against {against}",
        question="worth",
        claim=claim,
        measure=metric,
        method=found.method,
        margin=margin,
        alpha=alpha,
        guarantee=found.guarantee,
    )
    evidence = Evidence(
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        n=(found.rows, found.rows),
        blocks=found.blocks,
        block=found.block,
        design_effect=found.design_effect,
        lag1=found.lag1,
        values=found.values,
        detail=found.detail,
    )
    sentence = _sentence(found, ruling, metric, against, claim, margin, is_loss=is_loss)
    return Judgement(ruling=ruling, gate=gate, evidence=evidence, sentence=sentence)


def _sentence(
    found: Estimated, ruling: Ruling, metric: str, against: str, claim: Claim, margin: float, *, is_loss: bool
) -> str:
    good, low = ("lower", "low") if is_loss else ("higher", "high")
    by = f" by {margin:g}" if margin else ""
    if claim == "not worse":
        words = {
            Ruling.PASS: f"not worse{by} than",
            Ruling.FAIL: f"worse{by} than",
            Ruling.UNDECIDED: f"not yet shown not worse{by} than",
        }
    else:
        words = {
            Ruling.PASS: f"{good} than",
            Ruling.FAIL: f"not {low} enough against",
            Ruling.UNDECIDED: "not yet told from",
        }
    sign = 1.0 if is_loss else -1.0
    ends = sorted((sign * found.low, sign * found.high))
    return (
        f"On {found.over} its {metric} is {words[ruling]} that of {against}: "
        f"{sign * found.estimate:+.4f} [{ends[0]:+.4f}, {ends[1]:+.4f}]."
    )
