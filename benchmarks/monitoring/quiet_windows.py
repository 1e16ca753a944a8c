"""Windows in which nothing has moved, the same for every tool: `*_alarms.py` beside this, each in an environment of its own.

Twenty independent columns: ten normal, five exponential, five categories of four levels. Each reference is drawn anew and
held against fresh windows of the same distribution, at the tool's defaults. A tool "flags" a window in which it calls at
least one of the twenty columns drifted. Windows under one reference hang together, so standard errors are over references.
With `--out FILE` the rows are kept there as JSON, tool by tool (docs/guarantees/quiet_windows.json: the page shows it).

What is not shown: columns that hang together, or move a little and do not matter; and what people do who set thresholds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# (rows of the reference, rows of a window)
SIZES = ((1_000, 100), (20_000, 1_000))
REFERENCES, WINDOWS = 10, 10
SEED = 2026
Columns = dict[str, np.ndarray]


def columns(rng: np.random.Generator, rows: int) -> Columns:
    found: Columns = {f"normal{place}": rng.standard_normal(rows) for place in range(10)}
    found |= {f"wait{place}": rng.exponential(1.0, rows) for place in range(5)}
    levels = np.array(["a", "b", "c", "d"])
    return found | {f"kind{place}": rng.choice(levels, rows, p=[0.5, 0.3, 0.15, 0.05]) for place in range(5)}


def measure(tool: str, against: Callable[[Columns, int], Callable[[Columns], int]]) -> None:
    """against: takes a reference and the rows of the windows to come, gives a function from a window to how many columns are
    flagged.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    found: list[dict[str, Any]] = []
    for before, rows in SIZES:
        rng = np.random.default_rng([SEED, before, rows])
        flagged = np.empty((REFERENCES, WINDOWS))
        for place in range(REFERENCES):
            flags = against(columns(rng, before), rows)
            flagged[place] = [flags(columns(rng, rows)) for _ in range(WINDOWS)]
        found.append(_row(before, rows, flagged))
        _print(tool, found[-1])
    if out is not None:
        held = json.loads(out.read_text()) if out.exists() else {}
        out.write_text(json.dumps(held | {tool: found}, indent=1) + "\n")


def _row(before: int, rows: int, flagged: np.ndarray) -> dict[str, Any]:
    by_reference = (flagged > 0).mean(axis=1)
    return {
        "reference_rows": before,
        "rows": rows,
        "windows": flagged.size,
        "references": REFERENCES,
        "seed": SEED,
        "value": float(by_reference.mean()),
        "se": float(by_reference.std(ddof=1) / np.sqrt(REFERENCES)),
        "columns": float(flagged.mean()),
    }


def _print(tool: str, row: dict[str, Any]) -> None:
    print(
        f"{tool}: windows of {row['rows']:,} against {row['reference_rows']:,}: {row['value']:.0%} "
        f"(SE {row['se']:.0%}) of {row['windows']} quiet windows flagged, {row['columns']:.2f} of 20 columns on average",
        flush=True,
    )
