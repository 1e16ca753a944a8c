"""What two arms said of the same rows: from columns, arrays, or models that predict."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.assess import tables
from lockgate.errors import SpecError

Floats = NDArray[np.float64]


def predictions(source: Any, table: tables.Table, *, target: str, task: str, arm: str) -> Floats:
    """One value per row, finite; for a binary task the chance of 1.

    source: a column's name, an array as long as the table, or a fitted model with `predict_proba` or `predict`, which is
    given the columns it was fitted on where it names them, else all but the target.
    Raises SpecError naming the arm where the values cannot be predictions.
    """
    values = tables.numbers(table, source) if isinstance(source, str) else _called(source, table, target, task)
    rows = tables.column(table, target).size
    if values.shape != (rows,):
        raise SpecError(f"The {arm} gave values of shape {values.shape} for {rows} rows.", cure="One value per row.")
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise SpecError(f"The {arm} said {values[row]} of row {row}.", cure="Only finite predictions can be compared.")
    if task == "binary" and not ((values >= 0) & (values <= 1)).all():
        row = int(np.flatnonzero((values < 0) | (values > 1))[0])
        raise SpecError(
            f"The {arm} said {values[row]:g} of row {row}, which is no chance.", cure="Give the chance of 1, in [0, 1]."
        )
    return values


def _called(source: Any, table: tables.Table, target: str, task: str) -> Floats:
    ask = getattr(source, "predict_proba", None) if task == "binary" else None
    ask = ask or getattr(source, "predict", None)
    if ask is None:
        return np.asarray(source, dtype=np.float64)
    named = getattr(source, "feature_names_in_", None)
    names = [str(n) for n in named] if named is not None else [n for n in tables.columns(table) if n != target]
    for name in names:
        tables.column(table, name)
    found = np.asarray(ask(table[names]), dtype=np.float64)
    return found[:, 1] if found.ndim == 2 and found.shape[1] == 2 else found
