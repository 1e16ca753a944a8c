"""Logged calls replayed through the table path: the same version over all of them at once, its features, a table beside."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lockgate.assess import skew as compared
from lockgate.errors import ContractError, LockgateError, SpecError, unknown
from lockgate.features.columns import Columns, from_tuples, take
from lockgate.records import Column, Contract, Prediction, Rollout, Ruling, Version
from lockgate.records.duration import UNITS_S
from lockgate.records.prediction import LogEntry
from lockgate.records.skew import Skewed, SkewReport
from lockgate.store.ports import PredictionLog
from lockgate.workspace import replaying
from lockgate.workspace.wire import Wiring

if TYPE_CHECKING:
    import polars as pl

ROWS = 1_000
FEWEST = 20
_BACK_S = (UNITS_S["d"], UNITS_S["w"], 30 * UNITS_S["d"])
Recompute = Callable[[Contract, Columns, NDArray[np.float64]], Columns]
"""The table path's own values of columns that were computed while serving (aggregates kept online): of a contract, the logged
columns and when each row was asked, shape (n,), to columns by name. Those it gives are compared as a table's are."""


@dataclass
class _Calls:
    """Logged calls of one version, in the order of time, under the contract they were read by."""

    version: Version
    contract: Contract
    predictions: list[Prediction] = field(default_factory=list[Prediction])

    @property
    def ids(self) -> list[str]:
        return [p.id for p in self.predictions]

    @property
    def columns(self) -> Columns:
        return from_tuples(self.contract.asked, [p.inputs for p in self.predictions])


def skew(
    wiring: Wiring,
    model: str,
    calls: Sequence[Prediction],
    *,
    table: pl.DataFrame | None = None,
    name: str = "the table",
    recompute: Recompute | None = None,
) -> SkewReport:
    """Compare calls with the table path. table: what training has of the same units, called `name`; recompute: see its type.

    Raises ContractError where the table cannot be laid beside the calls.
    """
    groups, left_out = _grouped(wiring, calls)
    skewed: list[Skewed] = []
    replayed: list[_Calls] = []
    beside = 0
    for group in groups:
        try:
            skewed += _replayed(wiring, group)
        except LockgateError as error:
            left_out[f"{group.version.short} cannot be asked: {error.message}"] += len(group.predictions)
            continue
        replayed.append(group)
        if recompute is not None:
            asked_s = np.array([p.asked_s for p in group.predictions])
            again = recompute(group.contract, group.columns, asked_s)
            skewed += compared.columns(group.contract.asked, group.ids, group.columns, again, where="the table path")
        if table is not None:
            found, rows, missing = _beside(group, table, name)
            skewed, beside = skewed + found, beside + rows
            left_out.update(missing)
    return _report(model, replayed, beside, left_out, skewed, table_name=None if table is None else name)


def newest(
    log: PredictionLog, model: str, *, rows: int, until_s: float, since_s: float | None = None
) -> list[Prediction]:
    """The newest calls, each id once, oldest first. since_s: of event time; left out, as far back as it takes.

    Raises SpecError for no rows at all.
    """
    if rows < 1:
        raise SpecError(f"{rows} calls are none.", cure="Name 1 or more.")
    found: list[Prediction] = []
    for start_s in (since_s,) if since_s is not None else (*(until_s - back for back in _BACK_S), -np.inf):
        found = _once(log.calls(model, since_s=float(start_s)))
        if len(found) >= rows:
            break
    return found[-rows:]


def _once(entries: Sequence[LogEntry]) -> list[Prediction]:
    first: dict[str, Prediction] = {}
    for entry in entries:
        if isinstance(entry, Prediction):
            first.setdefault(entry.id, entry)
    return sorted(first.values(), key=lambda p: (p.asked_s, p.id))


def _grouped(wiring: Wiring, calls: Sequence[Prediction]) -> tuple[list[_Calls], Counter[str]]:
    """By version and contract; why the others cannot be replayed."""
    left_out: Counter[str] = Counter()
    groups: dict[tuple[str, str], _Calls] = {}
    read: dict[tuple[str, str | None], tuple[Version | None, Contract | None]] = {}
    for call in calls:
        by = (call.version, call.rollout)
        if by not in read:
            read[by] = _read_by(wiring, call)
        version, contract = read[by]
        if call.served_by != call.version:
            left_out["answered by a fallback"] += 1
        elif version is None or contract is None:
            left_out["of a version that is not here"] += 1
        elif not call.inputs and contract.asked:
            left_out["logged without their inputs (log.mode = sampled)"] += 1
        elif len(call.inputs) != len(contract.asked):
            left_out["logged under another contract"] += 1
        else:
            key = (version.id, call.rollout or "")
            groups.setdefault(key, _Calls(version, contract)).predictions.append(call)
    return [*groups.values()], left_out


def _read_by(wiring: Wiring, call: Prediction) -> tuple[Version | None, Contract | None]:
    """The version that answered, and the contract its row was read by: the champion's of that time."""
    version = wiring.records.get(Version, call.version)
    rollout = None if call.rollout is None else wiring.records.get(Rollout, call.rollout)
    champion = call.version if rollout is None else rollout.champion
    try:
        return version, wiring.contract(champion)
    except LockgateError:
        return version, None


def _replayed(wiring: Wiring, group: _Calls) -> list[Skewed]:
    version = group.version
    found = replaying.replay(wiring.folders.path(version.id), version.id, wiring.project, group.columns)
    logged = np.array([p.value for p in group.predictions])
    unit = 1.0 if found.task != "regression" else float(logged.std()) or 1.0
    answer = compared.answers(version.id, version.short, group.ids, logged, found.values, unit=unit)
    own = [] if answer is None else [answer]
    if found.alone is not None and found.together is not None:
        own = compared.features(version.id, version.short, found.names, group.ids, found.alone, found.together) + own
    return own


def _beside(group: _Calls, table: pl.DataFrame, name: str) -> tuple[list[Skewed], int, Counter[str]]:
    """The calls laid beside the rows of a table that are about the same: by the contract's keys, else by unit and time."""
    import polars as pl

    from lockgate.features.contract import to_columns
    from lockgate.features.typed import polars_type, typed

    contract = group.contract
    by = _keys(contract, table.columns)
    compared_with = [c for c in contract.asked if c.name in table.columns and c.name not in by]
    if not compared_with:
        raise ContractError(f"{name} has no column that the calls have too, but for {', '.join(by)}.")
    keys = [column for column in contract.columns if column.name in by]
    typed_table = typed(table, [*keys, *compared_with], model=contract.model, widens=True)
    held = typed_table.select(pl.col(c.name).cast(polars_type(c.type)) for c in [*keys, *compared_with])
    repeated = held.select(pl.struct(by).is_duplicated()).to_series()
    logged = _key_frame(group, keys).with_row_index("place")
    several = logged.join(held.filter(repeated).select(by).unique(), on=by, how="semi").height
    joined = logged.join(held.filter(~repeated), on=by, how="inner", maintain_order="left")
    left_out = Counter({f"of which {name} has several rows": several, f"that {name} does not have": 0})
    left_out[f"that {name} does not have"] = logged.height - several - joined.height
    if not joined.height:
        return [], 0, +left_out
    places: NDArray[np.int64] = joined["place"].to_numpy().astype(np.int64)
    numbers: list[int] = places.tolist()
    ids = [group.predictions[place].id for place in numbers]
    found = compared.columns(
        compared_with, ids, take(group.columns, places), to_columns(joined, compared_with), where=name
    )
    return found, joined.height, +left_out


def _keys(contract: Contract, known: Sequence[str]) -> list[str]:
    """What tells a call's row among others. Raises ContractError where the table lacks it, or the contract names nothing."""
    asked = {column.name for column in contract.asked}
    if contract.keys and set(contract.keys) <= asked:
        names = [*contract.keys]
    else:
        names = [name for name in (contract.unit, contract.time) if name is not None and name in asked]
    if not names:
        raise ContractError(
            f"Nothing says which row of a table a call of {contract.model} was about.",
            cure=f"Name keys, or a unit and a time, in [model.{contract.model}] of lockgate.toml.",
        )
    for name in names:
        if name not in known:
            raise ContractError(f"{unknown('column', name, known)} The calls are told apart by it.", cure="Add it.")
    return names


def _key_frame(group: _Calls, keys: Sequence[Column]) -> pl.DataFrame:
    import polars as pl

    from lockgate.features.typed import polars_type

    columns = group.columns
    found: list[pl.Series] = []
    for column in keys:
        values = pl.Series(column.name, columns[column.name].tolist())
        if column.type == "time":
            found.append((values.cast(pl.Float64) * 1e6).round().cast(pl.Int64).cast(polars_type("time")))
        else:
            found.append(values.cast(polars_type(column.type)))
    return pl.DataFrame(found)


def _report(
    model: str,
    groups: Sequence[_Calls],
    beside: int,
    left_out: Mapping[str, int],
    skewed: Sequence[Skewed],
    *,
    table_name: str | None,
) -> SkewReport:
    calls: dict[str, int] = defaultdict(int)
    for group in groups:
        calls[group.version.short] += len(group.predictions)
    asked_s = [p.asked_s for group in groups for p in group.predictions]
    total = sum(calls.values())
    found = beside if table_name is not None else total
    if skewed:
        ruling, sentence = Ruling.FAIL, skewed[0].sentence
        following = f"lockgate data skew {model} --json"
    elif found < FEWEST:
        ruling, following = Ruling.UNDECIDED, "lockgate status"
        where = f" are in {table_name}" if table_name is not None else " could be replayed"
        sentence = f"Only {found:,} calls{where}: too few to say, {FEWEST} are needed."
    else:
        ruling, following = Ruling.PASS, "lockgate status"
        also = f", and {beside:,} have what {table_name} has" if table_name is not None else ""
        sentence = f"{total:,} logged calls are answered in a table as they were alone{also}."
    return SkewReport(
        model=model,
        calls=dict(calls),
        beside=beside,
        left_out={reason: count for reason, count in left_out.items() if count},
        skewed=tuple(skewed),
        ruling=ruling,
        sentence=sentence,
        next=following,
        since_s=min(asked_s, default=None),
        until_s=max(asked_s, default=None),
    )
