"""A table held to its contract, beside the same masks written by hand in Polars.

    python benchmarks/contract_check.py

A million rows of 20 columns: 10 numbers with a range, 5 texts with levels, 3 booleans, 2 times, one rule between columns;
a thousandth of the rows breaks something. Limit: 1.3 times the hand-written version. Both take turns in one process; the
figure is the median of the rounds, and the ratio is what to read. The hand-written version is what a person would write for
this one table: it names no rule in the rows it sets aside, and does not compare the schema.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import polars as pl

from lockgate.features.contract import check
from lockgate.records import Column, Contract, Rule

ROWS, ROUNDS = 1_000_000, 9
LEVELS = tuple(f"L{number:02d}" for number in range(16))
NUMBERS = [f"n{number}" for number in range(10)]
TEXTS = [f"t{number}" for number in range(5)]
FLAGS = [f"b{number}" for number in range(3)]

CONTRACT = Contract(
    model="bench",
    columns=(
        *(Column(name=n, type="float", low=-5, high=5, range_origin="declared", is_known_before=True) for n in NUMBERS),
        *(Column(name=n, type="text", levels=LEVELS, on_break="refuse") for n in TEXTS),
        *(Column(name=n, type="bool") for n in FLAGS),
        Column(name="asked", type="time"),
        Column(name="arrives", type="time"),
    ),
    target="b0",
    time="asked",
    rules=(Rule(name="arrives after asking", check="arrives >= asked"),),
)


def made(rng: np.random.Generator) -> pl.DataFrame:
    table = {name: np.clip(rng.normal(size=ROWS), -4.9, 4.9) for name in NUMBERS}
    for name in NUMBERS:
        table[name][rng.integers(0, ROWS, ROWS // 10_000)] = 9.0
    texts = {name: np.array(LEVELS)[rng.integers(0, len(LEVELS), ROWS)] for name in TEXTS}
    flags = {name: rng.random(ROWS) < 0.5 for name in FLAGS}
    seconds = rng.integers(0, 10**7, ROWS)
    asked = pl.Series("asked", seconds) * 1_000_000
    arrives = asked + pl.Series("more", rng.integers(0, 10**9, ROWS))
    times = [
        series.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").dt.offset_by("20454d").alias(name)
        for name, series in (("asked", asked), ("arrives", arrives))
    ]
    return pl.DataFrame(table | texts | flags).with_columns(times)


def by_hand(table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int]]:
    """Kept, set aside, and counts by rule."""
    masks: dict[str, pl.Expr] = {}
    for name in NUMBERS:
        own = pl.col(name)
        masks |= {f"{name} infinite": own.is_infinite(), f"{name} missing": own.is_null() | own.is_nan()}
        masks |= {f"{name} low": own < -5, f"{name} high": own > 5}
    for name in TEXTS:
        masks |= {f"{name} missing": pl.col(name).is_null(), f"{name} unseen": ~pl.col(name).is_in(list(LEVELS))}
    for name in (*FLAGS, "asked", "arrives"):
        masks |= {f"{name} missing": pl.col(name).is_null()}
    masks |= {"order": pl.col("arrives") < pl.col("asked")}
    found = table.lazy().select(mask.fill_null(value=False).alias(name) for name, mask in masks.items()).collect()
    counts = {name: rows for name, rows in found.sum().row(0, named=True).items() if rows}
    is_broken = found.select(pl.any_horizontal(pl.all())).to_series()
    return table.filter(~is_broken), table.filter(is_broken), counts


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    table = made(np.random.default_rng(7))
    checked, (kept, aside, _) = check(table, CONTRACT), by_hand(table)
    assert checked.kept.equals(kept)
    assert checked.quarantined.height == aside.height
    own, plain = [], []
    for _ in range(ROUNDS):
        own.append(seconds(lambda: check(table, CONTRACT)))
        plain.append(seconds(lambda: by_hand(table)))
    ratio = float(np.median(np.array(own) / np.array(plain)))
    print(f"{ROWS:,} rows x {table.width} columns, {aside.height:,} rows set aside")
    print(f"{'contract':>12}{'by hand':>12}{'ratio':>8}{'of limit':>10}")
    print(f"{np.median(own) * 1e3:>9.0f} ms{np.median(plain) * 1e3:>9.0f} ms{ratio:>8.2f}{ratio / 1.3:>10.2f}")


if __name__ == "__main__":
    main()
