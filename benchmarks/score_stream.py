"""`lockgate score` beside the model's own batch speed, and its memory at a table and at one four times as long.

    python benchmarks/score_stream.py [ROWS] [FOLDER]

Two rivals, each one thread that calls a model on batches of 50,000 rows which are in memory already, and nothing else: no
file, no contract, no log. `alone` is the version's own predictor on arrays by name, a text an object for each row;
`framework` is the loop that a user would write, the framework's own model on a pandas frame (of trees: of numbers, the levels
of texts among them, which are made before the clock starts). `score` has what threads it starts, and for a native model its
child. Each is measured in turn, ROUNDS times, every one in a process of its own. `compiled`: the graph in ONNX Runtime;
`native`: the framework's own model, which `score` keeps in a child process as a server does. Pace: rows a second by the
clock, of `score` from its first shard to OUT; when the first was done is said apart. CPU: of `score` per row of that stretch,
its child apart. Memory: the largest resident size that the process had, the child apart.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROUNDS = 5
BATCH = 50_000
GROUP = 100_000  # rows that the Parquet file keeps together: a reader holds a few such groups
TEXTS = {"carrier": 16, "origin": 3, "dest": 104}
NUMBERS = ("minute", "weekday", "distance", "block", "flights", "age", "seats")
TOML = """
[model.late]
task = "binary"
target = "late"
unit = "flight_id"
metric = "log_loss"
train = "given:{train}"
features = "given:{features}"
fallback = ["champion", "baseline", 0.23]

[model.late.contract]
keys = ["flight_id"]
nullable = ["age", "seats"]
"""
GIVEN = """
from lockgate.features import Pipeline, levels, numeric, raw

TEXTS, NUMBERS = ("carrier", "origin", "dest"), ("minute", "weekday", "distance", "block", "flights", "age", "seats")


def numbered():
    return Pipeline.of(numeric(*NUMBERS), *(levels(name) for name in TEXTS))


def columns():
    return Pipeline.of(raw(*NUMBERS, *TEXTS))


def trees(table, features):
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(n_estimators=200, num_leaves=31, random_state=7, n_jobs=1, verbose=-1)
    return model.fit(features.matrix(table), features.target(table))


def pipeline(table, features):
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    kinds = [("numbers", numbers, list(NUMBERS)), ("text", OneHotEncoder(handle_unknown="ignore"), list(TEXTS))]
    made = make_pipeline(ColumnTransformer(kinds), LogisticRegression(max_iter=500))
    return made.fit(features.frame(table), features.target(table))
"""
MODELS = {"LightGBM, 200 trees": ("trees", "numbered"), "scikit-learn pipeline": ("pipeline", "columns")}


def table(rows: int, seed: int, *, is_line: bool = False) -> Any:
    """Seven numbers, of which two are missing in one row of six, and three texts. Half of what is to be told is a line or is
    none, so that each model passes its gate: a line where trees are the baseline as well, trees where a line is.
    """
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {"flight_id": np.arange(rows) + seed * 10**9}
    for name in NUMBERS:
        found[name] = rng.normal(size=rows)
    for name, count in TEXTS.items():
        found[name] = np.array([f"{name[:2].upper()}{n}" for n in range(count)])[rng.integers(0, count, rows)]
    bent = found["block"] if is_line else 2 * np.abs(found["block"]) - 1.6
    chance = 1 / (1 + np.exp(-(2 * found["minute"] + bent)))
    found["late"] = (rng.random(rows) < chance).astype(np.int64)
    missing = {
        name: pl.when(pl.Series(rng.random(rows) < 1 / 6)).then(None).otherwise(name) for name in ("age", "seats")
    }
    return pl.DataFrame(found).with_columns(**missing)


def _refuse(*_asked: Any, **_how: Any) -> bytes:
    raise RuntimeError("left out, so that the native path is what is measured")


def build(folder: Path, train: str, features: str, engine: str) -> None:
    """A workspace whose champion is the model, with an engine of this kind. In a process of its own."""
    if engine == "native":  # as where no converter is installed
        from lockgate.runtime.compile import checked

        checked.convert = _refuse  # type: ignore[attr-defined]
    from lockgate.workspace.creating import create
    from lockgate.workspace.workspace import Workspace

    create(folder, TOML.format(train=train, features=features))
    (folder / "given.py").write_text(GIVEN)
    workspace = Workspace.open(folder)
    workspace.data("late", table(20_000, 1, is_line=train == "pipeline"))
    version = workspace.train("late")
    assert version.parity is not None
    if version.parity.is_passed != (engine == "compiled"):
        raise SystemExit(f"The {engine} workspace came out otherwise: {version.parity.reason}")
    workspace.gate(version)
    workspace.rollout(version, dirty=True)
    workspace.close()


def score(folder: Path, rows: Path) -> dict[str, float]:
    """Paced from the first shard to OUT: loading the model takes as long however many rows there are, and is told apart."""
    import time

    from lockgate.workspace.scoring import Options
    from lockgate.workspace.workspace import Workspace

    told: list[tuple[float, int, float]] = []
    workspace = Workspace.open(folder)
    began = time.perf_counter()
    found = workspace.score_table(
        rows,
        folder / "out.parquet",
        options=Options(is_again=True),
        tell=lambda progress: told.append((time.perf_counter(), progress.row, time.process_time())),
    )
    ended, cpu_s, (first_s, first, first_cpu_s) = time.perf_counter(), time.process_time(), told[0]
    assert found.is_whole
    assert not found.fallbacks
    shutil.rmtree(folder / ".lockgate" / "log")
    rows_left = found.rows - first
    return {
        "rows_s": rows_left / (ended - first_s),
        "first_s": first_s - began,
        "cpu_us": 1e6 * (cpu_s - first_cpu_s) / rows_left,
        "peak_mb": _peak_mb(),
    }


def alone(folder: Path, rows: Path) -> dict[str, float]:
    """The predictor that `score` serves with, in this process, on columns that are there already."""
    import time

    import numpy as np
    import polars as pl

    from lockgate.features.contract import to_columns
    from lockgate.runtime import folder as versions
    from lockgate.workspace.workspace import Workspace

    workspace = Workspace.open(folder)
    champion = workspace.wiring.board.read("late").champion
    predictor = versions.load(workspace.wiring.folders.path(champion), champion)
    asked = workspace.wiring.contract(champion).asked
    whole = pl.read_parquet(rows)
    batches = [to_columns(part, asked) for part in whole.iter_slices(BATCH)]
    # Without what `score` knows of a text column's levels: that is found out while it reads, which it is charged for.
    plain = [{name: values.view(np.ndarray) for name, values in batch.items()} for batch in batches]
    predictor.predict(plain[0])
    began = time.perf_counter()
    for batch in plain:
        predictor.predict(batch)
    return {"rows_s": whole.height / (time.perf_counter() - began)}


def framework(folder: Path, rows: Path) -> dict[str, float]:
    """The framework's own model, on frames that are there already."""
    import time

    import pandas as pd
    import polars as pl

    from lockgate.features.contract import to_columns
    from lockgate.runtime import folder as versions
    from lockgate.runtime import formats
    from lockgate.workspace.workspace import Workspace

    workspace = Workspace.open(folder)
    champion = workspace.wiring.board.read("late").champion
    path, asked = workspace.wiring.folders.path(champion), workspace.wiring.contract(champion).asked
    pipeline, manifest = versions.read_pipeline(path), versions.verify(path, champion)
    whole = pl.read_parquet(rows)
    frames = [
        part.select(pipeline.names).to_pandas()
        if pipeline.is_raw
        else pd.DataFrame(pipeline.matrix(to_columns(part, asked)), columns=list(pipeline.names))
        for part in whole.iter_slices(BATCH)
    ]
    model = formats.load(formats.native(path, manifest.format), manifest.format, trust=True).model
    # A booster's own predict takes all processors unless told otherwise.
    call = model.predict_proba if hasattr(model, "predict_proba") else lambda one: model.predict(one, num_threads=1)
    call(frames[0])
    began = time.perf_counter()
    for frame in frames:
        call(frame)
    return {"rows_s": whole.height / (time.perf_counter() - began)}


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def told(*argv: object) -> dict[str, float]:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, "--", *map(str, argv)], capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise SystemExit(ran.stderr)
    return json.loads(ran.stdout.splitlines()[-1]) if ran.stdout.strip() else {}


def _beside(ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> str:
    """The rival's pace, and how much of it we have, round by round."""
    ratio = statistics.median(one["rows_s"] / other["rows_s"] for one, other in zip(ours, theirs, strict=True))
    return f"{statistics.median(one['rows_s'] for one in theirs):,.0f}, {ratio:.2f} of it"


def main(rows: int, place: Path) -> None:
    for name, seed, count in (("short", 2, rows), ("long", 3, 4 * rows)):
        table(count, seed).drop("late").write_parquet(place / f"{name}.parquet", row_group_size=GROUP)
    print(f"{rows:,} rows, medians of {ROUNDS}")
    for model, (train, features) in MODELS.items():
        for engine in ("compiled", "native"):
            folder = place / f"{train}-{engine}"
            told("build", folder, train, features, engine)
            ours, alone, theirs = [], [], []
            for _ in range(ROUNDS):
                ours.append(told("score", folder, place / "short.parquet"))
                alone.append(told("alone", folder, place / "short.parquet"))
                theirs.append(told("framework", folder, place / "short.parquet"))
            pace = statistics.median(one["rows_s"] for one in ours)
            peak, first_s, cpu_us = (
                statistics.median(one[name] for one in ours) for name in ("peak_mb", "first_s", "cpu_us")
            )
            longer = told("score", folder, place / "long.parquet")["peak_mb"]
            print(
                f"{model}, {engine}: {pace:,.0f} rows/s, {cpu_us:.1f} us of CPU a row; alone {_beside(ours, alone)}; "
                f"framework {_beside(ours, theirs)}; the first shard after {first_s:.1f} s. "
                f"Peak {peak:.0f} MB, at four times the rows {longer:.0f} MB, {longer / peak:.2f} of it",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--"]:
        what, folder, *more = sys.argv[2:]
        if what == "build":
            build(Path(folder), *more)
        else:
            print(
                json.dumps({"score": score, "alone": alone, "framework": framework}[what](Path(folder), Path(more[0])))
            )
    else:
        asked = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
        if len(sys.argv) > 2:
            main(asked, Path(sys.argv[2]))
        else:
            with tempfile.TemporaryDirectory() as room:
                main(asked, Path(room))
