"""Degradation: is the champion less skilful than in its reference window, against each day's own base rate?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.judgement import Judgement
from lockgate.records import Evidence, Gate, Ruling
from lockgate.stats import glst
from lockgate.stats.block_t import lag1

Floats = NDArray[np.float64]
CHAMPIONS = 20.0  # up to here the rate was measured (METHODS 3: GLS-t at alpha .05)


def decay(
    *, reference_skill: float, tolerance: float, loss: Floats, base_loss: Floats, champions: float = CHAMPIONS
) -> Judgement:
    """Whether skill has fallen by more than `tolerance` below the reference, over the blocks since then.

    loss, base_loss: shape (n,), mean per call of the champion and of the day's own base rate. The difference per day is
    loss - (1 - reference_skill + tolerance) * base_loss: positive where the day's skill is under the bar. A raw loss
    would call a quiet season the best one. champions: how many of them there are to be for each that is called decayed
    and is not, CHAMPIONS at least: the test runs over a champion's whole life.
    """
    bar, line = reference_skill - tolerance, math.log(max(CHAMPIONS, champions))
    excess = loss - (1 - bar) * base_loss
    path = glst.log_e(excess, memory="new")
    log_e = float(path[-1]) if path.size else 0.0
    now = 1 - float(loss.sum() / base_loss.sum()) if loss.size and base_loss.sum() > 0 else reference_skill
    has_decayed = bool(path.size) and float(path.max()) >= line
    gate = Gate(
        name="degradation",
        question="worth",
        claim="degraded",
        measure="skill",
        method="GLS-t by 1d, memory new",
        margin=tolerance,
        alpha=None,
        guarantee="not measured",
    )
    evidence = Evidence(
        estimate=now - reference_skill,
        log_e=log_e,
        blocks=int(excess.size),
        block="1d",
        lag1=lag1(excess) if excess.size > 2 else None,
        path=tuple(float(v) for v in path),
        values=tuple(float(v) for v in excess),
        detail={"skill": now, "reference_skill": reference_skill, "line": line},
    )
    word = "has fallen" if has_decayed else "is not shown to have fallen"
    margin = f" by more than {tolerance:.3f}" if tolerance else ""
    sentence = (
        f"Skill {word}{margin}: {now:.3f} over the last {excess.size} days against "
        f"{reference_skill:.3f} when it was made; evidence {math.exp(min(log_e, 700)):,.3g} of {math.exp(line):,.3g}."
    )
    return Judgement(
        ruling=Ruling.FAIL if has_decayed else Ruling.UNDECIDED, gate=gate, evidence=evidence, sentence=sentence
    )
