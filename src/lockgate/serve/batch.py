"""Calls to be answered together: the rows of one request, or a stretch of a table."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import ContractError
from lockgate.features.check import breaks, flags_by_row
from lockgate.features.columns import Columns, length, row_tuples
from lockgate.features.request import Rows, refused
from lockgate.records import Contract
from lockgate.records.prediction import Scalar


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows that keep the contract. asked_s: shape (n,), seconds since 1970; flags: what a row broke without being
    refused; inputs: what the log keeps of each row."""

    ids: list[str]
    units: list[str]
    asked_s: NDArray[np.float64]
    columns: Columns
    flags: list[tuple[str, ...]]
    inputs: list[tuple[Scalar, ...]]

    def __len__(self) -> int:
        return len(self.ids)


def from_request(rows: Rows, contract: Contract, *, now_s: float) -> Batch:
    """A request's rows, ids `<request id>-<place>`. A row's unit is the contract's column, else the request's, else the
    row itself."""
    request = rows.id or secrets.token_hex(8)
    ids = [f"{request}-{place}" for place in range(length(rows.columns))]
    return _batch(rows.columns, rows.flags, ids, contract, unit=rows.unit, now_s=now_s)


def from_columns(columns: Columns, contract: Contract, *, prefix: str, now_s: float) -> Batch:
    """Rows of a table; ids `<prefix>-<unit>` where units are unique here, else `<prefix>-<place>`.

    Raises ContractError naming the column and the row where a row may not be used.
    """
    rows = length(columns)
    found = breaks(columns, contract.asked)
    broken = refused(found)
    if broken is not None:
        row = int(broken.rows.argmax())
        raise ContractError(
            f"Column {broken.column!r} of row {row} is {broken.kind}.",
            cure="Set such rows aside first: lockgate data MODEL TABLE says which they are.",
            column=broken.column,
            row=row,
        )
    named = [str(value) for value in columns[contract.unit]] if contract.unit else []
    places = named if len(set(named)) == rows else [str(place) for place in range(rows)]
    ids = [f"{prefix}-{place}" for place in places]
    return _batch(columns, flags_by_row(found, rows), ids, contract, unit=None, now_s=now_s)


def _batch(
    columns: Columns,
    flags: list[tuple[str, ...]],
    ids: list[str],
    contract: Contract,
    *,
    unit: str | None,
    now_s: float,
) -> Batch:
    if contract.unit:
        units = [str(value) for value in columns[contract.unit]]
    else:
        units = ids if unit is None else [unit] * len(ids)
    asked_s = columns[contract.time] if contract.time else np.full(len(ids), now_s)
    return Batch(
        ids=ids,
        units=units,
        asked_s=asked_s,
        columns=columns,
        flags=flags,
        inputs=row_tuples(columns, contract.asked),
    )
