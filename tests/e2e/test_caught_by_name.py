"""The commonest faults that reach production, planted one by one, each caught by name by the real commands."""

from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import joblib
import numpy as np
import polars as pl
import pytest

ROWS = 1_200


def run(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-m", "lockgate", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300, check=False)


def table(seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, 3))
    y = (x[:, 0] + rng.logistic(size=ROWS) > 0).astype(int)
    asked = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=i) for i in range(ROWS)]
    seats = rng.integers(1, 300, ROWS)
    return pl.DataFrame({"asked": asked, "a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "seats": seats, "y": y})


def fitted(rows: pl.DataFrame, place: Path) -> Path:
    from sklearn.linear_model import LogisticRegression

    frame = rows.drop("y", "asked").to_pandas()
    joblib.dump(LogisticRegression().fit(frame, rows["y"].to_numpy()), place)
    return place


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "lockgate.toml").write_text('[model.m]\ntarget = "y"\ntime = "asked"\n')
    return tmp_path


def test_a_leak(tmp_path):
    rng = np.random.default_rng(5)
    rows = table().with_columns(refund=pl.col("y") + pl.Series(rng.normal(0, 0.01, ROWS)))
    rows.write_parquet(tmp_path / "rows.parquet")
    fitted(rows, tmp_path / "m.joblib")
    told = run("check", "m.joblib", "rows.parquet", "--target", "y", cwd=tmp_path)
    assert "refund" in told.stdout.split("metrics")[0], told.stdout + told.stderr
    assert told.returncode in (1, 2)  # void, or beaten by a rule on that one column: never a pass


def test_a_duplicate_across_the_split(tmp_path):
    before, after = table(0), table(1)
    pl.concat([after, before.head(300)]).write_parquet(tmp_path / "holdout.parquet")
    before.write_parquet(tmp_path / "train.parquet")
    fitted(before, tmp_path / "m.joblib")
    told = run("check", "m.joblib", "holdout.parquet", "--target", "y", "--trained-on", "train.parquet", cwd=tmp_path)
    assert "300" in told.stdout, told.stdout + told.stderr
    assert "trained" in told.stdout.split("metrics")[0]


def test_a_future_column(shop):
    rows = table().with_columns(paid_at=pl.col("asked") + pl.duration(days=2))
    rows.write_parquet(shop / "rows.parquet")
    told = run("data", "m", "rows.parquet", cwd=shop)
    assert told.returncode == 3
    assert "'paid_at'" in told.stderr
    assert "known_after" in told.stderr
    assert not (shop / ".lockgate" / "contracts").exists()


def test_a_silent_cast(shop):
    table().write_parquet(shop / "one.parquet")
    assert run("data", "m", "one.parquet", cwd=shop).returncode == 0
    table(1).with_columns(seats=pl.col("seats") + 0.7).write_parquet(shop / "two.parquet")
    told = run("data", "m", "two.parquet", cwd=shop)
    assert told.returncode == 3
    assert "'seats'" in told.stderr
    assert "float" in told.stderr


class Writes:
    """Code that runs when the pickle is loaded."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.write_text, (self.place, "owned"))


def test_a_pickle_that_tries_to_write_a_file(tmp_path):
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps(Writes(tmp_path / "owned.txt")))
    table().write_parquet(tmp_path / "rows.parquet")
    told = run("check", "bad.pkl", "rows.parquet", "--target", "y", cwd=tmp_path)
    assert told.returncode == 3
    assert "pathlib" in told.stderr
    assert "--trust" in told.stderr
    assert not (tmp_path / "owned.txt").exists()
