"""Fitted features: what they say of a row depends on a few numbers learnt on the training rows, and kept with them.

Sums are exact before they are rounded once, so that the same rows give the same parameters on every machine and in any order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from itertools import repeat
from typing import Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.errors import ContractError, SpecError, unknown
from lockgate.features.columns import Columns
from lockgate.features.one_row import Lines
from lockgate.records import Record
from lockgate.records.contract import ColumnType

Floats = NDArray[np.float64]
Learnt = Literal["median", "mean"]
Parameter = TypeVar("Parameter")


class FilledStep(Record, tag="filled", frozen=True, kw_only=True):
    """A number with `value` where it is missing: the median or mean of the training rows, or a constant."""

    column: str
    name: str
    by: Learnt | float
    value: float | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def gives(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def bare(self) -> FilledStep:
        return msgspec.structs.replace(self, value=None)

    def typed(self, types: Mapping[str, ColumnType]) -> FilledStep:
        _refuse_other(self, types, is_text=False)
        return self

    def fitted(self, columns: Columns) -> FilledStep:
        """Raises ContractError naming a column without a value to learn from."""
        if not isinstance(self.by, str):
            return msgspec.structs.replace(self, value=float(self.by))
        present = _present(columns[self.column], self.column, f"{self.by}", "Write by=0, say, or leave it out.")
        found = float(np.median(present)) if self.by == "median" else _mean(present, self.column)
        return msgspec.structs.replace(self, value=found)

    def array(self, columns: Columns) -> Floats:
        values = columns[self.column]
        return np.where(np.isnan(values), self._learnt(), values)

    def line(self, lines: Lines) -> str:
        found = lines.number(self.column)
        return lines.once(f"({found} if {found} == {found} else {lines.keep(self._learnt())})")

    def _learnt(self) -> float:
        return _known(self.value, self.column, "filled")


class ScaledStep(Record, tag="scaled", frozen=True, kw_only=True):
    """A number in standard deviations from its mean, both of the training rows that have a value; missing stays NaN."""

    column: str
    name: str
    mean: float | None = None
    sd: float | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def gives(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def bare(self) -> ScaledStep:
        return msgspec.structs.replace(self, mean=None, sd=None)

    def typed(self, types: Mapping[str, ColumnType]) -> ScaledStep:
        _refuse_other(self, types, is_text=False)
        return self

    def fitted(self, columns: Columns) -> ScaledStep:
        """Raises ContractError naming a column that is missing or one value throughout: it has no scale."""
        present = _present(columns[self.column], self.column, "mean", "Leave it out.")
        mean = _mean(present, self.column)
        with np.errstate(over="ignore"):
            squares = (present - mean) ** 2
        sd = math.sqrt(_sum(squares) / present.size)
        if not 0 < sd < math.inf or present.min() == present.max():
            what = f"is {present[0]:g} in every training row" if sd < math.inf else "varies beyond what a number holds"
            raise ContractError(
                f"Column {self.column!r} {what}, so it cannot be scaled.", cure="Leave it out.", column=self.column
            )
        return msgspec.structs.replace(self, mean=mean, sd=sd)

    def array(self, columns: Columns) -> Floats:
        mean, sd = self._learnt()
        with np.errstate(all="ignore"):
            found: Floats = (columns[self.column] - mean) / sd
        return found

    def line(self, lines: Lines) -> str:
        mean, sd = map(lines.keep, self._learnt())
        return lines.once(f"({lines.number(self.column)} - {mean}) / {sd}")

    def _learnt(self) -> tuple[float, float]:
        return _known(self.mean, self.column, "scaled"), _known(self.sd, self.column, "scaled")


class FrequencyStep(Record, tag="frequency", frozen=True, kw_only=True):
    """The share of the training rows with a value that had this row's level: 0 for one that none had; missing stays NaN."""

    column: str
    name: str
    shares: dict[str, float] | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def gives(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def bare(self) -> FrequencyStep:
        return msgspec.structs.replace(self, shares=None)

    def typed(self, types: Mapping[str, ColumnType]) -> FrequencyStep:
        _refuse_other(self, types, is_text=True)
        return self

    def fitted(self, columns: Columns) -> FrequencyStep:
        """Raises ContractError naming a column that is missing throughout."""
        counts = Counter(value for value in columns[self.column].tolist() if value is not None)
        if not counts:
            raise _all_missing(self.column, "level to count", "Leave it out.")
        rows = counts.total()
        return msgspec.structs.replace(self, shares={level: counts[level] / rows for level in sorted(counts)})

    def array(self, columns: Columns) -> Floats:
        shares, values = self._learnt(), columns[self.column].tolist()
        return np.fromiter(map(shares.get, values, repeat(0.0)), dtype=np.float64, count=len(values))

    def line(self, lines: Lines) -> str:
        return lines.once(f"{lines.keep(self._learnt().get)}({lines.raw(self.column)}, 0.0)")

    def _learnt(self) -> dict[str | None, float]:
        shares = _known(self.shares, self.column, "frequency")
        found: dict[str | None, float] = dict.fromkeys((None,), math.nan)
        found.update(shares.items())
        return found


FittedStep = FilledStep | ScaledStep | FrequencyStep


def filled(column: str, *, by: Learnt | float = "median", name: str | None = None) -> FilledStep:
    """A number that is never missing: by the median or the mean of the training rows, or by a constant. name: of the
    feature; the column's own, if left out.
    """
    if isinstance(by, str) and by not in ("median", "mean"):
        raise SpecError(unknown("way to fill", by, ("median", "mean")), cure="Or give a number.")
    if not isinstance(by, str) and not math.isfinite(by):
        raise SpecError(f"{column!r} cannot be filled with {by}.", cure="Give a finite number.")
    return FilledStep(column=column, name=name or column, by=by if isinstance(by, str) else float(by))


def scaled(column: str, *, name: str | None = None) -> ScaledStep:
    """A number in standard deviations from its mean, both of the training rows. name: the column's own, if left out."""
    return ScaledStep(column=column, name=name or column)


def frequency(column: str, *, name: str | None = None) -> FrequencyStep:
    """How common a text column's level was in training, in [0, 1]. name: "<column>_frequency", if left out, so that it goes
    beside levels(column).
    """
    return FrequencyStep(column=column, name=name or f"{column}_frequency")


def _refuse_other(step: FittedStep, types: Mapping[str, ColumnType], *, is_text: bool) -> None:
    kind = type(step).__name__.removesuffix("Step").lower()
    if step.column not in types:
        raise SpecError(f"{kind}({step.column!r}): {unknown('column', step.column, types)}", place=step.name)
    if (types[step.column] == "text") != is_text:
        wants = "text" if is_text else "numbers"
        raise SpecError(
            f"{kind}({step.column!r}) wants {wants}, and the column is {types[step.column]}.",
            cure="Name another column." if is_text else f"Number its levels: levels({step.column!r}).",
            place=step.name,
        )


def _present(values: Floats, column: str, wanted: str, cure: str) -> Floats:
    present = values[~np.isnan(values)]
    if not present.size:
        raise _all_missing(column, wanted, cure)
    if np.isinf(present).any():
        raise ContractError(
            f"Column {column!r} is infinite in {int(np.isinf(present).sum())} training rows, so it has no {wanted}.",
            cure="Make such values missing where the table is made.",
            column=column,
        )
    return present


def _all_missing(column: str, wanted: str, cure: str) -> ContractError:
    return ContractError(
        f"Column {column!r} is missing in every training row, so it has no {wanted}.", cure=cure, column=column
    )


def _sum(values: Floats) -> float:
    try:
        return math.fsum(values.tolist())
    except OverflowError:
        return math.inf


def _mean(values: Floats, column: str) -> float:
    found = _sum(values) / values.size
    if not math.isfinite(found):
        raise ContractError(
            f"The numbers of column {column!r} add up to more than a number holds.",
            cure="Use its logarithm.",
            column=column,
        )
    return found


def _known(value: Parameter | None, column: str, kind: str) -> Parameter:
    if value is None:
        raise SpecError(f"{kind}({column!r}) is not fitted.", cure="Call fit on the training rows first.")
    return value
