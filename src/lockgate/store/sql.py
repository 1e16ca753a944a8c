"""Records, ledger and lease in SQLite (WAL) through SQLAlchemy Core; the same code runs on PostgreSQL."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor

from lockgate.decide import budget
from lockgate.errors import Conflict, SpecError, StoreError, unknown
from lockgate.records import BudgetSpec, Entry, Spend, decode, encode
from lockgate.records.duration import seconds
from lockgate.records.entry import GENESIS, EntryKind, link
from lockgate.store.keys import CHAINED, REPLACED, at_s, is_held, key, new_draws, refuse_changed, refuse_spends
from lockgate.store.ports import K, Kept, Replaced, Written
from lockgate.store.written_once import ONCE, WrittenOnce

SCHEMA = 1
LOCKED_S = 10.0
# A share of the budget: nearer to it than this, a sum that the database rounded is not enough to go by.
NEAR = 1 - 1e-9
_meta = sa.MetaData()
_record = sa.Table(
    "record",
    _meta,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("key", sa.String(512), nullable=False),
    sa.Column("model", sa.String(256), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.UniqueConstraint("kind", "key"),
    sa.Index("record_by_model", "kind", "model"),
)
_ledger = sa.Table(
    "ledger",
    _meta,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("model", sa.String(256), nullable=False),
    sa.Column("subject", sa.String(512), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("written_s", sa.Float, nullable=False),
)
_lease = sa.Table(
    "lease",
    _meta,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("holder", sa.String(128), nullable=False),
    sa.Column("until_s", sa.Float, nullable=False),
)
_schema = sa.Table("lockgate_schema", _meta, sa.Column("number", sa.Integer, primary_key=True))

# Made once: to build a statement takes longer than to run it.
_KEPT = sa.select(_record.c.body).where(
    _record.c.kind == sa.bindparam("kind", type_=sa.String), _record.c.key == sa.bindparam("key", type_=sa.String)
)
_PLACED = (_record.c.kind == sa.bindparam("kind", type_=sa.String)) & (
    _record.c.model == sa.bindparam("model", type_=sa.String)
)
_ALL = (
    sa.select(_record.c.body).where(_record.c.kind == sa.bindparam("kind", type_=sa.String)).order_by(_record.c.number)
)
_ALL_OF = sa.select(_record.c.body).where(_PLACED).order_by(_record.c.number)
_COUNT = sa.select(sa.func.count()).select_from(_record).where(_PLACED)
_BEHIND = (
    sa.select(_record.c.number, _record.c.model, _record.c.body)
    .where(
        _record.c.kind == sa.bindparam("kind", type_=sa.String),
        _record.c.number > sa.bindparam("number", type_=sa.Integer),
    )
    .order_by(_record.c.number)
)
_KEEP = sa.insert(_record)
_LAST = sa.select(_ledger.c.number, _ledger.c.digest).order_by(_ledger.c.number.desc()).limit(1)
_CHAIN = sa.insert(_ledger)

# What is drawn is read from the ledger's own entries: the index holds each draw's time and alpha as the database itself
# finds them in the chained body, so that no copy is kept beside it. The query must spell its terms as the index does.
_IN_BODY = {
    "sqlite": "json_extract(body, '$.{name}')",
    "postgresql": "(CAST(CAST(body AS jsonb) ->> '{name}' AS double precision))",
}
_INDEX = "CREATE INDEX IF NOT EXISTS ledger_spends ON ledger (model, {at_s}, {alpha}) WHERE kind = 'spend'"
_DRAWN = (
    "SELECT sum({alpha}) FROM ledger "
    "WHERE kind = 'spend' AND model = :model AND {at_s} > :since_s AND {at_s} < :until_s"
)
_DRAWS = sa.text("SELECT body FROM ledger WHERE kind = 'spend' AND model = :model")


def connect(url: str) -> sa.Engine:
    """An engine whose write transactions begin as writers, so that two of them never read the same last link."""
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    return engine


def connect_file(path: Path) -> sa.Engine:
    """SQLite at `path`, its folder made. Raises StoreError where it cannot be opened."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        # Made here and nowhere else: a file that is moved away for a while is missed, not replaced by an empty one.
        engine = connect(f"sqlite:///file:{quote(str(path.resolve()))}?mode=rw&uri=true")
        create(engine)
    except (OSError, exc.SQLAlchemyError) as error:
        reason = getattr(error, "orig", None) or error
        raise StoreError(
            f"The database {path} cannot be opened: {reason}.", cure="Free some room, or mend it."
        ) from error
    return engine


def create(engine: sa.Engine) -> None:
    """Make what is missing. Raises StoreError for a database of another schema."""
    _meta.create_all(engine)
    with engine.begin() as db:
        found = db.execute(sa.select(_schema.c.number)).scalar()
        if found is None:
            db.execute(sa.insert(_schema).values(number=SCHEMA))
        db.execute(_in_body(_INDEX, engine))
    if found not in (None, SCHEMA):
        raise StoreError(
            f"The database has schema {found}, and this Lockgate reads schema {SCHEMA}.",
            cure="Install the matching version.",
        )


def _in_body(statement: str, engine: sa.Engine) -> sa.TextClause:
    """The statement, with a draw's time and alpha as this database finds them in an entry's body."""
    form = _IN_BODY.get(engine.dialect.name)
    if form is None:
        raise SpecError(unknown("database", engine.dialect.name, _IN_BODY))
    return sa.text(statement.format(at_s=form.format(name="at_s"), alpha=form.format(name="alpha")))


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin by itself
    cursor = connection.cursor()
    for pragma in ("busy_timeout=10000", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    _write_ahead(cursor)
    cursor.close()


def _write_ahead(cursor: DBAPICursor) -> None:
    """SQLite does not wait for a lock when the journal changes: two processes that make one file try in turn."""
    give_up = time.monotonic() + LOCKED_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.02)


def _begin_immediate(connection: sa.Connection) -> None:
    # A reading is one statement, which SQLite makes a transaction of by itself.
    if not connection.get_execution_options().get("reads"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


class SqlRecords:
    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._reading = engine.execution_options(reads=True)
        self._drawn = _in_body(_DRAWN, engine)
        self._held_once = WrittenOnce() if engine.dialect.name == "sqlite" else None

    def write(self, *records: Written, over: Sequence[Replaced] = ()) -> None:
        refuse_spends(records)
        with _named_errors(), self._engine.begin() as db:
            self._write(db, records, over, self._last(db))

    def spend(
        self, spec: BudgetSpec, *spends: Spend, then: Sequence[Written] = (), over: Sequence[Replaced] = ()
    ) -> None:
        refuse_spends(then)
        with _named_errors(), self._engine.begin() as db:
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

    def get(self, kind: type[K], key: str) -> K | None:
        with _named_errors(), self._reading.begin() as db:
            body = db.execute(_KEPT, {"kind": kind.__name__, "key": key}).scalar()
        return None if body is None else decode(kind, body)

    def all(self, kind: type[K], model: str | None = None) -> list[K]:
        if model is not None and self._held_once is not None and kind in ONCE:
            return self._held_once.of(kind, model, self._behind)
        query, place = (_ALL, {"kind": kind.__name__}) if model is None else (_ALL_OF, _place(kind, model))
        with _named_errors(), self._reading.begin() as db:
            return [decode(kind, body) for body in db.execute(query, place).scalars()]

    def count(self, kind: type[K], model: str) -> int:
        with _named_errors(), self._reading.begin() as db:
            return db.execute(_COUNT, _place(kind, model)).scalar_one()

    def _behind(self, kind: type[Kept], number: int) -> list[tuple[int, str, str]]:
        """Number, model and body of what was added behind a number."""
        with _named_errors(), self._reading.begin() as db:
            found = db.execute(_BEHIND, {"kind": kind.__name__, "number": number})
            return [(row.number, row.model, row.body) for row in found]

    def entries(self, after: int = 0, limit: int | None = None) -> list[Entry]:
        query = sa.select(_ledger).where(_ledger.c.number > after).order_by(_ledger.c.number).limit(limit)
        with _named_errors(), self._reading.begin() as db:
            return [Entry(**{str(name): value for name, value in row.items()}) for row in db.execute(query).mappings()]

    def newest(self) -> int:
        with _named_errors(), self._reading.begin() as db:
            return self._last(db)[0]

    def bodies(self, kind: EntryKind, keys: Collection[str]) -> dict[str, str]:
        names = [type_.__name__ for type_, own in CHAINED.items() if own == kind]
        query = sa.select(_record.c.key, _record.c.body).where(_record.c.kind.in_(names), _record.c.key.in_(keys))
        with _named_errors(), self._reading.begin() as db:
            return {row.key: row.body for row in db.execute(query)}

    def unchained(self, limit: int = 1) -> list[tuple[EntryKind, str]]:
        found: list[tuple[EntryKind, str]] = []
        with _named_errors(), self._reading.begin() as db:
            for type_, kind in CHAINED.items():
                # A set, made once: neither side needs an index that is there for this alone.
                chained = sa.select(_ledger.c.subject).where(_ledger.c.kind == kind)
                own = (_record.c.kind == type_.__name__) & _record.c.key.not_in(chained)
                keys = db.execute(sa.select(_record.c.key).where(own).order_by(_record.c.number).limit(limit)).scalars()
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
            place = (_record.c.kind == kind) & (_record.c.key == name)
            db.execute(sa.update(_record).where(place).values(body=body))
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


class SqlLease:
    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def acquire(self, name: str, holder: str, *, now_s: float, for_s: float) -> bool:
        with _named_errors(), self._engine.begin() as db:
            held = db.execute(sa.select(_lease).where(_lease.c.name == name)).first()
            if held is None:
                db.execute(sa.insert(_lease).values(name=name, holder=holder, until_s=now_s + for_s))
                return True
            if is_held(held.holder, held.until_s, holder, now_s=now_s, for_s=for_s):
                return False
            db.execute(sa.update(_lease).where(_lease.c.name == name).values(holder=holder, until_s=now_s + for_s))
            return True

    def release(self, name: str, holder: str) -> None:
        with _named_errors(), self._engine.begin() as db:
            db.execute(sa.delete(_lease).where(_lease.c.name == name, _lease.c.holder == holder))


@contextmanager
def _named_errors() -> Generator[None]:
    try:
        yield
    except exc.DBAPIError as error:
        raise StoreError(
            f"The database refused: {error.orig}.", cure="Free some room, or wait for whoever holds it."
        ) from error
