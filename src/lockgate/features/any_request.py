"""A request while several contracts are in force: a row is read where any version that may answer takes it, and what each of
them makes of it is told apart. Needs numpy and msgspec alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.errors import ContractError
from lockgate.features.check import Break, breaks, falls_back, flags_by_row, sent_rules
from lockgate.features.columns import Columns
from lockgate.features.differing import merged
from lockgate.features.request import TYPES, Held, Plain, RequestType, Rows, decoder
from lockgate.records import Contract

_CURE = "No version that may answer takes it; GET the model's metadata for what the champion takes."


class _Taken(NamedTuple):
    """What one version's contract makes of rows. refusals: the breaks that keep it from a row; soft: flags by row."""

    refusals: list[Break]
    left: NDArray[np.bool_]
    soft: list[tuple[str, ...]]


class AnyRequest(RequestType):
    """Decodes requests for several contracts at once. contracts: by version, the champion's among them; readers: the
    versions whose rows are read, in whose order a row that none of them takes is judged.
    """

    def __init__(self, contracts: Mapping[str, Contract], champion: str, readers: Collection[str]) -> None:
        own = contracts[champion]
        super().__init__(merged([own, *(contracts[name] for name in readers if name != champion)]))
        self._of_champion = RequestType(own)
        self._champion, self._readers = champion, tuple(readers)
        self._takers = {name: _Taker(contract) for name, contract in contracts.items()}
        types = tuple(TYPES[column.type] | None | msgspec.UnsetType for column in self.asked)
        self._any = decoder(self.asked, types, default=msgspec.UNSET)

    def plain(self, body: bytes) -> Plain | None:
        """Rows that the champion's own contract takes as they are; whether they may be answered so is not known here."""
        return self._of_champion.plain(body)

    def decode(self, body: bytes) -> Rows:
        return self._told_apart(self._read_wide(self._any.decode, body))

    def hold(self, rows: Sequence[object], *, unit: str | None = None, request: str | None = None) -> Rows:
        sent = {"rows": [self._plain(row) for row in rows], "unit": unit, "id": request}
        return self._told_apart(self._read_wide(partial(msgspec.convert, type=self._any.type), sent))

    def _told_apart(self, request: Any) -> Rows:
        if not request.rows:
            raise ContractError("The request holds no rows.", cure='Send {"rows": [{...}]} with at least one row.')
        sent = [msgspec.structs.astuple(row) for row in request.rows]
        absent = {
            column.name: np.array([value is msgspec.UNSET for value in values], dtype=bool)
            for column, values in zip(self.asked, zip(*sent, strict=True), strict=True)
            if msgspec.UNSET in values
        }
        rows = [tuple(None if value is msgspec.UNSET else value for value in row) for row in sent] if absent else sent
        columns = self._columns(rows)
        taken = {name: taker.take(columns, absent, len(rows)) for name, taker in self._takers.items()}
        self._refuse_lost(taken, len(rows))
        soft = taken[self._champion].soft
        return Rows(
            columns,
            soft,
            request.unit,
            request.id,
            np.zeros(len(rows), dtype=bool),
            {name: self._held_by(name, found, columns, absent, soft) for name, found in taken.items()},
        )

    def _refuse_lost(self, taken: Mapping[str, _Taken], rows: int) -> None:
        """Raises ContractError for the first row that no version takes, naming what keeps it from the champion."""
        lost = np.ones(rows, dtype=bool)
        for name in self._readers:
            refused = np.zeros(rows, dtype=bool)
            for item in taken[name].refusals:
                refused |= item.rows
            lost &= refused
        if not lost.any():
            return
        row = int(lost.argmax())
        item = next(item for item in taken[self._champion].refusals if item.rows[row])
        message = f"Column {item.column!r} of row {row} is {item.kind}."
        if item.kind == "broken":
            message = f"Row {row} breaks the rule {item.subject!r}: {item.check}."
        raise ContractError(message, cure=_CURE, column=item.column, row=row)

    def _held_by(
        self,
        version: str,
        found: _Taken,
        columns: Columns,
        absent: Mapping[str, NDArray[np.bool_]],
        of_champion: Sequence[tuple[str, ...]],
    ) -> Held:
        """Flags: what keeps the version from a row, as its inputs' breaks are written; what only it flags; and what was sent
        beyond what it asks.
        """
        rows = len(of_champion)
        flags: list[dict[str, None]] = [{} for _ in range(rows)]
        for item in found.refusals:
            for row in _places(item.rows):
                flags[row][f"input {item.flag}"] = None
        if version != self._champion:
            for row, (own, others) in enumerate(zip(found.soft, of_champion, strict=True)):
                flags[row] |= dict.fromkeys(flag for flag in own if flag not in others)
        for name in columns.keys() - self._takers[version].names:
            sent = ~absent[name] if name in absent else np.ones(rows, dtype=bool)
            for row in _places(sent):
                flags[row][f"{name}: extra"] = None
        return Held(found.left, [tuple(own) for own in flags])


def _places(rows: NDArray[np.bool_]) -> list[int]:
    found: list[int] = np.flatnonzero(rows).tolist()
    return found


class _Taker:
    """One contract, held against rows that were read for several."""

    def __init__(self, contract: Contract) -> None:
        self.names = frozenset(column.name for column in contract.asked)
        self._columns = contract.sent
        self._whole = [column for column in self._columns if column.type == "int"]
        self._rules = sent_rules(contract)

    def take(self, columns: Columns, absent: Mapping[str, NDArray[np.bool_]], rows: int) -> _Taken:
        known = [column for column in self._columns if column.name in columns]
        found: list[Break] = []
        for column in self._columns:
            gone = absent.get(column.name) if column.name in columns else np.ones(rows, dtype=bool)
            if gone is not None and gone.any():
                # However a null is taken: a column that was not sent at all is no null.
                found.append(Break(column.name, "missing", gone, "refuse", (column.name,)))
        for column in self._whole:
            values = columns.get(column.name)
            if values is not None and (cut := np.isfinite(values) & (values != np.trunc(values))).any():
                found.append(Break(column.name, "not whole", cut, "refuse", (column.name,)))
        is_readable = all(name in columns for rule in self._rules for name in rule.columns)
        found += breaks(columns, known, self._rules if is_readable else ())
        refused = [item for item in found if item.is_refused]
        left = falls_back(found, rows)
        for item in refused:
            left |= item.rows
        return _Taken(refused, left, flags_by_row([item for item in found if not item.is_refused], rows))
