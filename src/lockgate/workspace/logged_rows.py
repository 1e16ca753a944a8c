"""Rows to train on out of the prediction log: what was asked and has turned out, added by the rules of `data add`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from lockgate.errors import ContractError, NotFound
from lockgate.records import Column, Contract, Dataset, ModelSpec, Outcome, Prediction
from lockgate.records.duration import seconds
from lockgate.records.prediction import Scalar
from lockgate.workspace import datasets as sets
from lockgate.workspace.dataset_refs import datasets
from lockgate.workspace.logged_inputs import Readers, Row, matured, series
from lockgate.workspace.wire import Wiring

if TYPE_CHECKING:
    import polars as pl


class Taken(NamedTuple):
    """dataset: the newest now, made of the one before and the log where the log held anything new. rows: how many it held;
    left_out: calls that cannot be trained on, by why.
    """

    dataset: Dataset
    rows: int
    left_out: dict[str, int]


def take(wiring: Wiring, model: str, spec: ModelSpec, *, event_s: float) -> Taken:
    """Bring the model's dataset up to the log: each call older than the horizon whose outcome has come, each once.

    A row of the dataset that still lacked its outcome gets it. Raises ContractError where a column that is learnt after the
    question may not be missing, for no log holds one; and as `data add` does.
    """
    held = datasets(wiring, model)
    if not held:
        raise NotFound(f"{model} has no data yet.", cure=f"Bring a table: lockgate data {model} TABLE")
    contract = sets.contract(wiring, model)
    since_s = held[-1].since_s if held[-1].since_s is not None and contract.time is not None else None
    until_s = event_s - seconds(spec.outcomes.horizon)
    entries = wiring.log.calls(model, since_s=-math.inf if since_s is None else since_s, until_s=until_s)
    rows, left_out = matured(entries)
    reading = _Rows(wiring, contract, spec, left_out)
    found = reading.table(rows)
    if found is None:
        return Taken(held[-1], 0, dict(left_out))
    new = 0

    def joined(newest: pl.DataFrame) -> sets.Brought:
        nonlocal new
        whole, new = _joined(newest, found, contract)
        return sets.Brought(whole, f"{held[-1].ref} and the prediction log", ())

    added = sets.add_to_newest(wiring, model, spec, joined)
    return Taken(added.dataset, new, dict(left_out))


class _Rows:
    """Logged inputs under the contract each was read by, as columns of the model's own contract."""

    def __init__(self, wiring: Wiring, contract: Contract, spec: ModelSpec, left_out: Counter[str]) -> None:
        self._wiring, self._contract, self._task = wiring, contract, spec.task
        self._left_out = left_out
        self._readers = Readers(wiring)
        self._classes: dict[str, tuple[str, ...]] = {}

    def table(self, rows: Sequence[Row]) -> pl.DataFrame | None:
        """The rows that can be read, columns in the contract's order, without aggregates; None where there are none."""
        import polars as pl

        values: dict[str, list[Any]] = {c.name: [] for c in self._columns}
        for call, came in rows:
            read = self._row(call, came)
            if read is not None:
                for name, held in values.items():
                    held.append(read.get(name))
        if not values[self._contract.target]:
            return None
        _refuse_gaps(self._contract)
        return pl.DataFrame([series(column, values[column.name]) for column in self._columns])

    @property
    def _columns(self) -> tuple[Column, ...]:
        return tuple(column for column in self._contract.columns if column.aggregate is None)

    def _row(self, call: Prediction, came: Outcome) -> Mapping[str, Scalar] | None:
        asked = self._readers.of(call)
        if asked is None:
            self._left_out["of a version that is not here"] += 1
            return None
        if not call.inputs or len(call.inputs) != len(asked):
            self._left_out["logged without their inputs, or under another contract"] += 1
            return None
        row = {column.name: value for column, value in zip(asked, call.inputs, strict=True)}
        row[self._contract.target] = self._outcome(call.version, came.value)
        if self._contract.known is not None:
            row[self._contract.known] = came.at_s
        return row

    def _outcome(self, version: str, value: float) -> Scalar:
        """As the table writes it: a class is told by its place."""
        column = self._contract.column(self._contract.target)
        assert column is not None
        if self._task != "regression":
            if version not in self._classes:
                self._classes[version] = self._wiring.predictor(version).manifest.classes
            label = (self._classes[version] or ("0", "1"))[int(value)]
            if column.type == "text":
                return label
            value = float(label)
        if column.type == "bool":
            return bool(value)
        return int(value) if column.type == "int" else value


def _joined(newest: pl.DataFrame, found: pl.DataFrame, contract: Contract) -> tuple[pl.DataFrame, int]:
    """The dataset's rows and the log's, each once: a row with an outcome stays, one without gives way."""
    import polars as pl

    by = _names(contract)
    held = newest.drop(column.name for column in contract.columns if column.aggregate is not None)
    fresh = found.cast({name: held.schema[name] for name in found.columns}).select(held.columns)
    fresh = fresh.unique(by, keep="last", maintain_order=True)
    known = held.filter(pl.col(contract.target).is_not_null())
    fresh = fresh.join(known.select(by).unique(), on=by, how="anti", nulls_equal=True, maintain_order="left")
    if fresh.is_empty():
        return held, 0
    kept = held.join(fresh.select(by), on=by, how="anti", nulls_equal=True, maintain_order="left")
    return pl.concat([kept, fresh]), fresh.height


def _names(contract: Contract) -> list[str]:
    """What tells a row from every other: its keys; else who was asked about when; else all that was asked."""
    if contract.keys:
        return list(contract.keys)
    if contract.unit is not None and contract.time is not None:
        return [contract.unit, contract.time]
    return [column.name for column in contract.sent]


def _refuse_gaps(contract: Contract) -> None:
    for column in contract.columns:
        is_late = not column.is_known_before and column.name not in (contract.target, contract.known)
        if is_late and not column.is_nullable and column.does("missing") == "refuse":
            raise ContractError(
                f"The log holds no {column.name!r}, which is learnt after the question, and the contract of "
                f"{contract.model} wants it in every row.",
                cure=f'Let it be missing: [model.{contract.model}.contract] nullable = ["{column.name}"]; or bring the '
                f"table yourself: lockgate data {contract.model} TABLE",
                column=column.name,
            )
