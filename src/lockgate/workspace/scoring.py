"""A table larger than memory scored into another: shard by shard, each answered by the path of one row, logged, and kept.

Three stretches are under way at a time: one is read and held to the contract, one is with the models, one is logged and
written. A shard's part is renamed into place after its calls are logged. Whoever begins again finds in the log what was
answered of the shard that has no part yet, so that no call is logged twice and none is answered in two ways.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import ContractError, LockgateError, SpecError
from lockgate.features.contract import to_columns
from lockgate.records import Column, Contract, Prediction, Record, Shadow
from lockgate.records.prediction import Calls, LogEntry, LogLine
from lockgate.serve import answers as serve_answers
from lockgate.serve.answers import Scored
from lockgate.serve.batch import Batch, Held, held
from lockgate.serve.call import Caller
from lockgate.store import parts
from lockgate.store.parts import Job, Parts
from lockgate.store.ports import PredictionLog
from lockgate.store.stretches import Stretch, Wanted, identity, source
from lockgate.workspace import answers
from lockgate.workspace.ahead import ahead
from lockgate.workspace.collecting import seldom_collected
from lockgate.workspace.dataplane import DataPlane, Served
from lockgate.workspace.shard_windows import ShardWindows
from lockgate.workspace.wire import Wiring

if TYPE_CHECKING:
    import polars as pl

ROWS_AT_ONCE = 50_000
ASKED_AT_ONCE = 25_000  # rows with the models at once: as many as one that crashes can take down with it
HANGS_S = 300.0


class Options(Record, frozen=True, kw_only=True):
    """rows_at_once: of a shard, which is answered, logged and kept together. is_again: OUT may be replaced. is_strict: the
    first row that breaks the contract stops it. prefix: begins every id; left out, the table's name and digest.
    """

    rows_at_once: int = ROWS_AT_ONCE
    is_again: bool = False
    is_strict: bool = False
    prefix: str | None = None
    separator: str | None = None
    decimal_comma: bool = False


class ScoredTable(Record, frozen=True, kw_only=True):
    """What came of it. rows: in OUT; refused: rows that have no answer, by reason; fallbacks: rows that another answered
    than was chosen; resumed_at: the row it went on at, 0 where it began anew; seconds: of this run. notes: what of the table
    was taken one way of several.
    """

    model: str
    out: str
    rows: int
    refused: dict[str, int]
    fallbacks: int
    resumed_at: int
    seconds: float
    notes: tuple[str, ...] = ()
    schema: int = 1

    @property
    def is_whole(self) -> bool:
        """Whether every row has an answer."""
        return not self.refused


class Progress(NamedTuple):
    """row: up to where it has come; done: how much of the table that is, in [0, 1]; is_resumed: said once, as it goes on."""

    row: int
    done: float
    is_resumed: bool = False


Tell = Callable[[Progress], None]


class BatchPlane(DataPlane):
    """The models as a worker holds them, for calls that can wait: a log that refuses stops them, and nothing is dropped."""

    def append(self, entries: Sequence[LogLine]) -> int:
        self.log.keep(entries)
        return 0

    def is_sampled(self, model: str) -> bool:
        """Whether some of its calls are logged without their inputs, so that each is a line of its own."""
        spec = self.log.modes.get(model)
        return spec is not None and spec.mode == "sampled"


class _Shard(NamedTuple):
    """Some rows of the table, held to the contract. own: the columns that say which rows they are."""

    number: int
    held: Held
    own: pl.DataFrame
    done: float


class _Said(NamedTuple):
    """What was said of some calls of a shard: to be logged still, or found in the log. places: shape (k,), in the shard."""

    places: NDArray[np.intp]
    said: Scored | list[Prediction]


class _Answered(NamedTuple):
    shard: _Shard
    said: list[_Said]


class _OtherContract(Exception):
    """The champion has changed, and its contract with it: what was read for the one before is read again."""


def score_table(wiring: Wiring, model: str, path: Path, out: Path, options: Options, tell: Tell) -> ScoredTable:
    """Raises Conflict where OUT is there, is being made, or was begun otherwise; SpecError or ContractError where the table
    cannot be read; StoreError where the disk refuses. What was finished stays, and the same call goes on behind it.
    """
    if options.rows_at_once < 1:
        raise SpecError(f"{options.rows_at_once} rows at once is none.", cure="Leave it out, or name 1 or more.")
    began = time.monotonic()
    with parts.held(out, lambda begun: _job(model, path, options, begun, wiring), is_again=options.is_again) as made:
        resumed_at = made.done * made.job.rows_at_once
        if resumed_at:
            tell(Progress(resumed_at, 0.0, is_resumed=True))
        notes: tuple[str, ...] = ()
        if made.totals is None:
            notes = _scored(wiring, path, made, options, tell)
        totals = made.finish()
    return ScoredTable(
        model=model,
        out=str(out),
        rows=totals.rows,
        refused=totals.refused,
        fallbacks=totals.fallbacks,
        resumed_at=resumed_at,
        seconds=time.monotonic() - began,
        notes=notes,
    )


def _scored(wiring: Wiring, path: Path, made: Parts, options: Options, tell: Tell) -> tuple[str, ...]:
    plane = BatchPlane(wiring.home, hangs_s=HANGS_S, rows_at_once=ASKED_AT_ONCE, forgets=False)
    scoring = _Scoring(plane, wiring.log, path, made, options, tell)
    try:
        with seldom_collected():
            return scoring.run()
    except LockgateError:
        if not scoring.has_asked:
            made.abandon()
        raise
    finally:
        plane.close()


def _job(model: str, path: Path, options: Options, begun: Job | None, wiring: Wiring) -> Job:
    found = identity(path, begun.source if begun else None)
    stem = path.name.removesuffix("".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix)
    return Job(
        source=found,
        model=model,
        # The same table scored twice gives the same ids, and its calls count once.
        prefix=options.prefix or f"{stem}-{found.digest[:8]}",
        rows_at_once=options.rows_at_once,
        separator=options.separator,
        decimal_comma=options.decimal_comma,
        asked_s=wiring.clock(),
        began_s=time.time(),
        is_again=options.is_again,
    )


class _Scoring:
    """One run over what is left of a table. has_asked: whether a call may have been logged, by this run or an earlier one."""

    def __init__(
        self, plane: BatchPlane, log: PredictionLog, path: Path, made: Parts, options: Options, tell: Tell
    ) -> None:
        self._plane, self._log, self._path, self._parts = plane, log, path, made
        self._is_strict, self._tell = options.is_strict, tell
        self._job = made.job
        self._may_be_logged = self.has_asked = made.is_resumed
        self._notes: tuple[str, ...] = ()
        self._windows = ShardWindows(plane.profile)

    def run(self) -> tuple[str, ...]:
        while True:
            self._plane.refresh()
            try:
                self._under(self._plane.model(self._job.model))
            except _OtherContract:
                continue
            return (*self._notes, *self._windows.notes)

    def _under(self, served: Served) -> None:
        with (
            ahead(lambda: self._shards(served)) as shards,
            ahead(lambda: self._answers(shards, served.contract)) as answered,
        ):
            for found in answered:
                shard = found.shard
                rows = [one for part in found.said for one in self._kept(shard, part)]
                self._parts.write(shard.number, answers.table(shard.own, rows, shard.held.refused))
                self._tell(Progress(self._row(shard.number) + shard.own.height, shard.done))

    def _kept(self, shard: _Shard, part: _Said) -> Iterator[tuple[NDArray[np.intp], pl.DataFrame]]:
        """Log what is not logged yet; gives OUT's columns, with their places in the shard."""
        if isinstance(part.said, list):
            yield part.places, answers.of_predictions(part.said)
        elif self._plane.is_sampled(self._job.model):
            yield part.places, answers.of_predictions(self._caller.keep(part.said))
            self._plane.append(self._windows.of(part.said))
        else:
            table_places = part.places + self._row(shard.number)
            lines = serve_answers.lines(part.said, prefix=self._job.prefix, places=table_places)
            self._plane.append([*lines, *self._windows.of(part.said)])
            for arm, calls in zip(part.said.answers, lines, strict=False):  # the shadows stand last
                if isinstance(calls, Calls):
                    yield part.places[arm.rows], answers.of_calls(calls)

    def _shards(self, served: Served) -> Iterator[_Shard]:
        contract = served.contract
        own = _own(contract)
        sent = {column.name for column in contract.sent}
        wanted = Wanted(
            (*contract.sent, *(column for column in own if column.name not in sent)),
            contract.model,
            self._job.separator,
            self._job.decimal_comma,
        )
        table = source(self._path, wanted, self._job.source.version)
        number = self._parts.done
        for stretch in table.stretches(self._job.rows_at_once, self._row(number)):
            self._notes = tuple(table.notes)
            yield self._shard(number, stretch, served, own)
            number += 1

    def _shard(self, number: int, stretch: Stretch, served: Served, own: Sequence[Column]) -> _Shard:
        first = self._row(number)
        found = held(
            to_columns(stretch.table, served.contract.sent),
            served.contract,
            prefix=self._job.prefix,
            first=first,
            now_s=self._job.asked_s,
            completing=served.completing,
        )
        if found.refused and self._is_strict:
            place = min(found.refused)
            raise ContractError(
                f"Row {first + place + 1} of {self._path} breaks the contract: {found.refused[place]}.",
                cure="Mend it, or leave out --strict: such rows are set aside with their reason.",
                row=first + place,
            )
        return _Shard(number, found, answers.own(stretch.table, own), stretch.done)

    def _answers(self, shards: Iterator[_Shard], contract: Contract) -> Iterator[_Answered]:
        for shard in shards:
            self._plane.refresh()
            served = self._plane.model(self._job.model)
            if served.contract != contract:
                raise _OtherContract
            yield _Answered(shard, list(self._said(shard.held)))

    def _said(self, held: Held) -> Iterator[_Said]:
        """Of what was logged before, what the log says; the models are asked for the rest."""
        batch, places = held.batch, held.places
        self.has_asked = True
        known = self._logged(batch)
        if known:
            is_known = np.array([name in known for name in batch.ids], dtype=bool)
            before, rest = np.flatnonzero(is_known), np.flatnonzero(~is_known)
            yield _Said(places[before], self._completed(batch.take(before), known))
            batch, places = batch.take(rest), places[rest]
        for start, part in zip(range(0, len(batch), ASKED_AT_ONCE), batch.parts(ASKED_AT_ONCE), strict=True):
            with np.errstate(over="ignore"):  # a number beyond float32 is flagged as what it becomes
                said = self._caller.scored(part)
            yield _Said(places[start : start + len(part)], said)

    @property
    def _caller(self) -> Caller:
        return self._plane.model(self._job.model).caller

    def _logged(self, batch: Batch) -> dict[str, list[LogEntry]]:
        """What a run that was cut off had logged of these calls; after the first shard of which nothing is, no more is."""
        if not self._may_be_logged or not len(batch):
            return {}
        found: dict[str, list[LogEntry]] = {}
        for entry in self._log.entries_of(self._job.model, batch.ids):
            if isinstance(entry, Prediction) and entry.answered_s >= self._job.began_s:
                found.setdefault(entry.id, []).insert(0, entry)
            elif isinstance(entry, Shadow):
                found.setdefault(entry.id, []).append(entry)
        found = {name: entries for name, entries in found.items() if isinstance(entries[0], Prediction)}
        self._may_be_logged = bool(found)
        return found

    def _completed(self, batch: Batch, known: dict[str, list[LogEntry]]) -> list[Prediction]:
        """The logged predictions of these calls; the other arm's say is logged now where it was not."""
        predictions = [entry for name in batch.ids for entry in known[name][:1] if isinstance(entry, Prediction)]
        shadowed = {(e.id, e.rollout) for name in batch.ids for e in known[name] if isinstance(e, Shadow)}
        lacking = np.flatnonzero([(p.id, p.rollout) not in shadowed for p in predictions])
        if lacking.size:
            lone = [predictions[row] for row in lacking.tolist()]
            self._caller.shadow(batch.take(lacking), lone, has_deadline=False)
        return predictions

    def _row(self, number: int) -> int:
        return number * self._job.rows_at_once


def _own(contract: Contract) -> tuple[Column, ...]:
    """The columns that say which row it was: keys and unit."""
    names = {*contract.keys, contract.unit}
    return tuple(column for column in contract.columns if column.name in names)
