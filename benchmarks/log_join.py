"""The join of ten million predictions with ten million late outcomes, from the compacted tables as Polars reads them.

    python benchmarks/log_join.py [FOLDER] [MILLIONS]

Outcomes come in another order than the calls, a tenth of them corrected once. The tables are written here as the compactor
writes them, a commit a million rows; the join is `UnionLog.joined`: latest outcome by id, each prediction once.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from deltalake import write_deltalake

from lockgate.store.log_table import LogTables
from lockgate.store.log_union import UnionLog
from lockgate.store.segments import SegmentLog

MILLION = 1_000_000
DAYS, START_S = 10, 1.7e9 // 86400 * 86400


def ids(numbers: np.ndarray) -> pl.Series:
    return pl.Series("id", numbers).cast(pl.String).str.zfill(9) + "-0"


def dated(at_s: np.ndarray) -> pl.Series:
    return pl.Series("date", (at_s * 1e6).astype("datetime64[us]")).cast(pl.Date)


def predictions(first: int, count: int, total: int) -> pl.DataFrame:
    numbers = np.arange(first, first + count)
    at_s = START_S + numbers / total * DAYS * 86400
    text = pl.lit
    return pl.DataFrame({"id": ids(numbers), "date": dated(at_s), "asked_s": at_s}).with_columns(
        model=text("delays"),
        unit=pl.col("id").str.slice(4),
        answered_s=pl.col("asked_s") + 0.002,
        arm=text("champion"),
        version=text("3f6c1a0b9d2e4f58"),
        served_by=text("3f6c1a0b9d2e4f58"),
        value=pl.Series((numbers % 997) / 997),
        latency_ms=text(0.4),
        share=text(0.0),
        rollout=text(None, pl.String),
        failure=text(None, pl.String),
        flags=text([], pl.List(pl.String)),
        inputs=text('[1,2,"UA"]'),
        segment=text(f"{first:020d}-00000000"),
        row=pl.Series(numbers - first),
    )


def outcomes(numbers: np.ndarray, total: int, at: int) -> pl.DataFrame:
    at_s = START_S + numbers / total * DAYS * 86400 + 7200
    return pl.DataFrame({"id": ids(numbers), "date": dated(at_s), "at_s": at_s}).with_columns(
        model=pl.lit("delays"),
        value=pl.Series((numbers % 2).astype(float)),
        received_s=pl.Series(START_S + 1e6 + at * 1e6 + np.arange(len(numbers))),
        segment=pl.lit(f"{at:020d}-00000001"),
        row=pl.Series(np.arange(len(numbers))),
    )


def main(place: Path, millions: int) -> None:
    total = millions * MILLION
    with tempfile.TemporaryDirectory(dir=place) as folder:
        tables = LogTables(Path(folder))
        log = UnionLog(SegmentLog(Path(folder) / "log"), tables)
        order = np.random.default_rng(5).permutation(total)
        order = np.concatenate([order, order[: total // 10]])
        for at in range(millions):
            _write(tables, "predictions", predictions(at * MILLION, MILLION, total))
        for at, part in enumerate(np.array_split(order, millions)):
            _write(tables, "outcomes", outcomes(part, total, at))
        for _ in range(3):
            began = time.perf_counter()
            found = log.joined("delays", columns=("value",))
            took_s = time.perf_counter() - began
            assert found.height == total
            assert found["outcome"].null_count() == 0
            print(f"{total:,} predictions with {len(order):,} outcomes: {took_s:.1f} s")
            del found


def _write(tables: LogTables, name: str, rows: pl.DataFrame) -> None:
    made = tables.create(name)
    names = [field.name for field in made.schema().fields]
    write_deltalake(made, rows.select(names), mode="append")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."), int(sys.argv[2]) if len(sys.argv) > 2 else 10)
