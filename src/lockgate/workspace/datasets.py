"""Tables that become datasets: completed, held to their contract, put in order, and kept once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from lockgate.assess.dataset_diff import Side
from lockgate.assess.dataset_diff import diff as compare
from lockgate.errors import ContractError, NotFound, SpecError
from lockgate.features.content import arranged, digest, marks, once, settled
from lockgate.features.contract import Checked, check, infer, to_columns, typed
from lockgate.features.schema import refuse_other_schema, storable
from lockgate.records import Contract, Dataset, DatasetDiff, DatasetState, ModelSpec
from lockgate.records import digest as record_digest
from lockgate.workspace.checking import Reading, frame
from lockgate.workspace.completing import apart, complete
from lockgate.workspace.dataset_refs import dataset, datasets, pinned_by
from lockgate.workspace.wire import Wiring

if TYPE_CHECKING:
    import polars as pl

NO_READING = Reading()


class Brought(NamedTuple):
    """A table in types that a contract knows; where it came from, "" for one in memory; what was done to it."""

    table: pl.DataFrame
    source: str
    notes: tuple[str, ...]


class Added(NamedTuple):
    """dataset: what the table is now. is_new: whether a version was made for it; like: an older version that held the same
    rows. notes: what was taken one way of several.
    """

    dataset: Dataset
    is_new: bool
    like: Dataset | None
    notes: tuple[str, ...]


def bring(table: Any, reading: Reading = NO_READING) -> Brought:
    """A file, a Delta folder, a pandas or Polars frame (lazy too), a pyarrow table, a mapping of columns.

    Raises SpecError or NotFound where it is none.
    """
    _refuse_index(table)
    found, notes = frame(table, reading)
    return Brought(found, str(table) if isinstance(table, str | Path) else "", notes)


def query(sql: str, connection: str) -> Brought:
    """The rows that a database answers with; see `store.query.read_query`."""
    from lockgate.features.infer import prepared
    from lockgate.store.query import read_query, source_of

    found = read_query(sql, connection)
    ready = prepared(found.table)
    return Brought(ready.table, source_of(sql, connection), (*found.notes, *ready.notes))


def bring_either(table: Any, sql: str | None, connection: str | None, reading: Reading = NO_READING) -> Brought:
    """A table, or what a query gives. Raises SpecError unless it is exactly one of them."""
    if sql is None and connection is None and table is not None:
        return bring(table, reading)
    if sql is None or connection is None or table is not None:
        raise SpecError(
            "A dataset comes from a table, or from a query and the connection it is asked over.",
            cure="Name a TABLE; or give --sql and --connection (sql=, connection=).",
        )
    return query(sql, connection)


def add(wiring: Wiring, model: str, spec: ModelSpec, brought: Brought) -> Added:
    """The table as the model's next dataset version; the first one makes the contract, later ones are held to it.

    The same rows as the newest version holds, in any order, make no version. Raises ContractError where the schema is
    another or no row keeps the contract, Conflict where another process is at this table for minutes.
    """
    with wiring.tables.turn(model):
        return _add(wiring, model, spec, brought)


def add_to_newest(wiring: Wiring, model: str, spec: ModelSpec, joined: Callable[[pl.DataFrame], Brought]) -> Added:
    """What `joined` makes of the newest version's rows, as the next one; nobody else adds between. Raises as `add` does."""
    with wiring.tables.turn(model):
        newest = datasets(wiring, model)[-1]
        return _add(wiring, model, spec, joined(wiring.tables.read(newest.ref)))


def contract(wiring: Wiring, model: str) -> Contract:
    path = _contract_file(wiring, model)
    if not path.is_file():
        raise NotFound(f"{model} has no data yet.", cure=f"Bring a table: lockgate data {model} TABLE")
    return msgspec.json.decode(path.read_bytes(), type=Contract)


def states(wiring: Wiring, model: str | None = None) -> list[DatasetState]:
    """Every dataset version, oldest first, with who pins it and whether it can be read."""
    pins = pinned_by(wiring)
    return [
        DatasetState(dataset=d, pinned_by=pins.get(d.ref, ()), is_kept=wiring.tables.is_kept(d.ref))
        for d in datasets(wiring, model)
    ]


def state(wiring: Wiring, ref: str) -> DatasetState:
    found = dataset(wiring, ref)
    is_kept = wiring.tables.is_kept(found.ref)
    columns = {name: str(kind) for name, kind in wiring.tables.schema(found.ref).items()} if is_kept else {}
    pins = pinned_by(wiring, found.model).get(found.ref, ())
    return DatasetState(dataset=found, pinned_by=pins, is_kept=is_kept, columns=columns)


def diff(wiring: Wiring, before: Dataset, after: Dataset) -> DatasetDiff:
    """Raises SpecError for versions of two models, NotFound for one whose rows were cleaned away."""
    if before.model != after.model:
        raise SpecError(
            f"{before.ref} and {after.ref} are of two models.",
            cure=f"Name two versions: lockgate data ls {after.model}",
        )
    sides = [Side(d.ref, wiring.tables.scan(d.ref)) for d in (before, after)]
    return compare(sides[0], sides[1], contract(wiring, before.model))


def _add(wiring: Wiring, model: str, spec: ModelSpec, brought: Brought) -> Added:
    before = datasets(wiring, model)
    whole = complete(wiring, model, brought.table)
    held = contract(wiring, model) if before else infer(model, spec, whole.table)
    held_to = whole.under(held)
    notes = (*brought.notes, *whole.notes)
    single = once(arranged(typed(whole.table, held_to), held_to), held_to)
    checked = settled(check(single.table, held_to), held_to)
    if not checked.kept.height:
        raise ContractError(f"No row of the table keeps the contract of {model}: {_counts(checked)}.")
    kept = storable(checked.kept)
    if before:
        stored = apart(wiring.tables.schema(before[-1].ref), held, held_to)
        refuse_other_schema(kept.select(*apart(kept.schema, held, held_to)), stored, name=model)
    content, terms = digest(kept), record_digest(held_to)
    like = next((d for d in reversed(before) if d.content == content), None)
    if like is not None and like is before[-1] and (like.contract, like.quarantined) == (terms, checked.counts):
        return Added(like, is_new=False, like=None, notes=notes)
    aside = storable(checked.quarantined) if checked.quarantined.height else None
    since_s, until_s = _stretch(kept, held_to)
    made = Dataset(
        model=model,
        rows=kept.height,
        quarantined=checked.counts,
        contract=terms,
        since_s=since_s,
        until_s=until_s,
        content=content,
        repeated=single.repeated,
        late=_late(wiring, before[-1], kept, held_to) if before else 0,
        source=brought.source,
        notes=notes,
        aside=None if aside is None else wiring.tables.write(f"{model}.quarantine", aside),
        ref=wiring.tables.write(model, kept),
        written_s=wiring.clock(),
    )
    _keep_contract(wiring, held_to)
    wiring.records.write(made)
    return Added(made, is_new=True, like=like, notes=notes)


def _stretch(table: pl.DataFrame, contract: Contract) -> tuple[float | None, float | None]:
    column = contract.column(contract.time) if contract.time else None
    if column is None:
        return None, None
    asked = to_columns(table, [column])[column.name]
    return float(asked.min()), float(asked.max())


def _late(wiring: Wiring, newest: Dataset, table: pl.DataFrame, contract: Contract) -> int:
    """Rows older than the newest of the version before, which did not hold them: by the keys, else by every value."""
    import polars as pl

    if contract.time is None or newest.until_s is None:
        return 0
    until = pl.lit(round(newest.until_s * 1e6)).cast(pl.Datetime("us", "UTC"))
    old, known = table.lazy().filter(pl.col(contract.time) < until), wiring.tables.scan(newest.ref)
    by = list(contract.keys)
    if not by:
        told_by = marks(sorted(set(table.columns).intersection(known.collect_schema().names())))
        old, known = old.select(told_by), known.select(told_by)
        by = old.collect_schema().names()
    late = old.join(known.select(by), on=by, how="anti", nulls_equal=True)
    return int(late.select(pl.len()).collect().item())


def _refuse_index(table: Any) -> None:
    """A pandas index that says something would be lost; one that only counts the rows is none."""
    index = getattr(table, "index", None) if hasattr(table, "iloc") else None
    if index is None:
        return
    names = [name for name in index.names if name is not None]
    if names or index.nlevels > 1 or index.dtype.kind not in "iu":
        named = ", ".join(map(repr, names)) or f"of {index.dtype}"
        raise SpecError(
            f"The frame's index {named} is no column, and would be lost.",
            cure="Make it one: table.reset_index(); or leave it out: table.reset_index(drop=True).",
        )


def _contract_file(wiring: Wiring, model: str) -> Path:
    return wiring.home / "contracts" / f"{model}.json"


def _keep_contract(wiring: Wiring, contract: Contract) -> None:
    file = _contract_file(wiring, contract.model)
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.parent / f".{contract.model}.{os.getpid()}"
    fresh.write_bytes(msgspec.json.encode(contract))
    fresh.replace(file)


def _counts(checked: Checked) -> str:
    return ", ".join(f"{rule} ({rows})" for rule, rows in checked.counts.items())
