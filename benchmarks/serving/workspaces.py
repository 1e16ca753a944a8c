"""Workspaces that serve the pipeline: on the compiled path, or natively because nothing could compile it.

    python benchmarks/serving/workspaces.py KIND FOLDER MADE

Run with the source tree to be measured on PYTHONPATH. KIND: `compiled`, the file brought by `lockgate import`; `native`,
made by the workspace's own training function; `guest`, brought by `lockgate import`, and no converter is installed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from flights_pipeline import TARGET, UNIT, made

MODEL = "late"
KINDS = ("compiled", "native", "guest")
TOML = f"""
[model.{MODEL}]
task = "binary"
target = "{TARGET}"
unit = "{UNIT}"
metric = "log_loss"
train = "given:fit"
fallback = ["champion", "baseline", 0.23]
deadline_ms = 5000                      # what is measured is the model, never its fallback

[model.{MODEL}.contract]
nullable = ["plane_age", "plane_seats"]
"""
GIVEN = """
import joblib


def fit(table, features):
    \"\"\"The pipeline that everybody serves: fitted before, on this table.\"\"\"
    return joblib.load({pipeline!r})
"""


def build(kind: str, folder: Path, things: Path) -> None:
    """A workspace whose champion is the pipeline."""
    import polars as pl

    from lockgate.workspace.creating import create
    from lockgate.workspace.workspace import Workspace

    given = made(things)
    create(folder, TOML)
    (folder / "given.py").write_text(GIVEN.format(pipeline=str(given.pipeline)))
    workspace = Workspace.open(folder)
    workspace.data(MODEL, pl.read_parquet(given.table))
    version = workspace.train(MODEL) if kind == "native" else workspace.import_(given.pipeline, model=MODEL)
    _must_be(kind, version)
    workspace.gate(version)
    workspace.rollout(version, dirty=True)
    workspace.close()


def _must_be(kind: str, version: Any) -> None:
    if version.parity.is_passed != (kind == "compiled"):
        raise SystemExit(f"A {kind} workspace came out otherwise: {version.parity.reason or 'it was compiled'}")


if __name__ == "__main__":
    build(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
