"""A profile of a table beside one bare pass over it, of a stream in constant memory, and of calls in a worker.

    OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 python benchmarks/monitoring/profile.py [--rows 1000000] [--rounds 5]
    ... --stream 100000000 [--columns 4] [--group 1000000]
                                                 rows streamed out of Parquet in row groups so large, and the peak of memory

Everything runs in a process of its own, in turns; figures are the median of the rounds, of CPU (all threads) and not of the
clock. A bare pass answers the least question that a profile answers: how many rows lie in each of the same 20 bins of every
column, the bins being known already.

- numpy: `np.histogram(column, edges)`, which is faster than `searchsorted` and `bincount` (printed too).
- Polars: `column.hist(bins=edges)`; also with 20 bins of equal width, which needs no search and answers another question.

Ours: `reference` cuts the bins and counts, `window` counts over bins that are there; both with exact moments, least and
greatest, missing, NaN and infinite values and the pair matrix of all 190 pairs. Mixed: 12 numbers, 4 texts of 5 to 500
levels, 2 booleans, 2 times, beside Polars' own counts of the same (hist, value_counts, sum, hour and weekday).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

COLUMNS = 20
SAID = {
    "numpy": "np.histogram, the same bins",
    "search": "np.searchsorted + bincount",
    "polars": "Polars hist, the same bins",
    "equal": "Polars hist, equal widths",
    "reference": "lockgate.profile, a reference",
    "window": "lockgate.profile, a window",
    "mixed-polars": "mixed: Polars' own counts",
    "mixed": "mixed: lockgate.profile, a reference",
    "mixed-window": "mixed: lockgate.profile, a window",
}


def numbers(rows: int) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame({f"x{place:02d}": rng.standard_normal(rows) for place in range(COLUMNS)})


def mixed(rows: int) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    at = 1_700_000_000_000_000 + np.cumsum(rng.integers(0, 10**6, rows))
    made = {f"x{place:02d}": rng.standard_normal(rows) for place in range(12)}
    table = pl.DataFrame(made | {"asked": at, "known": at - rng.integers(0, 10**9, rows)})
    return table.with_columns(
        pl.col("asked", "known").cast(pl.Datetime("us", "UTC")),
        *(
            pl.Series(f"c{levels}", rng.integers(0, levels, rows)).cast(pl.String).str.zfill(4)
            for levels in (5, 20, 100, 500)
        ),
        *(pl.Series(f"b{place}", rng.random(rows) < 0.3) for place in range(2)),
    )


def bins(table: pl.DataFrame) -> dict[str, list[float]]:
    names = [name for name, dtype in table.schema.items() if dtype.is_float()]
    return {name: np.quantile(table[name].to_numpy()[::31], np.arange(1, 20) / 20).tolist() for name in names}


def by_numpy(table: pl.DataFrame) -> Callable[[], Any]:
    edges = {name: np.array([-np.inf, *own, np.inf]) for name, own in bins(table).items()}
    return lambda: [np.histogram(table[name].to_numpy(), own) for name, own in edges.items()]


def by_search(table: pl.DataFrame) -> Callable[[], Any]:
    edges = {name: np.array(own) for name, own in bins(table).items()}
    return lambda: [np.bincount(np.searchsorted(own, table[name].to_numpy())) for name, own in edges.items()]


def by_polars(table: pl.DataFrame) -> Callable[[], Any]:
    edges = {name: [-1e300, *own, 1e300] for name, own in bins(table).items()}
    return lambda: [table[name].hist(bins=own) for name, own in edges.items()]


def by_equal_widths(table: pl.DataFrame) -> Callable[[], Any]:
    return lambda: [table[name].hist(bin_count=20) for name in table.columns]


def by_polars_mixed(table: pl.DataFrame) -> Callable[[], Any]:
    counted = by_polars(table.select(pl.selectors.float()))
    texts = table.select(pl.selectors.string()).columns
    times = table.select(pl.selectors.datetime()).columns

    def passes() -> Any:
        return (
            counted(),
            [table[name].value_counts() for name in texts],
            table.select(pl.selectors.boolean().sum()),
            [table[name].dt.hour().value_counts() for name in times],
            [table[name].dt.weekday().value_counts() for name in times],
        )

    return passes


def by_reference(table: pl.DataFrame) -> Callable[[], Any]:
    import lockgate as lg

    return lambda: lg.profile(table, time="asked" if "asked" in table.columns else None)


def by_window(table: pl.DataFrame) -> Callable[[], Any]:
    import lockgate as lg

    reference = by_reference(table[: table.height // 4])()
    return lambda: lg.profile(table, against=reference)


WAYS: dict[str, tuple[Callable[[int], pl.DataFrame], Callable[[pl.DataFrame], Callable[[], Any]]]] = {
    "numpy": (numbers, by_numpy),
    "search": (numbers, by_search),
    "polars": (numbers, by_polars),
    "equal": (numbers, by_equal_widths),
    "reference": (numbers, by_reference),
    "window": (numbers, by_window),
    "mixed-polars": (mixed, by_polars_mixed),
    "mixed": (mixed, by_reference),
    "mixed-window": (mixed, by_window),
}


def one(way: str, rows: int) -> dict[str, float]:
    """CPU seconds of the best of three, and how far memory rose above the table while they ran."""
    make, prepare = WAYS[way]
    work = prepare(make(rows))
    work()
    reset_peak()
    before = resident_mb()
    spent = []
    for _ in range(3):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return {"cpu_ms": 1e3 * min(spent), "rose_mb": peak_mb() - before}


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    return _status("VmHWM:")


def resident_mb() -> float:
    return _status("VmRSS:")


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def worker() -> dict[str, float]:
    """Microseconds a call of 20 columns: 14 numbers, 2 booleans, 4 texts, and the prediction; the median of many batches."""
    from lockgate.features.profiles.columns import reference
    from lockgate.features.profiles.rows import LiveWindow
    from lockgate.records import Column, encode

    rng = np.random.default_rng(2)
    count = 1 << 14
    contract = (
        *(Column(name=f"x{place}", type="float") for place in range(14)),
        *(Column(name=f"b{place}", type="bool") for place in range(2)),
        *(Column(name=f"c{place}", type="text", levels=()) for place in range(4)),
    )
    columns: dict[str, Any] = {}
    for column in contract:
        if column.type == "float":
            columns[column.name] = rng.standard_normal(count)
        elif column.type == "bool":
            columns[column.name] = rng.integers(0, 2, count).astype(np.float64)
        else:
            columns[column.name] = np.array([f"level {value}" for value in rng.integers(0, 30, count)], dtype=object)
    cells = reference(columns, contract)
    values = [
        [bool(value) for value in own] if column.type == "bool" else own.tolist()
        for column, own in ((column, columns[column.name]) for column in contract)
    ]
    rows = list(zip(*values, strict=True))
    live = LiveWindow(cells, tuple(columns))
    spent = []
    for _ in range(20):
        began = time.process_time()
        for number, row in enumerate(rows):
            live.add(row, 0.5, float(number))
        spent.append(1e6 * (time.process_time() - began) / len(rows))
    began = time.process_time()
    shipped = encode(live.take())
    return {
        "us_a_call": statistics.median(spent),
        "take_ms": 1e3 * (time.process_time() - began),
        "bytes": len(shipped),
    }


def stream(rows: int, columns: int, group: int) -> None:
    """float32, written a million rows at a time, then counted by two processes: all of it, and a tenth of it."""
    with tempfile.TemporaryDirectory() as folder:
        parts = Path(folder)
        rng = np.random.default_rng(3)
        for first in range(0, rows, 1_000_000):
            height = min(1_000_000, rows - first)
            part = pl.DataFrame({f"x{place:02d}": rng.standard_normal(height, np.float32) for place in range(columns)})
            part.write_parquet(parts / f"{first:012d}.parquet", compression="uncompressed", row_group_size=group)
        for share in (10, 1):
            again = [sys.executable, __file__, "--one-stream", folder, "--rows", str(rows // share)]
            found = json.loads(subprocess.run(again, capture_output=True, text=True, check=True).stdout)
            print(
                f"{found['rows']:>13,} rows x {columns} streamed, row groups of {group:,}: {found['cpu_s']:.1f} s of CPU, "
                f"memory rose by {found['rose_mb']:.0f} MB, to {found['peak_mb']:.0f} MB",
                flush=True,
            )


def one_stream(folder: str, rows: int) -> dict[str, float]:
    import lockgate as lg

    table = pl.scan_parquet(f"{folder}/*.parquet").head(rows)
    lg.profile(numbers(10_000).lazy())
    reset_peak()
    before, began = resident_mb(), time.process_time()
    found = lg.profile(table)
    return {
        "rows": found.rows,
        "cpu_s": time.process_time() - began,
        "rose_mb": peak_mb() - before,
        "peak_mb": peak_mb(),
    }


def main(rows: int, rounds: int) -> None:
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            again = [sys.executable, __file__, "--one", way, "--rows", str(rows)]
            found[way].append(json.loads(subprocess.run(again, capture_output=True, text=True, check=True).stdout))
    print(f"{rows:,} rows x {COLUMNS} columns, median of {rounds} processes each, {sys.platform}")
    cpu = {way: statistics.median(each["cpu_ms"] for each in runs) for way, runs in found.items()}
    bare = min(cpu["numpy"], cpu["polars"])
    for way, runs in found.items():
        against = cpu["mixed-polars"] if way.startswith("mixed") else bare
        rose = statistics.median(each["rose_mb"] for each in runs)
        print(f"{SAID[way]:<40} {cpu[way]:8.0f} ms CPU  {cpu[way] / against:5.2f} x bare   memory +{rose:.0f} MB")
    told = [json.loads(_again("--worker")) for _ in range(rounds)]
    each = statistics.median(one["us_a_call"] for one in told)
    print(f"a call in a worker, 20 columns: {each:.2f} us; a window handed over: {told[0]['take_ms']:.1f} ms, ", end="")
    print(f"{told[0]['bytes'] / 1e3:.0f} kB")


def _again(*asked: str) -> str:
    return subprocess.run([sys.executable, __file__, *asked], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--stream", type=int)
    asked.add_argument("--columns", type=int, default=COLUMNS)
    asked.add_argument("--group", type=int, default=100_000)
    asked.add_argument("--one", choices=WAYS)
    asked.add_argument("--one-stream")
    asked.add_argument("--worker", action="store_true")
    given = asked.parse_args()
    if given.one:
        print(json.dumps(one(given.one, given.rows)))
    elif given.one_stream:
        print(json.dumps(one_stream(given.one_stream, given.rows)))
    elif given.worker:
        print(json.dumps(worker()))
    elif given.stream:
        stream(given.stream, given.columns, given.group)
    else:
        main(given.rows, given.rounds)
