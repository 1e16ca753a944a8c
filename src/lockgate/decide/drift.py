"""Drift: how far the inputs stand from the reference window, ranked by what the model makes of them."""

from __future__ import annotations

import numpy as np

from lockgate.decide.judgement import Judgement
from lockgate.records import Evidence, Gate, Profile, Record, Ruling
from lockgate.stats.distance import total_variation

_SCALED = ("number", "category", "boolean")


class Shift(Record, frozen=True, kw_only=True):
    """One column: total variation to the reference in [0, 1], the model's importance in [0, 1], and their product."""

    column: str
    distance: float
    importance: float
    weight: float


def shifts(reference: Profile, window: Profile) -> tuple[Shift, ...]:
    """Every number, category and boolean that both profiles hold, the most consequential first; ties by distance."""
    found = [
        _shift(column.name, np.array(column.counts), np.array(now.counts), reference.importance)
        for column in reference.columns
        if column.role == "input" and column.kind in _SCALED and (now := window.column(column.name)) is not None
    ]
    return tuple(sorted(found, key=lambda shift: (shift.weight, shift.distance), reverse=True))


def _shift(name: str, before: np.ndarray, after: np.ndarray, importance: dict[str, float]) -> Shift:
    distance = total_variation(before, after)
    used = importance.get(name, 0.0)
    return Shift(column=name, distance=distance, importance=used, weight=distance * used)


def drift(shift: Shift, *, bar: float) -> Judgement:
    """A person is told of a column only when its distance times its importance reaches `bar`."""
    is_told = shift.weight >= bar
    gate = Gate(
        name=f"drift of {shift.column}",
        question="harm",
        claim="drifted",
        measure=shift.column,
        method="total variation x importance",
        margin=bar,
        alpha=None,
        guarantee="not measured",
    )
    evidence = Evidence(
        estimate=shift.distance, detail={"importance": shift.importance, "weight": shift.weight, "bar": bar}
    )
    if is_told:
        tail = "it leans on this column, so look at the calls."
    elif not shift.importance:
        tail = "the champion does not use it, so nobody is called."
    else:
        tail = "too little for the champion to matter, so nobody is called."
    sentence = (
        f"{shift.column} moved by {shift.distance:.2f} of 1 from its reference; the champion's use of it is "
        f"{shift.importance:.1%}: {tail}"
    )
    return Judgement(
        ruling=Ruling.FAIL if is_told else Ruling.UNDECIDED, gate=gate, evidence=evidence, sentence=sentence
    )
