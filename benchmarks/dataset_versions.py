"""Ten million rows as a dataset: added, added again in another order, another version, and what differs between the two.

    python benchmarks/dataset_versions.py [ROWS]

Seconds and the peak of resident memory after each step, of one process. The table has a key, a time, six numbers, a text of
three levels and an outcome.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lockgate.features import content
from lockgate.workspace.workspace import Workspace

CONFIG = '[model.m]\ntarget = "y"\ntime = "at"\n[model.m.contract]\nkeys = ["id"]\n'


def table(rows: int) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    made = pl.DataFrame({"id": rng.permutation(rows), "at": rng.integers(0, 10**12, rows)})
    return made.with_columns(
        pl.col("at").cast(pl.Datetime("us", "UTC")),
        *(pl.Series(f"x{place}", rng.normal(size=rows)) for place in range(6)),
        pl.Series("carrier", rng.choice(np.array(["AA", "UA", "DL"]), rows)),
        pl.Series("y", rng.integers(0, 2, rows)),
    )


def timed(what: str, work: Callable[..., Any], *given: Any) -> Any:
    began = time.perf_counter()
    found = work(*given)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{what:<44} {time.perf_counter() - began:7.1f} s   peak {peak:5.2f} GB", flush=True)
    return found


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "lockgate.toml").write_text(CONFIG)
        workspace = Workspace.open(folder)
        first = timed(f"the table itself, {rows:,} rows", table, rows)
        print(f"{'':<44} {first.estimated_size() / 1e9:7.2f} GB")
        timed("digest of its content", content.digest, first)
        timed("data: the first version", workspace.data, "m", first)
        other = first.sample(fraction=1, shuffle=True, seed=1)
        del first
        same = timed("data: the same rows in another order", workspace.data, "m", other)
        assert same.ref.version == 0
        moved = other.slice(rows // 100).with_columns(x0=pl.col("x0") + (pl.col("carrier") == "AA"))
        del other
        timed("data: another version", workspace.data, "m", moved)
        del moved
        found = timed("diff by keys", workspace.diff, "m@0", "m@1")
        print(f"  +{found.added:,} -{found.removed:,}, {found.changed:,} changed, {found.same:,} the same")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)
