"""The database's tables in SQLAlchemy Core, how it is opened, and how what it refuses is named: SQLite, or PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor

from lockgate.errors import SpecError, StoreError, unknown

SCHEMA = 1
LOCKED_S = 10.0
_META = sa.MetaData()
RECORD = sa.Table(
    "record",
    _META,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("key", sa.String(512), nullable=False),
    sa.Column("model", sa.String(256), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.UniqueConstraint("kind", "key"),
    sa.Index("record_by_model", "kind", "model"),
)
LEDGER = sa.Table(
    "ledger",
    _META,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("model", sa.String(256), nullable=False),
    sa.Column("subject", sa.String(512), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("written_s", sa.Float, nullable=False),
)
LEASE = sa.Table(
    "lease",
    _META,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("holder", sa.String(128), nullable=False),
    sa.Column("until_s", sa.Float, nullable=False),
)
_SCHEMA = sa.Table("lockgate_schema", _META, sa.Column("number", sa.Integer, primary_key=True))

# What is drawn is read from the ledger's own entries: the index holds each draw's time and alpha as the database itself
# finds them in the chained body, so that no copy is kept beside it. The query must spell its terms as the index does.
_IN_BODY = {
    "sqlite": "json_extract(body, '$.{name}')",
    "postgresql": "(CAST(CAST(body AS jsonb) ->> '{name}' AS double precision))",
}
_INDEX = "CREATE INDEX IF NOT EXISTS ledger_spends ON ledger (model, {at_s}, {alpha}) WHERE kind = 'spend'"


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
    _META.create_all(engine)
    with engine.begin() as db:
        found = db.execute(sa.select(_SCHEMA.c.number)).scalar()
        if found is None:
            db.execute(sa.insert(_SCHEMA).values(number=SCHEMA))
        db.execute(in_body(_INDEX, engine))
    if found not in (None, SCHEMA):
        raise StoreError(
            f"The database has schema {found}, and this Lockgate reads schema {SCHEMA}.",
            cure="Install the matching version.",
        )


def in_body(statement: str, engine: sa.Engine) -> sa.TextClause:
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


@contextmanager
def named_errors() -> Generator[None]:
    try:
        yield
    except exc.DBAPIError as error:
        raise StoreError(
            f"The database refused: {error.orig}.", cure="Free some room, or wait for whoever holds it."
        ) from error
