"""What a drill asks: rows that the two versions answered when they were made, as a caller would send them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from lockgate.errors import SpecError, StoreError
from lockgate.records import Column, Contract, decode
from lockgate.records.archive import Sample
from lockgate.records.prediction import Scalar
from lockgate.runtime.folder import SAMPLE
from lockgate.workspace.wire import Wiring

MOST = 50  # of each version


def rows_of(wiring: Wiring, versions: Iterable[str]) -> list[bytes]:
    """Rows as JSON: those that each version keeps of the rows held out when it was made, else one that its contract takes."""
    return [row for version in versions for row in _rows(wiring, version)]


def _rows(wiring: Wiring, version: str) -> list[bytes]:
    contract, file = wiring.contract(version), wiring.folders.path(version) / SAMPLE
    if not file.exists():
        return [msgspec.json.encode(_made_up(contract))]
    try:
        kept = decode(Sample, file.read_bytes())
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror}.") from error
    sent = {column.name: column for column in contract.sent}
    told = [
        {name: _sent(sent[name], value) for name, value in zip(kept.columns, row, strict=True) if name in sent}
        for row in kept.rows[:MOST]
    ]
    if not told:
        raise SpecError(f"Version {version[:6]} keeps no rows.", cure="Export it and import it again.")
    return [msgspec.json.encode(row) for row in told]


def _sent(column: Column, value: Scalar) -> object:
    if value is None or column.type != "time":
        return value
    return datetime.fromtimestamp(float(value), UTC)


def _made_up(contract: Contract) -> dict[str, object]:
    return {column.name: _usual(column) for column in contract.sent}


def _usual(column: Column) -> object:
    if column.is_nullable:
        return None
    if column.type == "text":
        return column.levels[0] if column.levels else ""
    least = column.low if column.low is not None else min(0.0, column.high or 0.0)
    if column.type == "time":
        return datetime.fromtimestamp(least, UTC)
    if column.type == "bool":
        return bool(least)
    return int(least) if column.type == "int" else least
