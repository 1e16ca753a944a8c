"""Day series of the flights, and how many days each memory of GLS-t needs to decide on them.

Run it:  python docs/guarantees/flight_days.py OUT.npz     (about a minute and a half on one core; needs lockgate[demo])

Five pairs of models, frozen before 1 April, answer every flight of April to December; a day's value is the mean over its
flights of one model's loss minus the other's, positive where the pair's name says so. The history is the same of 1 February
to 31 March, by models that saw January alone.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lockgate.features import Pipeline, levels, numeric
from lockgate.stats import glst

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src/lockgate/cli/demo/project"), str(ROOT / "tests/integration")]

import flights_by_hand  # noqa: E402 - the live features, written by hand for the tests

from flights import columns, features, journeys  # noqa: E402 - the demo's project is no package of ours
from flights.sources import read_sources  # noqa: E402
from flights.table import calls  # noqa: E402
from flights.training import SEED, TREES  # noqa: E402

Floats = NDArray[np.float64]
Loss = Callable[[Floats, Floats], Floats]

START, HISTORY_START, END = "2013-04-01", "2013-02-01", "2014-01-01"
CLIP = 1e-4
DAY = pl.col(columns.TIME).dt.strftime("%Y-%m-%d").alias("day")
LOSSES: dict[str, Loss] = {
    "brier": lambda y, p: (p - y) ** 2,
    "log_loss": lambda y, p: -np.log(np.where(y > 0, p, 1 - p)),
}
SEEN = {
    "schedule": features.TIMETABLE,
    "live": (*features.TIMETABLE, *columns.LIVE),
    "weather": (*features.TIMETABLE, *columns.LIVE, *columns.WEATHER),
}
PAIRS = {
    "live over schedule": ("schedule", "live"),
    "weather over live": ("live", "weather"),
    "seed over seed": ("seed 2", "seed 1"),
    "fresh over day old": ("day old", "live"),
    "fresh over zeros": ("zeros", "live"),
}
MEMORIES: tuple[glst.Memory, ...] = ("short", "new", "long", "independent")
ALPHAS = (0.05, 0.01)
LEAST_LEFT = 120  # days that a start must have before it, for the median over starts


def main(out: Path) -> None:
    series = day_series()
    np.savez(out, allow_pickle=False, **series)
    for loss in LOSSES:
        for pair in PAIRS:
            days, past = series[f"{pair}, {loss}"], series[f"{pair}, {loss}, history"]
            print(f"{pair}, {loss}: mean {days.mean():+.5f}, lag-1 {lag1(days):.2f}, history's {lag1(past):.2f}")
            for alpha in ALPHAS:
                print(f"  alpha {alpha}: " + "; ".join(f"{m} {decided(days, past, m, alpha)}" for m in MEMORIES))


def day_series() -> dict[str, Floats]:
    """Keys "PAIR, LOSS" and "PAIR, LOSS, history": shape (275,) and (59,), one value a day, oldest first."""
    table = table_of_calls()
    found: dict[str, Floats] = {}
    for suffix, start, end in ((", history", HISTORY_START, START), ("", START, END)):
        asked = (pl.col("day") >= start) & (pl.col("day") < end)
        trained = table.filter(pl.col("landed_at") < pl.lit(start).str.to_datetime().dt.replace_time_zone("UTC"))
        judged = table.filter(asked & pl.col("late").is_not_null())
        chances = answers(trained.filter(pl.col("late").is_not_null()), judged)
        late = judged["late"].to_numpy().astype(np.float64)
        for loss, of in LOSSES.items():
            lost = {model: of(late, np.clip(p, CLIP, 1 - CLIP)) for model, p in chances.items()}
            for pair, (worse, better) in PAIRS.items():
                found[f"{pair}, {loss}{suffix}"] = daily(judged["day"], lost[worse] - lost[better])
    return found


def table_of_calls() -> pl.DataFrame:
    """The demo's calls, with the New York day of departure, and the live features as they were a day before."""
    sources = read_sources()
    flown = journeys.journeys(sources)
    old = flights_by_hand.live(flown, minutes_ago=24 * 60).rename({name: f"{name}_old" for name in columns.LIVE})
    return calls(flown, sources).hstack(flights_by_hand.live(flown)).hstack(old).with_columns(DAY)


def answers(trained: pl.DataFrame, judged: pl.DataFrame) -> dict[str, Floats]:
    """The chance of lateness that each model gives each judged call."""
    found: dict[str, Floats] = {}
    models = {name: fitted(name, trained) for name in ("schedule", "live", "weather")}
    for name, (see, model) in models.items():
        found[name] = chance(model, see(judged))
    see, model = models["live"]
    day_old = judged.with_columns(pl.col(f"{name}_old").alias(name) for name in columns.LIVE)
    found["day old"] = chance(model, see(day_old))
    found["zeros"] = chance(model, see(judged.with_columns(pl.lit(0.0).alias(name) for name in columns.LIVE)))
    for number in (1, 2):
        see, model = fitted("live", trained, seed=number, subsample=0.8)
        found[f"seed {number}"] = chance(model, see(judged))
    return found


def fitted(
    name: str, trained: pl.DataFrame, *, seed: int = SEED, subsample: float = 1.0
) -> tuple[Callable[[pl.DataFrame], Any], Any]:
    """What the model sees of a table, and the model: the demo's settings, drawn rows where `subsample` is under 1."""
    from lightgbm import LGBMClassifier

    pipeline = Pipeline.of(numeric(*SEEN[name]), *(levels(category) for category in columns.CATEGORIES))
    pipeline = pipeline.fit(to_columns(trained), trained["late"].to_numpy().astype(np.float64))
    model: Any = LGBMClassifier(
        n_estimators=TREES,
        random_state=seed,
        subsample=subsample,
        subsample_freq=int(subsample < 1),
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        verbose=-1,
    )
    model.fit(pipeline.transform(to_columns(trained)), trained["late"].to_numpy())
    return lambda table: pipeline.transform(to_columns(table)), model


def to_columns(table: pl.DataFrame) -> dict[str, NDArray[Any]]:
    """Arrays by name, as `lockgate.features` reads them: text as objects, numbers as floats, NaN for missing."""
    names = (*columns.SCHEDULE, *columns.LIVE, *columns.WEATHER)
    text = {name: np.array(table[name].to_list(), dtype=object) for name in columns.CATEGORIES}
    numbers = {n: table[n].cast(pl.Float64).fill_null(math.nan).to_numpy() for n in names if n not in text}
    return {**text, **numbers}


def chance(model: Any, matrix: Any) -> Floats:
    return np.asarray(model.booster_.predict(matrix, num_threads=1), dtype=np.float64)


def daily(day: pl.Series, values: Floats) -> Floats:
    """The mean of each day, in the order of the days."""
    by_day = pl.DataFrame({"day": day, "value": values}).group_by("day").agg(pl.col("value").mean()).sort("day")
    return by_day["value"].to_numpy()


def lag1(values: Floats) -> float:
    return float(np.corrcoef(values[1:], values[:-1])[0, 1])


def decided(days: Floats, past: Floats, memory: glst.Memory, alpha: float) -> str:
    """Days until the first verdict from 1 April, and the median over starts that leave at least 120 days."""
    starts = range(0, len(days) - LEAST_LEFT + 1, 5)
    median = float(np.median([first(days[s:], before(days, past, s), memory, alpha) for s in starts]))
    return f"{shown(first(days, past, memory, alpha))} (median {shown(median)})"


def before(days: Floats, past: Floats, start: int) -> Floats:
    """The blocks before `start`, as long a stretch as the history of 1 April."""
    return np.concatenate([past, days[:start]])[-len(past) :]


def first(days: Floats, past: Floats, memory: glst.Memory, alpha: float) -> float:
    path = glst.log_e(days, memory=memory, history=past if memory in ("short", "long") else None)
    crossed = np.flatnonzero(path >= math.log(1 / alpha))
    return float(crossed[0]) + 1 if crossed.size else math.inf


def shown(days: float) -> str:
    return "never" if math.isinf(days) else f"{days:.0f}"


def _paths(arguments: Iterable[str]) -> Path:
    (out,) = arguments
    return Path(out)


if __name__ == "__main__":
    main(_paths(sys.argv[1:]))
