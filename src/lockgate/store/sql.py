"""Records and their ledger in SQLite (WAL) through SQLAlchemy Core; the same code runs on PostgreSQL."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from lockgate.decide import budget
from lockgate.errors import Conflict
from lockgate.records import BudgetSpec, Entry, Spend, decode, encode
from lockgate.records.duration import seconds
from lockgate.records.entry import GENESIS, EntryKind, link
from lockgate.store.keys import CHAINED, REPLACED, at_s, key, new_draws, refuse_changed, refuse_spends
from lockgate.store.ports import K, Kept, Replaced, Written
from lockgate.store.sql_tables import LEDGER, RECORD, in_body, named_errors
from lockgate.store.written_once import ONCE, WrittenOnce

# A share of the budget: nearer to it than this, a sum that the database rounded is not enough to go by.
NEAR = 1 - 1e-9
# Made once: to build a statement takes longer than to run it.
_KEPT = sa.select(RECORD.c.body).where(
    RECORD.c.kind == sa.bindparam("kind", type_=sa.String), RECORD.c.key == sa.bindparam("key", type_=sa.String)
)
_PLACED = (RECORD.c.kind == sa.bindparam("kind", type_=sa.String)) & (
    RECORD.c.model == sa.bindparam("model", type_=sa.String)
)
_ALL = sa.select(RECORD.c.body).where(RECORD.c.kind == sa.bindparam("kind", type_=sa.String)).order_by(RECORD.c.number)
_ALL_OF = sa.select(RECORD.c.body).where(_PLACED).order_by(RECORD.c.number)
_COUNT = sa.select(sa.func.count()).select_from(RECORD).where(_PLACED)
_BEHIND = (
    sa.select(RECORD.c.number, RECORD.c.model, RECORD.c.body)
    .where(
        RECORD.c.kind == sa.bindparam("kind", type_=sa.String),
        RECORD.c.number > sa.bindparam("number", type_=sa.Integer),
    )
    .order_by(RECORD.c.number)
)
_KEEP = sa.insert(RECORD)
_LAST = sa.select(LEDGER.c.number, LEDGER.c.digest).order_by(LEDGER.c.number.desc()).limit(1)
_CHAIN = sa.insert(LEDGER)

_DRAWN = (
    "SELECT sum({alpha}) FROM ledger "
    "WHERE kind = 'spend' AND model = :model AND {at_s} > :since_s AND {at_s} < :until_s"
)
_DRAWS = sa.text("SELECT body FROM ledger WHERE kind = 'spend' AND model = :model")


class SqlRecords:
    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._reads = engine.execution_options(reads=True)
        self._kept_open = threading.local()
        self._drawn = in_body(_DRAWN, engine)
        self._held_once = WrittenOnce() if engine.dialect.name == "sqlite" else None

    def write(self, *records: Written, over: Sequence[Replaced] = ()) -> None:
        refuse_spends(records)
        with named_errors(), self._engine.begin() as db:
            self._write(db, records, over, self._last(db))

    def spend(
        self, spec: BudgetSpec, *spends: Spend, then: Sequence[Written] = (), over: Sequence[Replaced] = ()
    ) -> None:
        refuse_spends(then)
        with named_errors(), self._engine.begin() as db:
            # The last link comes first: whoever adds a draw after it was read takes the number that ours needs.
            last = self._last(db)
            new = new_draws(spends, lambda name: self._held(db, name))
            if new:
                self._check(db, spec, new)
            for spend in new:
                body = encode(spend).decode()
                self._add(db, spend, body)
                last = self._chain(db, spend, body, last)
            self._write(db, then, over, last)

    @contextmanager
    def reading(self) -> Generator[None]:
        if self._open is not None:
            yield
            return
        with named_errors():
            db = self._kept_open.db = self._reads.connect()
        try:
            yield
        finally:
            self._kept_open.db = None
            db.close()

    @property
    def _open(self) -> sa.Connection | None:
        """This thread's own, inside `reading`."""
        return getattr(self._kept_open, "db", None)

    @contextmanager
    def _connection(self) -> Generator[sa.Connection]:
        """For one reading. Each transaction ends with it: one left open would hold back what the database may tidy up."""
        db = self._open
        if db is None:
            with self._reads.begin() as db:
                yield db
            return
        try:
            yield db
        finally:
            db.rollback()

    def get(self, kind: type[K], key: str) -> K | None:
        with named_errors(), self._connection() as db:
            body = db.execute(_KEPT, {"kind": kind.__name__, "key": key}).scalar()
        return None if body is None else decode(kind, body)

    def all(self, kind: type[K], model: str | None = None) -> list[K]:
        if model is not None and self._held_once is not None and kind in ONCE:
            return self._held_once.of(kind, model, self._behind)
        query, place = (_ALL, {"kind": kind.__name__}) if model is None else (_ALL_OF, _place(kind, model))
        with named_errors(), self._connection() as db:
            return [decode(kind, body) for body in db.execute(query, place).scalars()]

    def count(self, kind: type[K], model: str) -> int:
        with named_errors(), self._connection() as db:
            return db.execute(_COUNT, _place(kind, model)).scalar_one()

    def _behind(self, kind: type[Kept], number: int) -> list[tuple[int, str, str]]:
        """Number, model and body of what was added behind a number."""
        with named_errors(), self._connection() as db:
            found = db.execute(_BEHIND, {"kind": kind.__name__, "number": number})
            return [(row.number, row.model, row.body) for row in found]

    def entries(self, after: int = 0, limit: int | None = None) -> list[Entry]:
        query = sa.select(LEDGER).where(LEDGER.c.number > after).order_by(LEDGER.c.number).limit(limit)
        with named_errors(), self._connection() as db:
            return [Entry(**{str(name): value for name, value in row.items()}) for row in db.execute(query).mappings()]

    def newest(self) -> int:
        with named_errors(), self._connection() as db:
            return self._last(db)[0]

    def bodies(self, kind: EntryKind, keys: Collection[str]) -> dict[str, str]:
        names = [type_.__name__ for type_, own in CHAINED.items() if own == kind]
        query = sa.select(RECORD.c.key, RECORD.c.body).where(RECORD.c.kind.in_(names), RECORD.c.key.in_(keys))
        with named_errors(), self._connection() as db:
            return {row.key: row.body for row in db.execute(query)}

    def unchained(self, limit: int = 1) -> list[tuple[EntryKind, str]]:
        found: list[tuple[EntryKind, str]] = []
        with named_errors(), self._connection() as db:
            for type_, kind in CHAINED.items():
                # A set, made once: neither side needs an index that is there for this alone.
                chained = sa.select(LEDGER.c.subject).where(LEDGER.c.kind == kind)
                own = (RECORD.c.kind == type_.__name__) & RECORD.c.key.not_in(chained)
                keys = db.execute(sa.select(RECORD.c.key).where(own).order_by(RECORD.c.number).limit(limit)).scalars()
                strays: list[tuple[EntryKind, str]] = [(kind, name) for name in keys]
                found += strays
        return found[:limit]

    def _write(
        self, db: sa.Connection, records: Sequence[Written], over: Sequence[Replaced], last: tuple[int, str]
    ) -> None:
        refuse_changed(over, lambda record: self._as_kept(db, record))
        for record in records:
            body = encode(record).decode()
            if self._keep(db, record, body) and type(record) in CHAINED:
                last = self._chain(db, record, body, last)

    def _as_kept(self, db: sa.Connection, record: Replaced) -> Replaced | None:
        body = db.execute(_KEPT, {"kind": type(record).__name__, "key": key(record)}).scalar()
        return None if body is None else decode(type(record), body)

    def _last(self, db: sa.Connection) -> tuple[int, str]:
        """The ledger's last link: its number and digest."""
        last = db.execute(_LAST).first()
        return (last.number, last.digest) if last else (0, GENESIS)

    def _held(self, db: sa.Connection, name: str) -> Spend | None:
        body = db.execute(_KEPT, {"kind": Spend.__name__, "key": name}).scalar()
        return None if body is None else decode(Spend, body)

    def _check(self, db: sa.Connection, spec: BudgetSpec, new: Sequence[Spend]) -> None:
        """Raises SpecError where the draws exceed what is left.

        The sum is a bound: all that any stretch with a new draw in it may hold, and a second more. Only where it comes
        near the budget are the draws themselves read, and judged by the one rule that there is.
        """
        model, length = new[0].model, seconds(spec.window) + 1
        since_s, until_s = min(s.at_s for s in new) - length, max(s.at_s for s in new) + length
        stretch = {"model": model, "since_s": since_s, "until_s": until_s}
        drawn: float = db.execute(self._drawn, stretch).scalar() or 0.0
        if drawn + math.fsum(s.alpha for s in new) > NEAR * spec.alpha:
            bodies = db.execute(_DRAWS, {"model": model}).scalars()
            budget.check_all(spec, [decode(Spend, body) for body in bodies], new)

    def _keep(self, db: sa.Connection, record: Written, body: str) -> bool:
        """Whether anything was written."""
        kind, name = type(record).__name__, key(record)
        held = db.execute(_KEPT, {"kind": kind, "key": name}).scalar()
        if held is None:
            self._add(db, record, body)
            return True
        if isinstance(record, REPLACED):
            place = (RECORD.c.kind == kind) & (RECORD.c.key == name)
            db.execute(sa.update(RECORD).where(place).values(body=body))
            return True
        if held != body:
            raise Conflict(f"Another {kind} is kept under {name}; records are written once.")
        return False

    def _add(self, db: sa.Connection, record: Kept, body: str) -> None:
        place = {"kind": type(record).__name__, "key": key(record), "model": record.model}
        db.execute(_KEEP, place | {"body": body})

    def _chain(self, db: sa.Connection, record: Kept, body: str, last: tuple[int, str]) -> tuple[int, str]:
        """Adds the link, and gives it as the last one."""
        number, previous = last[0] + 1, last[1]
        kind, name = CHAINED[type(record)], key(record)
        digest = link(previous, number, kind, name, body)
        values = {"number": number, "previous": previous, "digest": digest, "kind": kind, "model": record.model}
        db.execute(_CHAIN, values | {"subject": name, "body": body, "written_s": at_s(record)})
        return number, digest


def _place(kind: type[Kept], model: str) -> dict[str, str]:
    return {"kind": kind.__name__, "model": model}
