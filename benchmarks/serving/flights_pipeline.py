"""What every server here serves: one fitted scikit-learn pipeline, the rows it is asked, and what it says of them.

Real flights, the columns of the timetable and of the plane. Run as a program it makes them in a folder, once:

    python benchmarks/serving/flights_pipeline.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
TEXT = ("carrier", "origin", "dest")
NUMBERS = (
    "sched_minute",
    "weekday",
    "distance",
    "block_minutes",
    "flights_that_hour",
    "plane_age",  # missing in one flight of six, as is the next
    "plane_seats",
)
UNIT, TARGET = "flight_id", "late"
TRAINED, ASKED = 20_000, 256


class Made(NamedTuple):
    """pipeline: joblib's file; table: what it was fitted on (Parquet); rows: what is asked; chances: its answers."""

    pipeline: Path
    table: Path
    rows: list[dict[str, Any]]
    chances: list[float]


def made(folder: Path) -> Made:
    """What lies in the folder; made first where it is empty."""
    if not (folder / "rows.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _make(folder)
    kept = json.loads((folder / "rows.json").read_text())
    return Made(folder / "pipeline.joblib", folder / "table.parquet", kept["rows"], kept["chances"])


def _make(folder: Path) -> None:
    import joblib

    table = _flights().sample(TRAINED + ASKED, seed=1)
    known, asked = table.head(TRAINED), table.tail(ASKED)
    columns = [*NUMBERS, *TEXT]
    pipeline = _pipeline().fit(known.select(columns).to_pandas(), known[TARGET].to_numpy())
    joblib.dump(pipeline, folder / "pipeline.joblib")
    known.write_parquet(folder / "table.parquet")
    chances = pipeline.predict_proba(asked.select(columns).to_pandas())[:, 1].tolist()
    rows = asked.select(UNIT, *columns).to_dicts()
    (folder / "rows.json").write_text(json.dumps({"rows": rows, "chances": chances}))


def _flights() -> Any:
    """A year of them, one row each; numbers as float64, so that a JSON number is the same number to everybody."""
    import polars as pl

    sys.path.insert(0, str(ROOT / "src/lockgate/cli/demo/project"))
    from flights.journeys import journeys
    from flights.sources import read_sources
    from flights.table import calls

    sources = read_sources()
    whole = calls(journeys(sources), sources).filter(pl.col(TARGET).is_not_null())
    numbers = [pl.col(name).cast(pl.Float64) for name in NUMBERS]
    return whole.select(UNIT, *numbers, *TEXT, pl.col(TARGET).cast(pl.Int64))


def _pipeline() -> Any:
    """As the scikit-learn user guide would have it: text one-hot, numbers imputed and scaled, a logistic regression."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer(
        [("numbers", numbers, list(NUMBERS)), ("text", OneHotEncoder(handle_unknown="ignore"), list(TEXT))]
    )
    return make_pipeline(columns, LogisticRegression(max_iter=2000))


if __name__ == "__main__":
    made(Path(sys.argv[1]))
