"""Calls to label: when the champion's inputs have drifted and outcomes are far, a few that somebody should look at first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from lockgate.assess import to_label
from lockgate.errors import Conflict, NotFound, SpecError, StoreError, unknown
from lockgate.records import Contract, Outcome, Prediction, Record, Routing, Version
from lockgate.records.drift import DriftFound, DriftStanding
from lockgate.records.duration import seconds
from lockgate.records.prediction import LogEntry
from lockgate.records.profile import ColumnProfile
from lockgate.report.words import when
from lockgate.workspace import labelling
from lockgate.workspace.logged_inputs import series
from lockgate.workspace.wire import Wiring

if TYPE_CHECKING:
    import polars as pl

ROWS = 200
OUT = Path("to_label.csv")
KINDS = (".csv", ".parquet")
FILLED_IN = ("id", "value", "at")
"""What `lockgate outcomes` reads: the file is sent back as it is, once `value` and `at` are filled in."""
_TAKEN = (*FILLED_IN, "metric")  # a table with `unit` and `metric` tells of units
_STAMP = "%Y-%m-%dT%H:%M:%S%.fZ"


class Sampled(Record, frozen=True, kw_only=True):
    """What was drawn, or why nothing was. verdict: of the drift that stands, None where none does. column: whose cells it was
    drawn by, None where it was drawn at random. calls: of the version in [since_s, until_s) of event time, without an
    outcome; rows: how many were drawn of them; left_out: how many more of them were logged without their inputs, or
    under another contract.
    """

    model: str
    version: str
    verdict: str | None
    column: str | None
    since_s: float
    until_s: float
    calls: int
    rows: int
    left_out: int
    sentence: str
    schema: int = 1


class Sample(NamedTuple):
    """table: a row for each call that was drawn, oldest first; None where none was."""

    told: Sampled
    table: pl.DataFrame | None


def sample(
    wiring: Wiring, model: str, *, event_s: float, rows: int = ROWS, seed: int = 0, is_anyway: bool = False
) -> Sample:
    """Calls of the champion without an outcome, drawn as `lockgate.to_label` draws: while a drift stands, since it began,
    more of them from the cells of its foremost column that have grown.

    is_anyway: where no drift stands, or nothing that has cells has moved, at random; of the last `monitor.window` in the
    former case. Seeded. Raises NotFound where the model has no champion, SpecError unless 1 row or more is asked for.
    """
    version = _champion(wiring, model)
    found, began_s = _standing(wiring, model, version)
    none = _nothing(wiring, model, version, found, event_s)
    if found is None and not is_anyway:
        return _with(none, sentence=_no_drift(wiring, model))
    contract = wiring.contract(version)
    first = None if found is None else _foremost(wiring, version, found, contract)
    if first is None and not is_anyway:
        return _with(none, sentence=_no_cells(model))
    span_s = seconds(wiring.spec.model[model].monitor.window)
    since_s = max(began_s, _since_s(found, first, event_s, span_s))
    calls, left_out = _unlabelled(wiring.log.calls(model, since_s=since_s), version, len(contract.asked))
    if not calls:
        why = f"No call of the champion since {when(since_s)} is without an outcome: there is nothing to label."
        return _with(none, sentence=why, left_out=left_out)
    held = msgspec.structs.replace(
        none, since_s=since_s, until_s=calls[-1].asked_s, calls=len(calls), left_out=left_out
    )
    return _drawn(held, contract, calls, None if first is None else first.column, rows=rows, seed=seed)


def write(table: pl.DataFrame, out: Path, *, is_again: bool = False) -> Path:
    """As CSV or Parquet, by the name's end. Raises SpecError for another end, Conflict for a file that is there, StoreError
    where the disk refuses. is_again: replace it, and what somebody filled in there.
    """
    refuse_out(out, is_again=is_again)
    try:
        if out.suffix == ".csv":
            table.write_csv(out, datetime_format=_STAMP)
        else:
            table.write_parquet(out)
    except OSError as error:
        raise StoreError(f"{out} cannot be written: {error.strerror}.", cure="Name another: --out FILE") from error
    return out


def refuse_out(out: Path, *, is_again: bool) -> None:
    """Before any work. Raises SpecError, Conflict."""
    if out.suffix not in KINDS:
        raise SpecError(unknown("end of a file's name", out.suffix, KINDS), cure=f"Name it {OUT}, say.")
    if out.exists() and not is_again:
        raise Conflict(
            f"{out} is there already, and may have been filled in.",
            cure="Name another: --out FILE; or replace it: --again",
        )


def _champion(wiring: Wiring, model: str) -> str:
    routing = wiring.records.get(Routing, model)
    if routing is None:
        raise NotFound(f"{model} has no champion yet.", cure=f"Train one: lockgate train {model}")
    return routing.champion


def _standing(wiring: Wiring, model: str, version: str) -> tuple[DriftFound | None, float]:
    """The newest drift of the champion, while one stands, and since when it is champion: under another one its rows were read
    by another contract.
    """
    standing = wiring.records.get(DriftStanding, f"{model}/{version}")
    began_s = -math.inf if standing is None or standing.began_s is None else standing.began_s
    if standing is None or not standing.told:
        return None, began_s
    own = [one for one in wiring.records.all(DriftFound, model) if one.version == version]
    return max(own, key=lambda one: one.until_s, default=None), began_s


def _foremost(wiring: Wiring, version: str, found: DriftFound, contract: Contract) -> labelling.Foremost | None:
    return labelling.foremost(wiring.profile(version), found, [column.name for column in contract.asked])


def _since_s(found: DriftFound | None, first: labelling.Foremost | None, event_s: float, span_s: float) -> float:
    """Since the column to draw by has moved; others may have moved long before."""
    if found is None:
        return event_s - span_s
    dates = (None if first is None else first.moved.since_s, found.since_s, found.until_s - span_s)
    return next(date for date in dates if date is not None)


def _unlabelled(entries: Sequence[LogEntry], version: str, width: int) -> tuple[list[Prediction], int]:
    """Calls without an outcome, in canonical order, and how many more have no inputs that can be read."""
    told = {entry.id for entry in entries if isinstance(entry, Outcome)}
    first: dict[str, Prediction] = {}
    for entry in entries:
        if isinstance(entry, Prediction) and entry.served_by == version and entry.id not in told:
            first.setdefault(entry.id, entry)
    whole = [call for call in first.values() if len(call.inputs) == width]
    return sorted(whole, key=lambda call: (call.asked_s, call.id)), len(first) - len(whole)


def _drawn(
    held: Sampled,
    contract: Contract,
    calls: Sequence[Prediction],
    column: ColumnProfile | None,
    *,
    rows: int,
    seed: int,
) -> Sample:
    table = _inputs(contract, calls)
    if column is None:
        chosen = _at_random(len(calls), rows=rows, seed=seed)
    else:
        chosen = labelling.drawn_by(table, column, rows=rows, seed=seed)
    told = msgspec.structs.replace(held, column=None if column is None else column.name, rows=chosen.places.size)
    return Sample(msgspec.structs.replace(told, sentence=_sentence(told)), _laid_out(calls, table, chosen))


def _inputs(contract: Contract, calls: Sequence[Prediction]) -> pl.DataFrame:
    import polars as pl

    values: list[list[Any]] = [list(column) for column in zip(*(call.inputs for call in calls), strict=True)]
    return pl.DataFrame([series(column, held) for column, held in zip(contract.asked, values, strict=True)])


def _at_random(calls: int, *, rows: int, seed: int) -> labelling.Chosen:
    places = to_label.drawn(np.zeros(1), np.zeros(calls, dtype=np.int64), rows=rows, seed=seed)
    return labelling.Chosen(places, [""] * places.size, np.full(places.size, calls / places.size))


def _laid_out(calls: Sequence[Prediction], table: pl.DataFrame, chosen: labelling.Chosen) -> pl.DataFrame:
    """What is to be filled in, then what was asked. What the model said stays in the log: it would lead whoever labels."""
    import polars as pl

    places: list[int] = chosen.places.tolist()
    own = [calls[place] for place in places]
    stamp = pl.Datetime("us", "UTC")
    asked = pl.Series("lockgate_asked", [round(call.asked_s * 1e6) for call in own], dtype=pl.Int64).cast(stamp)
    first = pl.DataFrame(
        [
            pl.Series("id", [call.id for call in own], dtype=pl.String),
            pl.Series("value", [None] * len(own), dtype=pl.Float64),
            pl.Series("at", [None] * len(own), dtype=stamp),
            pl.Series("lockgate_unit", [call.unit for call in own], dtype=pl.String),
            asked,
            pl.Series("lockgate_cell", chosen.cells, dtype=pl.String),
            pl.Series("lockgate_weight", chosen.weights, dtype=pl.Float64),
        ]
    )
    inputs = table[chosen.places].rename({name: f"input_{name}" for name in _TAKEN if name in table.columns})
    return first.hstack(inputs)


def _sentence(told: Sampled) -> str:
    by = "at random" if told.column is None else f"more of them where {told.column} has moved"
    return f"{told.rows:,} of {told.calls:,} calls without an outcome since {when(told.since_s)}, drawn {by}."


def _no_drift(wiring: Wiring, model: str) -> str:
    return (
        f"No drift of {model}'s champion stands, so nothing says which calls to look at first. It takes a window of "
        f"{wiring.spec.model[model].monitor.window} that has moved (lockgate alarms {model} --all); --anyway draws at random."
    )


def _no_cells(model: str) -> str:
    return (
        f"What moved of {model} is no number and no category that was asked (a prediction, a pair, a time), so there is "
        "nowhere to look first; --anyway draws at random."
    )


def _nothing(wiring: Wiring, model: str, version: str, found: DriftFound | None, event_s: float) -> Sampled:
    made = wiring.records.get(Version, version)
    return Sampled(
        model=model,
        version=version if made is None else made.short,
        verdict=None if found is None else found.id,
        column=None,
        since_s=event_s,
        until_s=event_s,
        calls=0,
        rows=0,
        left_out=0,
        sentence="",
    )


def _with(none: Sampled, *, sentence: str, left_out: int = 0) -> Sample:
    return Sample(msgspec.structs.replace(none, sentence=sentence, left_out=left_out), None)
