"""The outcome as numbers: 0 or 1, the place of a class, or a value. Labels are text, the same from a table or a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import ContractError
from lockgate.features.columns import Columns
from lockgate.features.pipeline import Floats
from lockgate.records import Column, Contract
from lockgate.records.spec import Task

MANY_CLASSES = 200
_BOOLEANS = {"true": "1", "false": "0"}


def label(value: Any) -> str:
    """One class as text: whole numbers without a fraction, booleans as 1 and 0, so that 1, 1.0 and True are one class."""
    if isinstance(value, str):
        return value
    number = float(value)
    return str(int(number)) if number.is_integer() else repr(number)


def canonical(classes: Iterable[str], column: Column) -> tuple[str, ...]:
    """A model's own labels, written as this outcome's column writes them."""
    if column.type == "text":
        return tuple(classes)
    found: list[str] = []
    for name in classes:
        text = _BOOLEANS.get(name.lower(), name)
        try:
            found.append(label(float(text)))
        except ValueError:
            found.append(text)
    return tuple(found)


def labels(own: tuple[str, ...], seen: tuple[str, ...]) -> tuple[str, ...]:
    """The labels of a model's chances. own: as its file says; seen: as they occur in a table, in order.

    A file that only counts its classes, 0 to k - 1, takes the table's labels, when there are as many and none is such a
    number: libraries number classes in the order of their labels.
    """
    is_counted = own == tuple(str(place) for place in range(len(own)))
    return seen if is_counted and len(seen) == len(own) and not set(seen) & set(own) else own


def classes_of(contract: Contract, columns: Columns, task: Task) -> tuple[str, ...]:
    """The labels that occur, in order; () for a regression.

    Raises ContractError where there is one class only, or a number of them that fits the task ill.
    """
    if task == "regression":
        return ()
    values = columns[contract.target]
    known = [label(value) for value in sorted(_distinct(values))]
    if len(known) < 2:
        raise ContractError(
            f"All rows with an outcome have {contract.target} = {known[0] if known else '-'}: there is nothing to learn.",
            cure="Bring rows of at least two classes, or another target.",
            column=contract.target,
        )
    if task == "binary" and len(known) > 2:
        raise ContractError(
            f"{contract.target!r} holds {len(known)} values ({_few(known)}), and the task is binary.",
            cure='Write task = "multiclass" or "regression", or make the target 0 and 1.',
            column=contract.target,
        )
    if len(known) > MANY_CLASSES:
        raise ContractError(
            f"{contract.target!r} holds {len(known):,} values, too many to be classes.",
            cure='Write task = "regression", or pool the rare ones.',
            column=contract.target,
        )
    return tuple(known)


def outcome(contract: Contract, columns: Columns, task: Task, classes: Sequence[str]) -> Floats:
    """Shape (n,): the value, or the class's place in `classes`; NaN where the outcome is missing.

    Raises ContractError naming the first row whose class is not among them.
    """
    found = outcome_or_unseen(contract, columns, task, classes)
    unseen = np.flatnonzero(found < 0) if task != "regression" else np.empty(0, dtype=np.int64)
    if unseen.size:
        row = int(unseen[0])
        value = label(columns[contract.target][row])
        raise ContractError(
            f"{contract.target!r} is {value!r} in row {row}, a class never seen in training; known: {_few(classes)}.",
            cure="Leave those rows out, or train again with them.",
            column=contract.target,
            row=row,
        )
    return found


def outcome_or_unseen(contract: Contract, columns: Columns, task: Task, classes: Sequence[str]) -> Floats:
    """As `outcome`, with -1 for a class that is not among `classes`."""
    values = columns[contract.target]
    if task == "regression":
        return np.asarray(values, dtype=np.float64)
    place = {name: float(number) for number, name in enumerate(classes)}
    of_value = {value: place.get(label(value), -1.0) for value in _distinct(values)}
    # What is missing is not among the values: a NaN is equal to none, not even to itself.
    return np.fromiter(map(of_value.get, values.tolist(), repeat(np.nan)), dtype=np.float64, count=values.size)


def _distinct(values: NDArray[Any]) -> set[Any]:
    """What occurs, but for None and NaN."""
    return {value for value in set(values.tolist()) if value is not None and value == value}


def one_hot(outcomes: NDArray[np.float64], classes: int) -> Floats:
    """Shape (n, classes): 1 at each row's class."""
    made = np.zeros((outcomes.size, classes))
    made[np.arange(outcomes.size), outcomes.astype(np.int64)] = 1.0
    return made


def _few(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
