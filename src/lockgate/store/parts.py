"""A scored table while it is made: parts beside their journal in `OUT.parts`, which become OUT in one step at the end.

A part is there whole or not at all, and the parts come in order: whoever begins again goes on behind the last. Each is
written as it will stand in OUT: the end copies bytes, names the files, or packs Parquet's rows anew, which no library that we
know joins without. One process at a time holds the folder, by a lock that the kernel drops with the process.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from lockgate.errors import Conflict, SpecError, StoreError
from lockgate.records import Record, decode, encode
from lockgate.store.files import first_line
from lockgate.store.open_segment import sync_path
from lockgate.store.stretches import Identity

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["parquet", "csv", "delta"]
T = TypeVar("T")
_KINDS: dict[str, Kind] = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", "": "delta"}
_JOB, _LOCK, _WHOLE, _DONE = "job.json", "lock", "whole", "done.json"
_PART = "part-{:08d}"
ZSTD_LEVEL = 1  # a higher one takes twice as long for the same size
_SUFFIXES: dict[Kind, str] = {"parquet": ".parquet", "csv": ".csv", "delta": ".parquet"}


class Job(Record, frozen=True, kw_only=True):
    """What is being scored, and how: the same again goes on, anything else is another job.

    asked_s: when the rows were asked that do not say it; began_s: wall time. is_again: it may replace what OUT was before.
    """

    source: Identity
    model: str
    prefix: str
    rows_at_once: int
    separator: str | None
    decimal_comma: bool
    asked_s: float
    began_s: float
    is_again: bool = False
    schema: int = 1


class Totals(Record, frozen=True, kw_only=True):
    """rows: with an answer or without; refused: rows without one, by reason; fallbacks: rows answered by another than was
    chosen.
    """

    rows: int
    refused: dict[str, int]
    fallbacks: int


class Parts:
    """The parts of one OUT, held by this process. is_resumed: an earlier process had begun the job; done: how many parts
    there are.
    """

    def __init__(self, out: Path, folder: Path, job: Job, *, is_resumed: bool) -> None:
        self.out, self.job, self.is_resumed = out, job, is_resumed
        self._folder = folder
        self._kind: Kind = kind_of(out)
        self.done = 0
        while self._part(self.done).exists():
            self.done += 1

    @property
    def totals(self) -> Totals | None:
        """What OUT holds, once it has been made; only to be put into its place then."""
        path = self._folder / _DONE
        return decode(Totals, path.read_bytes()) if path.exists() else None

    def begin(self) -> None:
        """Note the job: whoever comes here next goes on with it."""
        self._put(_JOB, self.job)

    def write(self, number: int, rows: pl.DataFrame) -> None:
        """Part `number`, whole or not at all, also after a power cut. Raises StoreError where the disk refuses."""
        import polars as pl

        fresh = self._folder / f".{number}.new"

        def put() -> None:
            if self._kind == "csv":
                rows.with_columns(pl.col("flags").list.join("; ")).write_csv(fresh, include_header=number == 0)
            else:
                rows.write_parquet(fresh, compression="zstd", compression_level=ZSTD_LEVEL)
            sync_path(fresh)
            fresh.replace(self._part(number))

        self._refused(put, fresh)
        self.done = number + 1

    def finish(self) -> Totals:
        """All parts as OUT; what was there before is replaced, where the job may."""
        totals = self.totals
        if totals is None:
            whole = self._folder / _WHOLE
            _remove(whole)
            totals = self._totals()
            self._refused(lambda: self._join(whole), whole)
            self._put(_DONE, totals)
        self._reveal()
        return totals

    def abandon(self) -> None:
        """Leave nothing behind: for a job of which nothing was done."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _part(self, number: int) -> Path:
        return self._folder / f"{_PART.format(number)}{_SUFFIXES[self._kind]}"

    @property
    def _every(self) -> list[Path]:
        return [self._part(number) for number in range(self.done)]

    def _scan(self) -> pl.LazyFrame:
        import polars as pl

        if self._kind != "csv":
            return pl.scan_parquet(self._every)
        first, *others = self._every
        head = pl.scan_csv(first, infer_schema=False)
        names = head.collect_schema()
        more = [pl.scan_csv(others, has_header=False, schema=names)] if others else []
        return pl.concat([head, *more])

    def _totals(self) -> Totals:
        import polars as pl

        own = pl.col("served_by") != pl.col("version")
        counted = self._scan().group_by("refused").agg(rows=pl.len(), fallbacks=own.sum()).collect(engine="streaming")
        refused = {reason: rows for reason, rows in counted.select("refused", "rows").rows() if reason is not None}
        by_count = dict(sorted(refused.items(), key=lambda item: (-item[1], item[0])))
        return Totals(rows=int(counted["rows"].sum()), refused=by_count, fallbacks=int(counted["fallbacks"].sum()))

    def _join(self, whole: Path) -> None:
        if self._kind == "parquet":
            self._scan().sink_parquet(whole, compression="zstd", compression_level=ZSTD_LEVEL, maintain_order=True)
        elif self._kind == "csv":
            _concatenate(self._every, whole)
        else:
            self._join_delta(whole)
            return
        sync_path(whole)

    def _join_delta(self, whole: Path) -> None:
        """One version whose files are the parts themselves."""
        import polars as pl
        from deltalake import DeltaTable
        from deltalake.schema import Schema
        from deltalake.transaction import AddAction

        whole.mkdir()
        actions: list[Any] = []
        for number in range(self.done):
            part = self._part(number)
            os.link(part, whole / part.name)
            told, rows = part.stat(), pl.scan_parquet(part).select(pl.len()).collect().item()
            stats = msgspec.json.encode({"numRecords": rows}).decode()
            actions.append(AddAction(part.name, told.st_size, {}, int(told.st_mtime * 1000), True, stats))
        empty: Any = pl.read_parquet(self._part(0), n_rows=0)
        table = DeltaTable.create(whole, Schema.from_arrow(empty.to_arrow().schema))
        table.create_write_transaction(actions, mode="append", schema=table.schema())

    def _reveal(self) -> None:
        """What has been made takes OUT's place. Begun again after a kill it goes on where it was."""
        whole = self._folder / _WHOLE

        def put() -> None:
            if whole.exists():
                if self.out.exists() and not self.job.is_again:
                    raise Conflict(
                        f"{self.out} has come about meanwhile.", cure="Move it away and run the same command again."
                    )
                if self.out.is_dir():  # a folder cannot be replaced: it steps aside first
                    _remove(self._folder / "before")
                    self.out.rename(self._folder / "before")
                whole.replace(self.out)
                sync_path(self.out.parent)

        self._refused(put, None)
        (self._folder / _JOB).unlink(missing_ok=True)  # first: what is left of the others is nobody's job
        shutil.rmtree(self._folder, ignore_errors=True)

    def _put(self, name: str, record: Record) -> None:
        fresh = self._folder / f".{name}.new"

        def put() -> None:
            fresh.write_bytes(encode(record))
            sync_path(fresh)
            fresh.replace(self._folder / name)

        self._refused(put, fresh)

    def _refused(self, write: Callable[[], T], leftover: Path | None) -> T:
        try:
            return write()
        except Conflict:
            raise
        except Exception as error:
            if leftover is not None:
                _remove(leftover)
            raise StoreError(
                f"{self.out} cannot be written: {first_line(error)}.",
                cure=f"Free some room there and run the same command again: {self.done:,} parts are done and stay.",
            ) from error


def kind_of(out: Path) -> Kind:
    """What OUT is to be, by its name; one without a suffix is a Delta folder. Raises SpecError for any other."""
    found = _KINDS.get(out.suffix.lower())
    if found is None:
        raise SpecError(
            f"{out} is no name for a scored table.", cure="Name it FILE.parquet, FILE.csv, or FOLDER for a Delta table."
        )
    return found


@contextmanager
def held(out: Path, make: Callable[[Job | None], Job], *, is_again: bool) -> Generator[Parts]:
    """The parts of OUT, held until the end. make: the job that is asked for, given the one that was begun here, if any.

    Raises Conflict where another process holds them, where OUT is there already and may not be replaced, and where what was
    begun here is another job: its input has changed, say.
    """
    kind_of(out)
    if not out.parent.is_dir():
        raise SpecError(f"There is no folder {out.parent} for {out.name}.", cure="Make it first, or name another.")
    folder = out.with_name(f"{out.name}.parts")
    with _locked(out, folder):
        begun = decode(Job, (folder / _JOB).read_bytes()) if (folder / _JOB).exists() else None
        if begun is None:
            _empty(folder)
            _refuse_existing(out, folder, is_again=is_again)
        try:
            job = make(begun)
        except BaseException:
            if begun is None:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        if begun is not None:
            differs = _differs(begun, job)
            if differs and not is_again and any(folder.glob("part-*")):
                raise Conflict(
                    f"{out} was begun otherwise: {differs}.",
                    cure=f"Give it back as it was, begin anew with --again, or remove {folder}.",
                )
            if differs:
                _empty(folder)
                begun = None
        parts = Parts(out, folder, begun or job, is_resumed=begun is not None)
        if begun is None:
            parts.begin()
        yield parts


def _refuse_existing(out: Path, folder: Path, *, is_again: bool) -> None:
    if out.exists() and not is_again:
        (folder / _LOCK).unlink()
        folder.rmdir()
        raise Conflict(f"{out} is there already.", cure="Name another, or replace it with --again.")


def _differs(begun: Job, job: Job) -> str:
    """What was asked for now and is not what was begun, in words; "" where it is the same."""
    if begun.source.digest != job.source.digest:
        what = "is another table" if begun.source.path != job.source.path else "has changed since"
        return f"{job.source.path} {what}"
    for name in ("model", "prefix", "rows_at_once", "separator", "decimal_comma"):
        before, now = getattr(begun, name), getattr(job, name)
        if before != now:
            return f"{name.replace('_', ' ')} was {before}, and is {now}"
    return ""


@contextmanager
def _locked(out: Path, folder: Path) -> Generator[None]:
    """The folder's lock; taken again where the folder was removed by whoever held it before."""
    while True:
        folder.mkdir(exist_ok=True)
        try:
            file = (folder / _LOCK).open("w")
        except FileNotFoundError:
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(
                    f"Another process is scoring into {out}.", cure="Wait for it, or name another OUT."
                ) from None
            if _is_here(file.fileno(), folder / _LOCK):
                yield
                return


def _is_here(handle: int, path: Path) -> bool:
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _concatenate(parts: Sequence[Path], whole: Path) -> None:
    with whole.open("xb") as out:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, out, 1 << 20)


def _empty(folder: Path) -> None:
    """All but the lock, which is held."""
    for path in folder.iterdir():
        if path.name != _LOCK:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
