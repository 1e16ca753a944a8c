"""Tables that a database answers a query with; types as the database has them, and what it has no type for said aloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockgate.errors import SpecError, StoreError
from lockgate.store.csv_values import as_times
from lockgate.store.files import Read

if TYPE_CHECKING:
    import polars as pl
    import sqlalchemy as sa

_WHOLE_AND_REAL = {"integer", "real"}


def read_query(query: str, connection: str) -> Read:
    """The rows of one query, through Polars' SQLAlchemy connector; whatever the query changes is rolled back.

    connection: `sqlite:///flights.db`, `postgresql+psycopg://user:password@host/db`. Raises SpecError for an address or a
    query that cannot be, StoreError where the database cannot be reached or refuses. No message holds the password.
    """
    import polars as pl
    from sqlalchemy import exc

    engine = _engine(connection)
    place = engine.url.render_as_string(hide_password=True)
    try:
        with engine.connect() as db:
            try:
                table = pl.read_database(query, connection=db, infer_schema_length=None)
            except AttributeError as error:  # Polars of a statement that gives no rows
                raise SpecError(f"The query gives no table: {query}.", cure="Write a SELECT.") from error
            notes = _mended_notes(db, query, table, place) if engine.dialect.name == "sqlite" else ()
    except exc.DBAPIError as error:
        raise StoreError(f"{place} refused: {_first_line(error.orig or error)}.", cure=_CURE) from error
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise SpecError(f"The query's answer is no table: {_first_line(error)}.", cure=_COLUMNS) from error
    finally:
        engine.dispose()
    if not table.height:
        raise SpecError(f"The query gives no rows: {query}.", cure="Ask for some.")
    _refuse_objects(table)
    return _with_times(table, notes) if engine.dialect.name == "sqlite" else Read(table, notes)


def source_of(query: str, connection: str) -> str:
    """How the table came about, for a record: the password is left out."""
    return f"{_engine(connection).url.render_as_string(hide_password=True)}: {query}"


_CURE = "Check the address and the query; a query is written as that database understands it."
_COLUMNS = "Give each column a name of its own, and values of one type: CAST(x AS REAL) AS x."
_DRIVERS = {"postgresql": "psycopg[binary]", "mysql": "mysqlclient", "mssql": "pyodbc", "oracle": "oracledb"}


def _engine(connection: str) -> sa.Engine:
    import sqlalchemy as sa
    from sqlalchemy import exc

    try:
        url = sa.make_url(connection)
        if url.get_backend_name() == "sqlite" and url.database and "mode=" not in connection:
            _refuse_absent(url)
        return sa.create_engine(url)
    except ModuleNotFoundError as error:
        name = sa.make_url(connection).get_backend_name()
        driver = _DRIVERS.get(name, str(error.name))
        raise SpecError(
            f"The driver for {name} is not installed: {error.name}.", cure=f"pip install {driver}"
        ) from error
    except exc.ArgumentError as error:  # also of a dialect that nobody has heard of
        raise SpecError(
            "The connection is no database address.",
            cure="Write sqlite:///FILE, or postgresql+psycopg://USER@HOST/DATABASE.",
        ) from error


def _refuse_absent(url: sa.URL) -> None:
    """SQLite would make an empty file of a misspelt name."""
    from pathlib import Path

    from lockgate.errors import NotFound

    if url.database != ":memory:" and not Path(url.database or "").is_file():
        raise NotFound(f"There is no database file {url.database}.", cure="Four slashes begin a path from the root.")


def _mended_notes(db: sa.Connection, query: str, table: pl.DataFrame, place: str) -> tuple[str, ...]:
    """SQLite keeps values of any type in any column. Whole and real numbers together are real; text beside numbers is
    refused, for it would make the numbers text.
    """
    notes: list[str] = []
    for name in table.columns:
        column = '"' + name.replace('"', '""') + '"'
        asked = f"SELECT DISTINCT typeof({column}) FROM ({query.rstrip().rstrip(';')}) ORDER BY 1"  # noqa: S608 - their own query
        kinds = {str(kind) for (kind,) in db.exec_driver_sql(asked)} - {"null"}
        if kinds == _WHOLE_AND_REAL:
            notes.append(f"Column {name!r} holds whole and real numbers: taken as float64.")
        elif len(kinds) > 1:
            raise SpecError(f"Column {name!r} of {place} holds {' and '.join(sorted(kinds))} together.", cure=_COLUMNS)
    return tuple(notes)


def _with_times(table: pl.DataFrame, notes: tuple[str, ...]) -> Read:
    """SQLite has no times: a text column of nothing but ISO times is read as times."""
    import polars as pl

    found = [as_times(table[name]) for name, dtype in table.schema.items() if dtype == pl.String]
    times = [series for series in found if series is not None]
    said = tuple(
        f"Column {series.name!r} is text in the database, every value a time: taken as times." for series in times
    )
    return Read(table.with_columns(times), (*notes, *said))


def _refuse_objects(table: pl.DataFrame) -> None:
    import polars as pl

    for name, dtype in table.schema.items():
        if dtype == pl.Object:
            raise SpecError(f"Column {name!r} of the query's answer has values of no table type.", cure=_COLUMNS)


def _first_line(error: object) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
