"""The offline gate: a version against its baseline and the champion, on the same held-out rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lockgate.assess.estimate import Arms, estimate
from lockgate.assess.slices import parts
from lockgate.decide import slices
from lockgate.decide.judgement import Judgement
from lockgate.decide.offline import offline_gate, ruled
from lockgate.errors import SpecError, unknown
from lockgate.features.columns import Columns, take
from lockgate.features.contract import to_columns
from lockgate.features.held_out import is_held_out
from lockgate.features.outcome import outcome, outcome_or_unseen
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


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """The held-out rows with an outcome. block: what is independent, None for the rows themselves; length: in words;
    at_s: event time of the last of them.
    """

    columns: Columns
    outcome: Floats
    block: NDArray[Any] | None
    length: str
    at_s: float


def gate(question: GateQuestion) -> list[Verdict]:
    """A verdict against each of the others, over the rows that the version never trained on: by day where there is a
    time, by the column that was held out together, else by row.

    Losing to the baseline fails, whatever the champion did. Raises SpecError under 3 held-out blocks.
    """
    rows = _held_out(question)
    measure = loss(question.spec.judged_by, question.spec.task)
    own = question.predictor.predict(rows.columns).values
    found: list[Verdict] = []
    for name, other in question.others.items():
        arms = Arms(
            champion=other.predict(rows.columns).values,
            challenger=own,
            outcome=rows.outcome,
            block=rows.block,
            length=rows.length,
        )
        difference = measure.of(arms.challenger, arms.outcome) - measure.of(arms.champion, arms.outcome)
        judged = [_judge(question, measure, name, arms, difference)]
        if question.spec.gate.slices:
            judged.append(_slices(question, measure, name, difference, rows))
        found += [_verdict(question, item, other.version, rows.at_s) for item in judged]
    return found


def _held_out(question: GateQuestion) -> _Rows:
    contract, held_out = question.contract, question.version.held_out
    if held_out is None:
        raise SpecError(
            f"Nobody knows which rows {question.version.short} never saw, so none can judge it.",
            cure="Train it here, or check it on a table it never saw: lockgate check.",
        )
    columns = to_columns(question.table, contract.columns)
    came = _outcome(columns, question)
    is_in = is_held_out(columns, held_out, contract.time) & ~np.isnan(came)
    rows = np.flatnonzero(is_in)
    if not rows.size:
        raise SpecError(
            f"No held-out row of {question.version.short} has an outcome.", cure="Bring the outcomes first."
        )
    kept = take(columns, rows)
    at_s = float(np.nanmax(kept[contract.time])) if contract.time else question.now_s
    if held_out.kind == "group" and held_out.by is not None:
        labels = np.array([str(value) for value in kept[held_out.by].tolist()])
        return _Rows(columns=kept, outcome=came[rows], block=labels, length=held_out.by, at_s=at_s)
    day = np.floor(kept[contract.time] / UNITS_S["d"]).astype(np.int64) if contract.time else None
    return _Rows(columns=kept, outcome=came[rows], block=day, length="day" if contract.time else "row", at_s=at_s)


def _outcome(columns: Columns, question: GateQuestion) -> Floats:
    """As numbers. A class that the model does not know stays in, and no answer to it is right; of two there is no third."""
    task, classes = question.spec.task, question.predictor.manifest.classes
    if task == "multiclass":
        return outcome_or_unseen(question.contract, columns, task, classes)
    return outcome(question.contract, columns, task, classes or ("0", "1"))


def _judge(question: GateQuestion, measure: Loss, against: str, arms: Arms, difference: Floats) -> Judgement:
    spec = question.spec.gate
    if arms.length != "day" or arms.block is None:
        found = estimate(measure, arms, alpha=spec.alpha, seed=question.spec.seed)
        return ruled(
            found._replace(over=f"{found.over} held out"),
            metric=measure.name,
            against=against,
            claim="better",
            margin=spec.better_by,
            alpha=spec.alpha,
        )
    _, index = np.unique(arms.block, return_inverse=True)
    return offline_gate(
        spec,
        metric=measure.name,
        against=against,
        better_by=spec.better_by,
        sums=np.bincount(index, weights=difference).astype(np.float64),
        counts=np.bincount(index).astype(np.float64),
        call_variance=float(difference.var()),
    )


def _slices(question: GateQuestion, measure: Loss, against: str, difference: Floats, rows: _Rows) -> Judgement:
    spec = question.spec.gate
    named = {name: _levels(rows.columns, name) for name in spec.slices}
    found = slices.slices(parts(named, difference, rows.block), margin=spec.not_worse_by, alpha=spec.alpha)
    return slices.gate(found, metric=measure.name, against=against, margin=spec.not_worse_by, alpha=spec.alpha)


def _levels(rows: Columns, name: str) -> NDArray[Any]:
    if name not in rows:
        raise SpecError(unknown("column", name, rows), cure="gate.slices names columns of the contract.")
    return np.array([str(value) for value in rows[name].tolist()])


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
