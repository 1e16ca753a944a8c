"""A table completed: what is computed of events becomes columns, as it was known at each row's own time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from lockgate.errors import ContractError, unknown
from lockgate.features import as_of, event_table
from lockgate.features.aggregate import defined, micros_of, refuse_changed
from lockgate.features.infer import column_type, infer_for
from lockgate.records import Aggregate, Column, Contract, ModelSpec, SourceSpec
from lockgate.workspace.checking import Reading, frame
from lockgate.workspace.definitions import refuse_changed_under_served
from lockgate.workspace.wire import Wiring

if TYPE_CHECKING:
    import polars as pl


class Completed(NamedTuple):
    """A table with its aggregates. flags: rows by what stands where nothing could be computed, `name: no history` say."""

    table: pl.DataFrame
    aggregates: dict[str, Aggregate]
    flags: dict[str, int]

    @property
    def notes(self) -> tuple[str, ...]:
        """The flags in words."""
        return tuple(f"{flag}, in {rows:,} rows." for flag, rows in self.flags.items())

    def under(self, contract: Contract) -> Contract:
        """The contract with these aggregates as columns of its own. One that is there stays as it is; a new one has the range
        of this table; one that is not declared any more goes.

        Raises SpecError where the contract holds another definition under the same name.
        """
        by = f"the datasets of {contract.model}"
        refuse_changed(contract.model, contract.aggregates, self.aggregates, by=by)
        kept = [c for c in contract.columns if c.name not in self.aggregates and c.aggregate is None]
        own = [self._column(name, contract) for name in self.aggregates]
        return msgspec.structs.replace(contract, columns=(*kept, *own))

    def _column(self, name: str, contract: Contract) -> Column:
        aggregate = self.aggregates[name]
        held = contract.column(name)
        if held is not None and held.aggregate is not None:
            return held
        found = held or infer_for(None, self.table.select(name)).columns[0]
        return msgspec.structs.replace(found, aggregate=aggregate, is_nullable=aggregate.is_nullable)


def complete(
    wiring: Wiring, model: str, table: pl.DataFrame, *, given: Mapping[str, pl.DataFrame] | None = None
) -> Completed:
    """The table with every aggregate that the model declares; itself where it declares none. given: by source its events,
    instead of those that are kept.

    Raises ContractError where the table brings such a column itself, or lacks one that events are told apart by; SpecError
    where a version that serves rests on another definition; and as `event_table.held` does for what is no event.
    """
    spec = wiring.spec.model[model]
    aggregates = defined(spec, wiring.spec.source)
    if not aggregates or spec.time is None:
        return Completed(table, {}, {})
    refuse_changed_under_served(wiring.home, wiring.spec, model=model)
    _refuse_brought(model, table, aggregates)
    _refuse_unfit(model, spec, table, aggregates)
    names = dict.fromkeys(aggregate.source for aggregate in aggregates.values())
    events = {name: _events(wiring, name, aggregates, given) for name in names}
    stale = {name: _stale_after_us(wiring.spec.source[name]) for name in names}
    found = as_of.computed(table, spec.time, aggregates, events, stale_after_us=stale)
    return Completed(table.hstack(found.columns), aggregates, found.flags)


def apart(schema: Mapping[str, pl.DataType], *contracts: Contract) -> dict[str, pl.DataType]:
    """A schema without the aggregates of these contracts: they may come and go between two versions of a dataset."""
    computed = {name for contract in contracts for name in contract.aggregates}
    return {name: dtype for name, dtype in schema.items() if name not in computed}


def _events(
    wiring: Wiring, source: str, aggregates: Mapping[str, Aggregate], given: Mapping[str, pl.DataFrame] | None
) -> pl.DataFrame:
    if given is None:
        return source_events(wiring, source, aggregates)
    if source not in given:
        raise ContractError(unknown("source", source, given), cure="Bring its events as well, or none at all.")
    own = [one for one in aggregates.values() if one.source == source]
    stream = wiring.spec.source[source].stream
    return event_table.held(source, stream, given[source], now_us=_now_us(wiring), aggregates=own)


def source_events(wiring: Wiring, source: str, aggregates: Mapping[str, Aggregate]) -> pl.DataFrame:
    """Every event of a source, those that were sent and those of its table, each once. Raises as `event_table.held` does."""
    import polars as pl

    spec = wiring.spec.source[source]
    own = [one for one in aggregates.values() if one.source == source]
    tables = [event_table.frame(spec.stream, wiring.events.values(source))]
    if spec.table is not None:
        brought = _brought(wiring.project / spec.table)
        tables.append(event_table.held(source, spec.stream, brought, now_us=_now_us(wiring)))
    return event_table.held(source, spec.stream, pl.concat(tables), now_us=_now_us(wiring), aggregates=own)


def _brought(place: Path) -> pl.DataFrame:
    """A file, or a Delta table, in types that a contract knows."""
    import polars as pl

    if (place / "_delta_log").is_dir():
        return frame(pl.read_delta(place), Reading())[0]
    return frame(place, Reading())[0]


def _now_us(wiring: Wiring) -> int:
    return round(wiring.clock() * 1e6)


def _stale_after_us(source: SourceSpec) -> int | None:
    return None if source.stale_after is None else micros_of(source.stale_after)


def _refuse_brought(model: str, table: pl.DataFrame, aggregates: Mapping[str, Aggregate]) -> None:
    for name in aggregates:
        if name in table.columns:
            raise ContractError(
                f"The table brings {name!r}, which is computed here of the events of {aggregates[name].source}.",
                cure=f"Drop it, or take [model.{model}.aggregates.{name}] out of lockgate.toml.",
                column=name,
            )


def _refuse_unfit(model: str, spec: ModelSpec, table: pl.DataFrame, aggregates: Mapping[str, Aggregate]) -> None:
    """Rows must say when they were asked, and whose events are theirs, in the events' own types."""
    needed = {str(spec.time): ("time", f"[model.{model}] looks back from it")}
    for name, aggregate in aggregates.items():
        for event, row in aggregate.by.items():
            needed[row] = (aggregate.stream.columns[event], f"{name!r} tells events apart by it")
    for column, (kind, why) in needed.items():
        if column not in table.columns:
            raise ContractError(f"{unknown('column', column, table.columns)} {why}.", cure="Add it.", column=column)
        found = column_type(column, table.schema[column])
        if found != kind and table[column].null_count() < table.height:
            raise ContractError(
                f"Column {column!r} is {found} in the table, and {why} as {kind}.",
                cure="Cast it where the table is made; Lockgate does not cast silently.",
                column=column,
            )
