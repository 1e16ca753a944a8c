"""Degradation: is the champion less skilful than in its reference window, against each day's own base rate?

Two tests on the same days; how often each may be wrong is the asker's to say. The block test for worth (GLS-t) asks whether
skill was too low over a champion's whole life; the e-detector (`stats.risen`) whether it has been since some day that nobody
can name. A decay that was there from the first day is found by the first, one that comes after good months by the second,
in a third of the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.judgement import Judgement
from lockgate.metrics.figures import named, rounded
from lockgate.records import Evidence, Gate, Ruling
from lockgate.stats import glst, risen
from lockgate.stats.block_t import lag1

Floats = NDArray[np.float64]
CHAMPIONS = 20.0  # up to here the rate was measured (METHODS 3: GLS-t at alpha .05)
DAYS = 1_000.0


class _Test(NamedTuple):
    """method: in words; path: log evidence after each day; line: where it decides; since: the first day it speaks of."""

    method: str
    path: Floats
    line: float
    since: int

    @property
    def log_e(self) -> float:
        return float(self.path[-1]) if self.path.size else 0.0

    @property
    def has_crossed(self) -> bool:
        return bool(self.path.size) and float(self.path.max()) >= self.line


def decay(
    *,
    reference_skill: float,
    tolerance: float,
    loss: Floats,
    base_loss: Floats,
    champions: float = CHAMPIONS,
    days: float = DAYS,
    starts_s: Sequence[float] | None = None,
    metric: str = "loss",
    block: str = "1d",
) -> Judgement:
    """Whether skill has fallen by more than `tolerance` below the reference, over all days or since one of them.

    loss, base_loss: shape (n,), mean per call of the champion and of the day's own base rate. The difference per day is
    loss - (1 - reference_skill + tolerance) * base_loss: positive where the day's skill is under the bar. A raw loss
    would call a quiet season the best one. champions: how many of them there are to be for each that the block test calls
    decayed and is not, CHAMPIONS at least: it runs over a champion's whole life. days: to a false alarm of the e-detector,
    on average. starts_s: when each day began, for the sentence; metric: what the loss is. block: what stands for a day.
    """
    bar = reference_skill - tolerance
    excess = loss - (1 - bar) * base_loss
    tests = (_over_life(excess, champions, block), _since_some_day(excess, days, block))
    # The one that decides; else the one that is nearest to its line.
    test = max(tests, key=lambda one: (one.has_crossed, one.log_e / one.line))
    now = _skill(loss[test.since :], base_loss[test.since :], reference_skill)
    gate = Gate(
        name="degradation",
        question="worth",
        claim="degraded",
        measure="skill",
        method=test.method,
        margin=tolerance,
        alpha=None,
        guarantee="calibrated",
    )
    evidence = Evidence(
        estimate=now - reference_skill,
        log_e=test.log_e,
        blocks=int(excess.size),
        block=block,
        lag1=lag1(excess) if excess.size > 2 else None,
        since_s=None if starts_s is None or not excess.size else float(starts_s[test.since]),
        path=tuple(float(v) for v in test.path),
        values=tuple(float(v) for v in excess),
        detail={"skill": now, "reference_skill": reference_skill, "line": test.line}
        | _raw(loss, base_loss, test.since),
    )
    word = "has fallen" if test.has_crossed else "is not shown to have fallen"
    margin = f" by more than {tolerance:.3f}" if tolerance else ""
    unit = "days" if block == "1d" else f"blocks of {block}"
    sentence = (
        f"Skill {word}{margin}: {now:.3f} over the last {excess.size - test.since} {unit}{_from(test, starts_s)} against "
        f"{reference_skill:.3f} when it was made{_told_raw(loss, test, metric, unit)}; "
        f"evidence {math.exp(min(test.log_e, 700)):,.3g} of {math.exp(test.line):,.3g}."
    )
    return Judgement(
        ruling=Ruling.FAIL if test.has_crossed else Ruling.UNDECIDED, gate=gate, evidence=evidence, sentence=sentence
    )


def _over_life(excess: Floats, champions: float, block: str) -> _Test:
    path = glst.log_e(excess, memory="new")
    return _Test(f"GLS-t by {block}, memory new", path, math.log(max(CHAMPIONS, champions)), 0)


def _since_some_day(excess: Floats, days: float, block: str) -> _Test:
    found = risen.rise(excess)
    return _Test(f"e-detector on losses by {block}", found.log_m, math.log(max(2.0, days)), found.since or 0)


def _skill(loss: Floats, base_loss: Floats, reference: float) -> float:
    return 1 - float(loss.sum() / base_loss.sum()) if loss.size and base_loss.sum() > 0 else reference


def _raw(loss: Floats, base_loss: Floats, since: int) -> dict[str, float]:
    """The mean loss and the base rate's own, since that day and before it."""
    found: dict[str, float] = {}
    for name, part in (("", slice(since, None)), (" before", slice(0, since))):
        if loss[part].size:
            found |= {f"loss{name}": float(loss[part].mean()), f"base loss{name}": float(base_loss[part].mean())}
    return found


def _from(test: _Test, starts_s: Sequence[float] | None) -> str:
    if starts_s is None or not test.path.size:
        return ""
    return f", from {datetime.fromtimestamp(starts_s[test.since], UTC):%Y-%m-%d} on,"


def _told_raw(loss: Floats, test: _Test, metric: str, unit: str) -> str:
    """The raw metric beside the skill: where it moved the other way, the base rate moved it."""
    if not loss.size:
        return ""
    now = rounded(float(loss[test.since :].mean()))
    before = f", {rounded(float(loss[: test.since].mean()))} on the {test.since} {unit} before" if test.since else ""
    return f" (raw {named(metric)} {now}{before})"
