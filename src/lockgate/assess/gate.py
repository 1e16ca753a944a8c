"""The offline gate: a version against its baseline and the champion, on the same held-out rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lockgate.assess.slices import parts
from lockgate.decide import slices
from lockgate.decide.judgement import Judgement
from lockgate.decide.offline import offline_gate
from lockgate.errors import SpecError, unknown
from lockgate.features.columns import Columns, take
from lockgate.features.contract import to_columns
from lockgate.features.pipeline import Floats
from lockgate.metrics import Loss, loss
from lockgate.records import Contract, ModelSpec, Verdict, Version
from lockgate.records.duration import UNITS_S
from lockgate.runtime.predictor import Predictor

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, kw_only=True)
class GateQuestion:
    """others: "baseline" and, where there is one, "champion" -> its predictor."""

    version: Version
    spec: ModelSpec
    contract: Contract
    table: pl.DataFrame
    predictor: Predictor
    others: Mapping[str, Predictor]
    now_s: float


def gate(question: GateQuestion) -> list[Verdict]:
    """A verdict against each of the others, by day blocks over the rows that the version never trained on.

    Losing to the baseline fails, whatever the champion did. Raises SpecError under 3 held-out days.
    """
    rows, asked = _held_out(question)
    target = rows[question.contract.target]
    measure = loss(question.spec.metric, question.spec.task)
    own = measure.of(question.predictor.predict(rows).values, target)
    found: list[Verdict] = []
    for name, other in question.others.items():
        theirs = measure.of(other.predict(rows).values, target)
        judged = _judge(question, measure, name, own - theirs, asked)
        found.append(_verdict(question, judged, other.version, float(asked.max())))
        if question.spec.gate.slices:
            judged = _slices(question, measure, name, own - theirs, rows, asked)
            found.append(_verdict(question, judged, other.version, float(asked.max())))
    return found


def _slices(
    question: GateQuestion, measure: Loss, against: str, difference: Floats, rows: Columns, asked: Floats
) -> Judgement:
    spec = question.spec.gate
    named = {name: np.array([str(value) for value in _slice_column(rows, name).tolist()]) for name in spec.slices}
    found = slices.slices(
        parts(named, difference, np.floor(asked / UNITS_S["d"])), margin=spec.not_worse_by, alpha=spec.alpha
    )
    return slices.gate(found, metric=measure.name, against=against, margin=spec.not_worse_by, alpha=spec.alpha)


def _slice_column(rows: Columns, name: str) -> NDArray[Any]:
    if name not in rows:
        raise SpecError(unknown("column", name, rows), cure="gate.slices names columns of the contract.")
    return rows[name]


def _held_out(question: GateQuestion) -> tuple[Columns, Floats]:
    contract = question.contract
    if contract.time is None or question.version.held_out_from_s is None:
        raise SpecError(f"{question.version.short} has no held-out rows.", cure="Train it again with a time column.")
    columns = to_columns(question.table, contract.columns)
    is_in = (columns[contract.time] >= question.version.held_out_from_s) & ~np.isnan(columns[contract.target])
    rows = take(columns, np.flatnonzero(is_in))
    return rows, rows[contract.time]


def _judge(question: GateQuestion, measure: Loss, against: str, difference: Floats, asked: Floats) -> Judgement:
    day = np.floor(asked / UNITS_S["d"]).astype(np.int64)
    _, index = np.unique(day, return_inverse=True)
    return offline_gate(
        question.spec.gate,
        metric=measure.name,
        against=against,
        better_by=question.spec.gate.better_by,
        sums=np.bincount(index, weights=difference).astype(np.float64),
        counts=np.bincount(index).astype(np.float64),
        call_variance=float(difference.var()),
    )


def _verdict(question: GateQuestion, judged: Judgement, other: str, at_s: float) -> Verdict:
    subject = (question.version.id, other)
    named = "\x1f".join((question.version.model, *subject, judged.gate.name))
    return Verdict(
        id=f"v{hashlib.blake2b(named.encode(), digest_size=4).hexdigest()}",
        model=question.version.model,
        ruling=judged.ruling,
        gate=judged.gate,
        evidence=judged.evidence,
        subject=subject,
        sentence=judged.sentence,
        at_s=at_s,
        written_s=question.now_s,
    )
