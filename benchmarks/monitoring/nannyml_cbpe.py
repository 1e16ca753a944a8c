"""Metrics estimated without outcomes, beside NannyML's CBPE on the same chunks: do they agree, and what does each cost?

    OMP_NUM_THREADS=1 python benchmarks/monitoring/nannyml_cbpe.py --nannyml VENV/bin/python [--table CALLS.parquet]

NannyML runs in its own environment (`pip install nannyml statsmodels`; 0.13.1 was measured): it wants older libraries than
ours. Data: chances that are off by a known twist, 50,000 rows of reference and six chunks of 5,000, the later ones from
other places; with --table a Parquet file of real calls (columns `score`, `late`, `asked_at`; the reference before 1 April,
weeks after). NannyML calibrates only where its cross-validation finds that to help: the column *calibrated* says what it
did; where it did not, ours is asked without calibration as well. Both answer the six metrics that NannyML has.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

THEIRS = ("roc_auc", "f1", "precision", "recall", "specificity", "accuracy")
Chunk = tuple[np.ndarray, np.ndarray]


def main() -> None:
    asked = _asked()
    if asked.inside:
        print(json.dumps(_nannyml(Path(asked.inside))))
        return
    for name, reference, chunks in worlds(asked.table):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "data.npz"
            np.savez(place, reference=np.array(reference), sizes=[c[0].size for c in chunks], live=_joined(chunks))
            rounds = [(_theirs(asked.nannyml, place), _ours(reference, chunks)) for _ in range(asked.rounds)]
        _print(name, rounds, sum(c[0].size for c in chunks))


def worlds(table: str | None) -> list[tuple[str, Chunk, list[Chunk]]]:
    found = [_twisted(0), _rare(1)]
    return [*found, _calls(table)] if table else found


def _twisted(seed: int) -> tuple[str, Chunk, list[Chunk]]:
    """Chances that are too sure of themselves, and drift to where they are wrong more often."""
    rng = np.random.default_rng(seed)

    def drawn(rows: int, shift: float) -> Chunk:
        x = rng.standard_normal(rows) * 1.5 + shift
        true = 1 / (1 + np.exp(-x))
        return 1 / (1 + np.exp(-2 * x - 0.3)), (rng.random(rows) < true).astype(float)

    return "too sure, 50,000 rows", drawn(50_000, 0.0), [drawn(5_000, 0.2 * place) for place in range(6)]


def _rare(seed: int) -> tuple[str, Chunk, list[Chunk]]:
    """A rare class, and chances of three digits, so that many are tied."""
    rng = np.random.default_rng(seed)

    def drawn(rows: int, shift: float) -> Chunk:
        x = rng.standard_normal(rows) - 3 + shift
        true = 1 / (1 + np.exp(-x * 1.4))
        return np.round(1 / (1 + np.exp(-x)), 3), (rng.random(rows) < true).astype(float)

    return "rare and tied, 50,000 rows", drawn(50_000, 0.0), [drawn(5_000, 0.3 * place) for place in range(6)]


def _calls(table: str) -> tuple[str, Chunk, list[Chunk]]:
    import polars as pl

    calls = pl.read_parquet(table).filter(pl.col("late").is_not_null()).sort("asked_at")
    april = pl.datetime(2013, 4, 1, time_zone="UTC")

    def chunk(rows: pl.DataFrame) -> Chunk:
        return rows["score"].to_numpy(), rows["late"].cast(pl.Float64).to_numpy()

    live = calls.filter(pl.col("asked_at") >= april)
    weeks = live.with_columns(week=(pl.col("asked_at") - april).dt.total_days() // 7).partition_by("week")
    return "flights, by week", chunk(calls.filter(pl.col("asked_at") < april)), [chunk(week) for week in weeks]


def _ours(reference: Chunk, chunks: list[Chunk]) -> dict[str, Any]:
    import sklearn.isotonic  # noqa: F401 - theirs is imported before the clock runs, too

    from lockgate.assess.cbpe import calibrated, guesses
    from lockgate.metrics import expected

    began = time.process_time()
    calibrate = calibrated(*reference)
    found = [{n: g.value for n, g in guesses(value, calibrate(value), alpha=0.05).items()} for value, _ in chunks]
    cpu_s = time.process_time() - began
    raw = [expected.measures(value, value) for value, _ in chunks]
    return {"cpu_s": cpu_s, "isotonic": found, "as said": raw}


def _theirs(python: str, place: Path) -> dict[str, Any]:
    done = subprocess.run(
        [python, "-W", "ignore", __file__, "--inside", str(place)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr[-2_000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _nannyml(place: Path) -> dict[str, Any]:
    import pandas as pd
    from nannyml import CBPE
    from nannyml.chunk import SizeBasedChunker

    with np.load(place) as data:
        reference, sizes, live = data["reference"], data["sizes"], data["live"]

    def frame(value: np.ndarray, outcome: np.ndarray) -> Any:
        return pd.DataFrame({"p": value, "said": (value >= 0.5).astype(int), "y": outcome.astype(int)})

    before, after = frame(*reference), frame(*live)
    began = time.process_time()
    asked = {"y_pred_proba": "p", "y_pred": "said", "y_true": "y", "problem_type": "classification_binary"}
    estimator = CBPE(**asked, metrics=list(THEIRS), chunker=SizeBasedChunker(int(sizes.max())))
    estimator.fit(before)
    fitted_s = time.process_time() - began
    found, at = [], 0
    for size in sizes.tolist():
        estimator.result = None
        rows = after.iloc[at : at + size].reset_index(drop=True)
        done = estimator.estimate(rows).filter(period="analysis").to_df()
        found.append({name: float(done[(name, "value")].iloc[0]) for name in THEIRS})
        at += size
    cpu_s = time.process_time() - began
    is_calibrated = bool(estimator.needs_calibration)
    return {"cpu_s": cpu_s, "fit_s": fitted_s, "is_calibrated": is_calibrated, "found": found}


def _print(name: str, rounds: list[tuple[dict[str, Any], dict[str, Any]]], rows: int) -> None:
    theirs, ours = rounds[0]
    own = ours["isotonic" if theirs["is_calibrated"] else "as said"]
    worst = {
        metric: max(abs(mine[metric] - other[metric]) for mine, other in zip(own, theirs["found"], strict=True))
        for metric in THEIRS
    }
    cpu = [statistics.median(side["cpu_s"] for side in sides) for sides in zip(*rounds, strict=True)]
    print(f"\n{name}: {len(own)} chunks, {rows:,} rows; NannyML calibrated: {theirs['is_calibrated']}")
    print("  largest difference: " + ", ".join(f"{metric} {gap:.1e}" for metric, gap in worst.items()))
    print(f"  CPU: NannyML {cpu[0]:.2f} s, Lockgate {cpu[1]:.2f} s ({cpu[0] / cpu[1]:.0f} times less)")
    if max(worst.values()) > 1e-6:
        sys.exit(f"{name}: the two differ by more than 1e-6")


def _joined(chunks: list[Chunk]) -> np.ndarray:
    return np.concatenate([np.array(chunk) for chunk in chunks], axis=1)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nannyml", default=sys.executable, help="the Python of an environment that has NannyML")
    parser.add_argument("--table", help="a Parquet file of real calls")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
