"""What `lockgate check` costs, beside the model's own calls.

    OMP_NUM_THREADS=1 python benchmarks/check_cost.py [--profile FILE.prof]

A scikit-learn pipeline (imputing, one-hot, histogram gradient boosting) checked on 50,000 rows x 20 columns of CSV: twelve
numbers, three numbers with gaps, five of text. Limits: 20 s of wall time on an idle machine of two cores, and CPU of at
most 3 times that of the model's own calls, and 5 s.

- *the command*: a process of its own, from `python -m lockgate` to its last line, with the child that loads the model
  (RUSAGE_CHILDREN): interpreter, imports, reading, baselines, judging, everything.
- *own calls*: every `predict_proba` that a check makes of this model, timed as it makes them, by the process clock; the
  check runs once more for that, on the same rows, in a process that has the model loaded. They are the answers that are
  judged, those that the compiled path is compared with, and those that are timed for the speed table.
- *answers alone*: one `predict_proba` over the tested rows, the least that any check must ask; given for orientation.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

ROWS, NUMBERS, GAPPED, TEXT = 50_000, 12, 3, 5
LEVELS = (3, 5, 8, 20, 60)
MODEL, TABLE, TARGET = "model.joblib", "holdout.csv", "y"
MOST_WALL_S, TIMES, BESIDES_S = 20.0, 3.0, 5.0


def rows(n: int, seed: int) -> Any:
    """A table with a signal in some of its columns, a quarter of its outcomes 1."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(n, NUMBERS + GAPPED))
    levels = [rng.integers(0, count, n) for count in LEVELS]
    logit = numbers[:, 0] + 0.7 * numbers[:, 1] ** 2 - 0.8 * (levels[1] == 2) + 0.5 * numbers[:, 12] * (levels[0] == 1)
    numbers[:, NUMBERS:][rng.random((n, GAPPED)) < 0.1] = np.nan
    table = pd.DataFrame(numbers, columns=[f"n{place}" for place in range(NUMBERS + GAPPED)])
    for place, codes in enumerate(levels):
        table[f"t{place}"] = np.char.add("level ", codes.astype(str))
    return table.assign(y=(rng.random(n) < 1 / (1 + np.exp(2.0 - logit))).astype(np.int64))


def made(folder: Path) -> None:
    """The model's file and the table's, of rows that the model never saw."""
    import joblib
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    learnt, held = rows(ROWS, 1), rows(ROWS, 2)
    inputs = learnt.drop(columns=TARGET)
    text = [name for name in inputs if name.startswith("t")]
    numbers = [name for name in inputs if name.startswith("n")]
    prepare = ColumnTransformer(
        [
            ("numbers", SimpleImputer(), numbers),
            ("text", OneHotEncoder(handle_unknown="ignore", sparse_output=False), text),
        ]
    )
    model = make_pipeline(prepare, HistGradientBoostingClassifier(random_state=0)).fit(inputs, learnt[TARGET])
    joblib.dump(model, folder / MODEL)
    held.to_csv(folder / TABLE, index=False)


def command(folder: Path) -> tuple[float, float, int]:
    """Seconds of wall and of CPU, and the exit code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-m", "lockgate", "check", MODEL, TABLE, "--target", TARGET, "--out", "report.json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ran.returncode not in (0, 1, 2):
        sys.exit(ran.stderr)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ran.returncode


def own_calls(folder: Path, profile: str | None) -> dict[str, Any]:
    """Runs in a process of its own: the CPU of every call that a check makes of the model, by its number of rows."""
    import joblib
    import pandas as pd
    from sklearn.pipeline import Pipeline

    import lockgate as lg

    model, table = joblib.load(folder / MODEL), pd.read_csv(folder / TABLE)
    answer = Pipeline.predict_proba
    spent: list[tuple[int, float]] = []

    def timed(self: Any, X: Any, **more: Any) -> Any:
        began = time.process_time()
        found = answer(self, X, **more)
        spent.append((len(X), time.process_time() - began))
        return found

    began = time.process_time()
    answer(model, table.drop(columns=TARGET))
    alone = time.process_time() - began
    Pipeline.predict_proba = timed
    if profile is not None:
        import cProfile

        with cProfile.Profile() as seen:
            lg.check(model, table, target=TARGET)
        seen.dump_stats(profile)
    else:
        lg.check(model, table, target=TARGET)
    return {"calls": spent, "alone": alone}


def main(profile: str | None) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="lockgate-cost-") as name:
        folder = Path(name)
        made(folder)
        wall, cpu, code = command(folder)
        again = [sys.executable, __file__, "--own-calls", name, *(["--profile", profile] if profile else [])]
        found = json.loads(subprocess.run(again, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    calls: list[tuple[int, float]] = [tuple(one) for one in found["calls"]]
    own = sum(seconds for _, seconds in calls)
    most = TIMES * own + BESIDES_S
    by_rows = Counter(count for count, _ in calls)
    columns = NUMBERS + GAPPED + TEXT
    print(f"lockgate check of a gradient-boosting pipeline, {ROWS:,} rows x {columns} columns (exit code {code})")
    print(f"  wall          {wall:6.1f} s    at most {MOST_WALL_S:g} s: {_holds(wall, MOST_WALL_S)}")
    print(
        f"  CPU           {cpu:6.1f} s    at most {TIMES:g} x own calls + {BESIDES_S:g} s = {most:.1f} s: {_holds(cpu, most)}"
    )
    print(f"  own calls     {own:6.2f} s    {len(calls):,} calls, {sum(count for count, _ in calls):,} rows:")
    print(f"                            {', '.join(f'{n} of {size:,}' for size, n in sorted(by_rows.items()))}")
    alone = found["alone"]
    strict = TIMES * alone + BESIDES_S
    print(
        f"  answers alone {alone:6.2f} s    one call over all rows; {TIMES:g} x that + {BESIDES_S:g} s = {strict:.1f} s"
    )


def _holds(figure: float, most: float) -> str:
    return "yes" if figure <= most else "NO"


if __name__ == "__main__":
    asked = argparse.ArgumentParser()
    asked.add_argument("--own-calls", type=Path)
    asked.add_argument("--profile")
    given = asked.parse_args()
    if given.own_calls is not None:
        print(json.dumps(own_calls(given.own_calls, given.profile)))
    else:
        main(given.profile)
