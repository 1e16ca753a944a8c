"""Calls to be answered together: the rows of one request, or a stretch of a table."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import NamedTuple, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from lockgate.features.check import breaks, falls_back, flags_by_row, refuse, sent_rules
from lockgate.features.columns import Columns, length, row_tuples, take
from lockgate.features.request import Held as HeldBy
from lockgate.features.request import Rows
from lockgate.records import Contract
from lockgate.records.duration import UNITS_S
from lockgate.records.prediction import Scalar
from lockgate.serve.completing import Completing

# A question dated so much later than it came has a wrong clock behind it, or a wrong column.
FUTURE_S = UNITS_S["d"]
T = TypeVar("T")


class Late(Sequence[T]):
    """So many values, made all together when the first of them is looked at."""

    def __init__(self, count: int, make: Callable[[], Sequence[T]]) -> None:
        self._count, self._make = count, make
        self._values: Sequence[T] | None = None

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[T]: ...
    def __getitem__(self, at: int | slice) -> T | Sequence[T]:
        if isinstance(at, slice):
            return Late(len(range(*at.indices(self._count))), lambda: self._made()[at])
        return self._made()[at]

    def __iter__(self) -> Iterator[T]:
        return iter(self._made())

    def _made(self) -> Sequence[T]:
        if self._values is None:
            self._values = self._make()
        return self._values


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows that keep the contract. asked_s: shape (n,), seconds since 1970; flags: what a row broke without being
    refused; falls_back: shape (n,), which rows the contract leaves to the fallback; inputs: what the log keeps of each row;
    by_version: what each version makes of the rows, where several contracts are in force.
    Of a table's rows, what is a text or a tuple each is made once it is looked at.
    """

    ids: Sequence[str]
    units: Sequence[str]
    asked_s: NDArray[np.float64]
    columns: Columns
    flags: list[tuple[str, ...]]
    falls_back: NDArray[np.bool_]
    inputs: Sequence[tuple[Scalar, ...]]
    by_version: Mapping[str, HeldBy] = field(default_factory=dict[str, HeldBy])

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.intp]) -> Batch:
        """Some of its rows. rows: shape (k,), their places."""
        numbers: list[int] = rows.tolist()
        return Batch(
            ids=[self.ids[row] for row in numbers],
            units=[self.units[row] for row in numbers],
            asked_s=self.asked_s[rows],
            columns=take(self.columns, rows),
            flags=[self.flags[row] for row in numbers],
            falls_back=self.falls_back[rows],
            inputs=[self.inputs[row] for row in numbers],
            by_version={version: own.take(rows) for version, own in self.by_version.items()},
        )

    def parts(self, rows: int) -> Iterator[Batch]:
        """Stretches of at most that many rows. Ids were given over the whole, so none is given twice."""
        for start in range(0, len(self), rows):
            stretch = slice(start, start + rows)
            yield Batch(
                ids=self.ids[stretch],
                units=self.units[stretch],
                asked_s=self.asked_s[stretch],
                columns={name: values[stretch] for name, values in self.columns.items()},
                flags=self.flags[stretch],
                falls_back=self.falls_back[stretch],
                inputs=self.inputs[stretch],
                by_version={
                    version: HeldBy(own.left[stretch], own.flags[stretch]) for version, own in self.by_version.items()
                },
            )


class Held(NamedTuple):
    """A stretch of a table, held to its contract row by row. batch: the rows that may be asked; places: shape (k,), where
    in the stretch they stand; refused: by place, all that a row breaks which refuses it.
    """

    batch: Batch
    places: NDArray[np.intp]
    refused: dict[int, str]


def from_request(
    rows: Rows,
    contract: Contract,
    *,
    now_s: float,
    places: Iterable[int] | None = None,
    completing: Completing | None = None,
) -> Batch:
    """A request's rows, ids `<request id>-<place>`. A row's unit is the contract's column, else the request's, else the
    row itself. places: of these rows, where they are a part of the request. completing: where the contract has aggregates.
    """
    request = rows.id or rows.drawn or secrets.token_hex(8)
    ids = [f"{request}-{place}" for place in places or range(length(rows.columns))]
    columns, flags, left = rows.columns, rows.flags, rows.falls_back
    if completing is not None:
        columns, flags, left = completing.completed(columns, flags, left, now_s=now_s)
    batch = _batch(columns, flags, left, ids, contract, unit=rows.unit, now_s=now_s)
    return replace(batch, by_version=rows.by_version) if rows.by_version else batch


def from_columns(
    columns: Columns, contract: Contract, *, prefix: str, now_s: float, completing: Completing | None = None
) -> Batch:
    """Rows of a table; ids `<prefix>-<unit>` where units are unique here, else `<prefix>-<place>`. completing: where the
    contract has aggregates, which the table does not hold.

    Raises ContractError naming the column and the row where a row may not be used.
    """
    rows = length(columns)
    found = breaks(columns, contract.sent, sent_rules(contract))
    refuse(found, "Set such rows aside first: lockgate data MODEL TABLE says which they are.")
    ids = [f"{prefix}-{place}" for place in range(rows)]
    flags, left = flags_by_row(found, rows), falls_back(found, rows)
    if completing is not None:
        columns, flags, left = completing.completed(columns, flags, left, now_s=now_s)
    batch = _batch(columns, flags, left, ids, contract, unit=None, now_s=now_s)
    named = set(_named_units(batch.inputs, contract)) - {None}
    return replace(batch, ids=[f"{prefix}-{unit}" for unit in batch.units]) if len(named) == rows else batch


def held(
    columns: Columns,
    contract: Contract,
    *,
    prefix: str,
    first: int,
    now_s: float,
    completing: Completing | None = None,
) -> Held:
    """The rows of a stretch that begins at row `first` of its table; ids `<prefix>-<place in the table>`. completing: where
    the contract has aggregates, which the table does not hold.

    A row that a request would be refused for is set aside, and its neighbours are asked.
    """
    rows = length(columns)
    found = breaks(columns, contract.sent, sent_rules(contract))
    flags, left = flags_by_row(found, rows), falls_back(found, rows)
    is_refused = np.zeros(rows, dtype=bool)
    refused: dict[int, str] = {}
    for item in (item for item in found if item.is_refused):
        is_refused |= item.rows
        for place in np.flatnonzero(item.rows).tolist():
            refused[place] = f"{refused[place]}; {item.flag}" if place in refused else item.flag
    places = np.flatnonzero(~is_refused)
    if refused:
        columns, left, flags = take(columns, places), left[places], [flags[place] for place in places]
    ids: Late[str] = Late(places.size, lambda: [f"{prefix}-{number}" for number in (places + first).tolist()])
    if completing is not None:
        columns, flags, left = completing.completed(columns, flags, left, now_s=now_s)
    return Held(_batch(columns, flags, left, ids, contract, unit=None, now_s=now_s, is_late=True), places, refused)


def _batch(
    columns: Columns,
    flags: list[tuple[str, ...]],
    left: NDArray[np.bool_],
    ids: Sequence[str],
    contract: Contract,
    *,
    unit: str | None,
    now_s: float,
    is_late: bool = False,
) -> Batch:
    def units() -> list[str]:
        return [own or unit or row for own, row in zip(_named_units(inputs, contract), ids, strict=True)]

    rows = len(ids)
    inputs: Sequence[tuple[Scalar, ...]]
    inputs = Late(rows, lambda: row_tuples(columns, contract.asked)) if is_late else row_tuples(columns, contract.asked)
    asked_s = _asked(columns, contract, rows, now_s)
    return Batch(
        ids=ids,
        units=Late(rows, units) if is_late else units(),
        asked_s=asked_s,
        columns=columns,
        flags=_dated(flags, np.flatnonzero(asked_s > now_s + FUTURE_S), contract),
        falls_back=left,
        inputs=inputs,
    )


def _dated(flags: list[tuple[str, ...]], ahead: NDArray[np.intp], contract: Contract) -> list[tuple[str, ...]]:
    """The flags, and one for each row that is dated in the future."""
    found = [*flags] if ahead.size else flags
    for row in ahead:
        found[row] = (*found[row], f"{contract.time}: in the future")
    return found


def _named_units(inputs: Sequence[tuple[Scalar, ...]], contract: Contract) -> list[str | None]:
    """What the unit's column says of each row, as text: 7 and not 7.0, so that requests and tables name it alike."""
    names = [column.name for column in contract.asked]
    if contract.unit not in names:
        return [None] * len(inputs)
    values = map(itemgetter(names.index(contract.unit)), inputs)
    return [value if type(value) is str or value is None else str(value) for value in values]


def _asked(columns: Columns, contract: Contract, rows: int, now_s: float) -> NDArray[np.float64]:
    """When each row was asked; now where the contract names no time, or the row has none."""
    if contract.time not in columns:
        return np.full(rows, now_s)
    asked_s: NDArray[np.float64] = columns[contract.time]
    return np.where(np.isnan(asked_s), now_s, asked_s)
