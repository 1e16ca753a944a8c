"""Which stretch of the outcomes to train on: by evidence on the same later calls, or the default. And the last break."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.judgement import Judgement
from lockgate.records import Evidence, Gate, Ruling
from lockgate.stats import change
from lockgate.stats.block_t import BlockMean, interval, lag1, p_below
from lockgate.stats.multiplicity import holm

Floats = NDArray[np.float64]
RUN_LENGTH = 1_000.0  # days to a false break, on average at least
REFERENCE = 20  # days that say what is usual
SPARED = 3  # a break leaves as many days on either side


class Compared(NamedTuple):
    """One window against the default: mean difference per call, negative is better; p one-sided, adjusted by Holm."""

    mean: BlockMean
    p: float


class Chosen(NamedTuple):
    """name: of the window to train on; compared: every other against the default; judgement: what that rests on."""

    name: str
    compared: dict[str, Compared]
    judgement: Judgement


def choose(sums: Mapping[str, Floats], counts: Floats, *, default: str, metric: str, alpha: float) -> Chosen:
    """The default, unless another is shown to have the lower loss on the same calls: then the one with the lowest.

    sums: by window, losses summed per day, shape (days,); counts: calls per day. Each other window is compared with the
    default by a t interval over days, as the offline gate is; one-sided, with Holm's correction over the windows, so that
    the default is given up wrongly with a chance of at most `alpha`. Raises SpecError under 3 days, or for no second window.
    """
    others = [name for name in sums if name != default]
    means = {name: interval(sums[name] - sums[default], counts, alpha=alpha) for name in others}
    raw = np.array([p_below(means[name]) for name in others])
    adjusted = holm(raw, alpha=alpha).adjusted
    compared = {name: Compared(means[name], float(p)) for name, p in zip(others, adjusted, strict=True)}
    better = [name for name in others if compared[name].p <= alpha and compared[name].mean.mean < 0]
    name = min(better, key=lambda one: compared[one].mean.mean, default=default)
    return Chosen(name, compared, _judged(name, compared, sums, counts, default=default, metric=metric, alpha=alpha))


def _judged(
    name: str,
    compared: Mapping[str, Compared],
    sums: Mapping[str, Floats],
    counts: Floats,
    *,
    default: str,
    metric: str,
    alpha: float,
) -> Judgement:
    """The verdict is of the window chosen, or of the one that came nearest to being so."""
    shown = name if name != default else min(compared, key=lambda one: compared[one].p)
    found = compared[shown].mean
    gate = Gate(
        name="window of training",
        question="worth",
        claim="better",
        measure=metric,
        method=f"block t by day, Holm over {len(compared)}",
        margin=0.0,
        alpha=alpha,
        guarantee="calibrated",
    )
    calls = int(counts.sum())
    detail = {f"loss of {one}": float(total.sum() / counts.sum()) for one, total in sums.items()}
    evidence = Evidence(
        estimate=found.mean,
        low=found.low,
        high=found.high,
        n=(calls, calls),
        blocks=found.blocks,
        block="1d",
        lag1=found.lag1,
        values=tuple(float(v) for v in (sums[shown] - sums[default]) / counts),
        detail=detail | {f"p of {one}": item.p for one, item in compared.items()},
    )
    figures = ", ".join(f"{one} {value:.4f}" for one, value in ((w, detail[f"loss of {w}"]) for w in sums))
    over = f"on the same {calls:,} later calls of {found.blocks} days: {metric} {figures}"
    if name == default:
        sentence = f"Trained on {default!r}, for no other window is shown to be better {over}; the nearest, {shown!r}, "
        sentence += f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]."
        return Judgement(ruling=Ruling.UNDECIDED, gate=gate, evidence=evidence, sentence=sentence)
    sentence = (
        f"Trained on {name!r}, which is better than {default!r} {over}; {found.mean:+.4f} [{found.low:+.4f}, "
        f"{found.high:+.4f}], p {compared[name].p:.2g} after Holm."
    )
    return Judgement(ruling=Ruling.PASS, gate=gate, evidence=evidence, sentence=sentence)


def last_break(excess: Floats, *, is_known: bool) -> int | None:
    """The day at which the champion's excess loss rose, as a place in `excess`, shape (n,), oldest first; None where it is
    not shown to have risen.

    is_known: a degradation verdict says that it did, and only the place is asked for; else an e-detector must cross, which
    over days that are alike it does once in RUN_LENGTH or more (METHODS 4; Gaussian tails). The place is where one step
    leaves the least squares (Bai 1997), SPARED days from either end.
    """
    n = excess.size
    if n < 2 * SPARED or not (is_known or _has_risen(excess)):
        return None
    places = np.arange(SPARED, n - SPARED + 1)
    before, whole = np.cumsum(excess)[places - 1], float(excess.sum())
    rise = (whole - before) / (n - places) - before / places
    gain = np.where(rise > 0, rise**2 * places * (n - places) / n, -math.inf)
    best = int(np.argmax(gain))
    return int(places[best]) if math.isfinite(float(gain[best])) else None


def _has_risen(excess: Floats) -> bool:
    usual, later = excess[:REFERENCE], excess[REFERENCE:]
    if usual.size < REFERENCE or not later.size:
        return False
    sd = float(usual.std(ddof=1))
    if sd <= 0:
        return False
    # Days that go together say less than their number, and the mean enters as an upper bound (two standard errors).
    reach = 2 * sd * math.sqrt((1 + max(0.0, lag1(usual))) / (1 - min(0.9, max(0.0, lag1(usual)))) / usual.size)
    _, path = change.after_values(change.start_mean(), later, mean=float(usual.mean()) + reach, sd=sd)
    return bool(path.max() >= math.log(RUN_LENGTH))
