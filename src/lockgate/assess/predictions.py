"""What two arms said of the same rows: from columns, arrays, or models that predict."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.assess import tables
from lockgate.errors import SpecError
from lockgate.features.outcome import label

Floats = NDArray[np.float64]

_SUM = 1e-3  # chances written with few digits add up to 1 no better


def predictions(
    source: Any, table: tables.Table, *, target: str, task: str, arm: str, classes: tuple[str, ...] = ()
) -> Floats:
    """One value per row, finite; for a binary task the chance of 1, of many classes their chances, shape (n, k).

    source: a column's name, an array as long as the table, or a fitted model with `predict_proba` or `predict`, which is
    given the columns it was fitted on where it names them, else all but the target. Of many classes a column or an array
    of labels will do: a decision is all chance on one class.
    Raises SpecError naming the arm where the values cannot be predictions.
    """
    rows = tables.column(table, target).size
    if classes:
        return _checked_chances(_of_classes(source, table, target, classes), rows, arm, classes)
    values = tables.numbers(table, source) if isinstance(source, str) else _called(source, table, target, task)
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


def labels(table: tables.Table, target: str, models: tuple[Any, ...]) -> tuple[str, ...]:
    """The classes as text, in order: those that happen, and those that the models know. Raises SpecError under two."""
    found = dict.fromkeys(sorted(set(_words(table, target)), key=_in_order))
    for model in models:
        found |= dict.fromkeys(label(name) for name in getattr(model, "classes_", ()))
    if len(found) < 2:
        raise SpecError(f"All rows have {target} = {next(iter(found), None)}.", cure="Compare on rows of two classes.")
    return tuple(sorted(found, key=_in_order))


def places(table: tables.Table, target: str, classes: tuple[str, ...]) -> Floats:
    """Each row's class as its place in `classes`; -1 for one that is not among them."""
    place = {name: float(at) for at, name in enumerate(classes)}
    return np.array([place.get(word, -1.0) for word in _words(table, target)])


def _words(table: tables.Table, name: str) -> list[str]:
    values = tables.column(table, name).tolist()
    missing = [row for row, value in enumerate(values) if value is None or value != value]
    if missing:
        raise SpecError(
            f"{name} is missing in row {missing[0]} ({len(missing)} rows in all).",
            cure="Leave those rows out, and say how many.",
        )
    return [label(value) for value in values]


def _in_order(name: str) -> tuple[bool, float, str]:
    """Numbers by size before words by letter: as libraries order the classes of a model."""
    try:
        return False, float(name), name
    except ValueError:
        return True, 0.0, name


def _of_classes(source: Any, table: tables.Table, target: str, classes: tuple[str, ...]) -> Floats:
    if isinstance(source, str):
        return _hot(places(table, source, classes), len(classes))
    ask = getattr(source, "predict_proba", None)
    given = ask or getattr(source, "predict", None)
    said = np.asarray(source if given is None else given(_asked(source, table, target)))
    if said.ndim == 1:
        return _hot(places({target: said}, target, classes), len(classes))
    named = [label(name) for name in getattr(source, "classes_", classes)]
    if said.ndim != 2 or said.shape[1] != len(named):
        return said.astype(np.float64)
    found = np.zeros((said.shape[0], len(classes)))
    found[:, [classes.index(name) for name in named]] = said
    return found


def _hot(place: Floats, count: int) -> Floats:
    """All chance on the label that was said; none at all on one that is no class."""
    found = np.zeros((place.size, count))
    known = np.flatnonzero(place >= 0)
    found[known, place[known].astype(np.int64)] = 1.0
    return found


def _checked_chances(values: Floats, rows: int, arm: str, classes: tuple[str, ...]) -> Floats:
    if values.shape != (rows, len(classes)):
        raise SpecError(
            f"The {arm} gave values of shape {values.shape} for {rows} rows of {len(classes)} classes.",
            cure=f"Give a label per row, or a chance for each of: {', '.join(classes[:6])}.",
        )
    is_bad = ~np.isfinite(values).all(axis=1)
    if not is_bad.any():
        is_bad = (values < 0).any(axis=1) | (values.sum(axis=1) > 1 + _SUM)
    if is_bad.any():
        row = int(is_bad.argmax())
        raise SpecError(
            f"The {arm} said {values[row].tolist()} of row {row}, which are no chances.",
            cure="Give numbers in [0, 1] that add up to 1.",
        )
    return values


def _called(source: Any, table: tables.Table, target: str, task: str) -> Floats:
    ask = getattr(source, "predict_proba", None) if task == "binary" else None
    ask = ask or getattr(source, "predict", None)
    if ask is None:
        return np.asarray(source, dtype=np.float64)
    found = np.asarray(ask(_asked(source, table, target)), dtype=np.float64)
    return found[:, 1] if found.ndim == 2 and found.shape[1] == 2 else found


def _asked(source: Any, table: tables.Table, target: str) -> tables.Table:
    named = getattr(source, "feature_names_in_", None)
    names = [str(n) for n in named] if named is not None else [n for n in tables.columns(table) if n != target]
    for name in names:
        tables.column(table, name)
    return table[names]
