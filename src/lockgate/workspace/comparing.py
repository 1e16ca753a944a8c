"""The door to a comparison: `lockgate.compare`, no workspace needed."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lockgate.assess.compare import Comparison
from lockgate.assess.compare import compare as assess
from lockgate.records import Verdict


def compare(
    champion: Any,
    challenger: Any,
    table: Any,
    *,
    target: str,
    metric: str | Callable[[NDArray[np.float64], NDArray[np.float64]], Any] | None = None,
    direction: Literal["up", "down"] | None = None,
    by: str | None = None,
    time: str | None = None,
    prove: Literal["better", "not worse"] = "better",
    margin: float = 0.0,
    alpha: float = 0.05,
    memory: Literal["independent", "short", "long", "new"] | None = None,
    history: Any = None,
    task: Literal["binary", "multiclass", "regression"] | None = None,
    seed: int = 0,
    slices: Sequence[str] = (),
) -> Verdict:
    """Whether the challenger is better than the champion, or not worse by `margin`, on the same rows.

    champion, challenger: a column of predictions, an array, or a fitted model. table: pandas, Polars, or a mapping.
    A target of words, or task="multiclass", has many classes: predictions are then labels, or chances of shape (n, k) in
    the order of the labels.
    metric: a loss (log_loss, brier, zero_one, absolute_error, squared_error) or a number over many rows (roc_auc,
    average_precision, f1, calibration_error), or a function of (predictions, outcomes) that gives a value per row or one
    number, with its `direction`, "up" or "down" for better; log_loss or absolute_error if left out. by: what is
    independent: "row", "day", "week", or a column; days where one time column spans five of them, if left out. margin: in
    the metric's units.
    memory: None looks once, at all rows. A memory looks after every block and stops at the first that decides, with an
    error rate that holds over all looks: "independent" for blocks independent by design, "short" and "long" with a
    `history` of 20 blocks or more (a table of earlier rows, or their block differences), "new" without one.
    slices: columns whose levels are held to the margin one by one, all of them together, beside the whole.
    Raises SpecError for unknown words, predictions that are none, or too few blocks.

    >>> verdict = compare("old", "new", table, target="late", metric="log_loss", by="day")
    >>> verdict.ruling, verdict.sentence, verdict.evidence.low
    """
    asked = Comparison(
        target=target,
        metric=metric,
        direction=direction,
        by=by,
        time=time,
        prove=prove,
        margin=margin,
        alpha=alpha,
        memory=memory,
        task=task,
        seed=seed,
        slices=tuple(slices),
    )
    return assess(champion, challenger, table, asked, history=history, now_s=clock.time())
