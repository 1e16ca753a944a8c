"""A year of flights, week by week: does the stated interval of an estimate hold the metric that was realised?

    OMP_NUM_THREADS=1 python docs/guarantees/flight_weeks.py [--out CALLS.parquet]     (two minutes; needs lockgate[demo])

The demo's champion, trained on what had landed before 18 March, answers the rest of 2013. 18 to 31 March are the reference;
the weeks from April on are estimated without outcomes, each with the past errors that were known at its end, and compared
with what the outcomes said. --out keeps the answers, for benchmarks/monitoring/nannyml_cbpe.py --table.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

import lockgate as lg
from lockgate.metrics.expected import DIRECTIONS
from lockgate.records.monitored import Monitored

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src/lockgate/cli/demo/project"), str(ROOT / "tests/integration")]

import flights_by_hand  # noqa: E402 - the live features, written by hand for the tests

from flights import columns, journeys  # noqa: E402 - the demo's project is no package of ours
from flights.sources import read_sources  # noqa: E402
from flights.table import calls  # noqa: E402
from flights.training import SEED, TREES  # noqa: E402

NAMES = (*columns.SCHEDULE, *columns.LIVE)
TRAINED, LIVE = (pl.datetime(2013, month, day, time_zone="UTC") for month, day in ((3, 18), (4, 1)))
LOOKED_AT = ("sched_minute", "distance", "carrier", "origin", "temp", "origin_delay_1h", "carrier_late_24h")


def answers() -> pl.DataFrame:
    """The calls from 18 March on, with the champion's `score`."""
    from lightgbm import LGBMClassifier

    sources = read_sources()
    flown = journeys.journeys(sources)
    table = calls(flown, sources).hstack(flights_by_hand.live(flown))
    trained = table.filter((pl.col("landed_at") < TRAINED) & pl.col("late").is_not_null())
    levels = {
        name: {v: float(at) for at, v in enumerate(sorted(trained[name].unique()))} for name in columns.CATEGORIES
    }
    model: Any = LGBMClassifier(
        n_estimators=TREES, random_state=SEED, deterministic=True, force_row_wise=True, n_jobs=1, verbose=-1
    )
    model.fit(_matrix(trained, levels), trained["late"].to_numpy().astype(int))
    after = table.filter(pl.col("asked_at") >= TRAINED)
    said = model.booster_.predict(_matrix(after, levels), num_threads=1)
    wanted = after.select("flight_id", "asked_at", *LOOKED_AT, pl.col("late").cast(pl.Int8))
    return wanted.with_columns(pl.Series("score", said)).sort("asked_at")


def _matrix(table: pl.DataFrame, levels: dict[str, dict[str, float]]) -> NDArray[np.float64]:
    numbers = [
        np.array([levels[name].get(value, -1.0) for value in table[name].to_list()])
        if name in levels
        else table[name].cast(pl.Float64).fill_null(math.nan).to_numpy()
        for name in NAMES
    ]
    return np.column_stack(numbers)


def looked_at(table: pl.DataFrame, method: Any) -> Monitored:
    asked = pl.col("asked_at")
    return lg.monitored(
        table.filter(asked >= LIVE),
        table.filter(asked < LIVE),
        prediction="score",
        outcome="late",
        time="asked_at",
        prediction_id="flight_id",
        columns=LOOKED_AT,
        horizon="12h",
        method=method,
        name="late_arrival",
    )


def row(found: Monitored, metric: str) -> str:
    """Of the weeks: how many are held, how wide, how far off, and how far off "nothing changed" would be."""
    both = [
        (week.estimated.measure(metric), week.realised.measure(metric))
        for week in found.windows
        if week.estimated is not None and week.realised is not None
    ]
    pairs = [(one, two.value) for one, two in both if one is not None and two is not None and two.value is not None]
    before = found.reference.measure(metric) if found.reference is not None else None
    held = sum(one.low <= true <= one.high for one, true in pairs)
    drawn = sum(one.drawn_low <= true <= one.drawn_high for one, true in pairs)
    width = np.mean([one.high - one.low for one, _ in pairs]) / 2
    off = np.mean([abs(one.value - true) for one, true in pairs])
    still = (
        np.mean([abs(before.value - true) for _, true in pairs]) if before is not None and before.value else math.nan
    )
    return f"| {metric} | {held} of {len(pairs)} | {drawn} of {len(pairs)} | {width:.3f} | {off:.4f} | {still:.4f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--method", default="CBPE", help="CBPE or M-CBPE")
    asked = parser.parse_args()
    table = answers()
    if asked.out:
        table.write_parquet(asked.out)
    found = looked_at(table, asked.method)
    print("| metric | weeks held | by luck alone | half width | off by | nothing changed |")
    print("| --- | --: | --: | --: | --: | --: |")
    for metric in DIRECTIONS:
        print(row(found, metric))
    print(f"\n{found.sentence}")
    for verdict in found.verdicts:
        print(f"- {verdict.sentence}")
    celebrated = [note for week in found.windows for note in week.notes if "no improvement" in note]
    print(f"- Weeks whose raw loss fell and skill did too: {len(celebrated)}. The first: {celebrated[0]}")


if __name__ == "__main__":
    main()
