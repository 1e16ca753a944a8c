"""What came of a unit, by a metric of the business: an outcome whose id names unit, metric and moment, and no prediction.

The log holds it beside the outcomes of calls, in the same segments and tables. The moment is part of the id, so what is told
twice counts once, and what is told anew corrects.
"""

from __future__ import annotations

from typing import NamedTuple

from lockgate.records.prediction import Outcome

MARK = "\x1f"  # no prediction's id begins so: nobody may tell an outcome of one that does


class OfUnit(NamedTuple):
    unit: str
    metric: str


def unit_outcome(unit: str, metric: str, value: float, at_s: float, *, model: str, received_s: float) -> Outcome:
    """at_s: when it happened, seconds since 1970."""
    name = MARK.join(("", metric, f"{at_s:.6f}", unit))
    return Outcome(id=name, model=model, value=value, at_s=at_s, received_s=received_s)


def is_of_unit(name: str) -> bool:
    """Whether an outcome of that id is of a unit."""
    return name.startswith(MARK)


def of_unit(outcome: Outcome) -> OfUnit:
    """Whose it is; only of ids that `is_of_unit`."""
    _, metric, _, unit = outcome.id.split(MARK, 3)
    return OfUnit(unit, metric)
