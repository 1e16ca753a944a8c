"""One report of drift by each tool over the same two tables: what CPU and memory does it take?

    OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 python benchmarks/monitoring/same_report.py \
        --evidently rival/bin/python --nannyml other/bin/python [--rows 1000000] [--rounds 3]

`*_report.py` beside this are the tools, each run in an environment of its own: see there how it is made. They take turns, a
process for each run; figures are medians (and ranges) of CPU seconds, user and system, of the process and its children. The
tables lie in memory beforehand in the tool's own form, and a report of 2,000 rows has been made: imports and loading are
left out for everybody. Memory is how far the peak rose above that.

A report has figures (what moved, column by column) and a page or charts of them, which each tool draws in its own way. Then
the same window comes as the next one against the reference that is there. Reference and window have as many rows. Columns
are those of quiet_windows.py, one of which has moved by half of its standard deviation.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from quiet_windows import Columns, columns

HERE = Path(__file__).resolve().parent
WARM = 2_000
# named parts of the work, in order; what one gives the next takes
Parts = dict[str, Callable[[Any], Any]]
Prepare = Callable[[Columns, Columns], Parts]


def measure(tool: str, prepare: Prepare) -> None:
    """Print one run as JSON. prepare: the two tables taken into the tool's own form, and the parts of the report."""
    rows = int(sys.argv[1])
    rng = np.random.default_rng([2026, rows])
    tables = columns(rng, rows), columns(rng, rows)
    tables[1]["normal0"] = tables[1]["normal0"] + 0.5
    _run(prepare(*({name: own[:WARM] for name, own in table.items()} for table in tables)))
    parts = prepare(*tables)
    Path("/proc/self/clear_refs").write_text("5")
    resident, began_s = _memory_mb("VmRSS:"), time.perf_counter()
    cpu_s = _run(parts)
    told = {"tool": tool, "cpu_s": cpu_s, "clock_s": time.perf_counter() - began_s}
    print(json.dumps(told | {"rose_mb": _memory_mb("VmHWM:") - resident, "table_mb": _bytes(tables) / 1e6}))


def _run(parts: Parts) -> dict[str, float]:
    found, spent = None, dict[str, float]()
    for name, part in parts.items():
        began = _cpu_s()
        found = part(found)
        spent[name] = _cpu_s() - began
    return spent


def _cpu_s() -> float:
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _memory_mb(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def _bytes(tables: tuple[Columns, ...]) -> int:
    return sum(own.nbytes for table in tables for own in table.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--evidently", help="the Python of an environment that has Evidently")
    parser.add_argument("--nannyml", help="the Python of an environment that has NannyML")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    pythons = {"lockgate": sys.executable, "evidently": asked.evidently, "nannyml": asked.nannyml}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name, python in pythons.items() if python}
    for _ in range(asked.rounds):
        for name, own in runs.items():
            own.append(_again(pythons[name], name, asked.rows))
    print(f"{asked.rows:,} rows x 20 columns against as many, {asked.rounds} processes each in turn")
    for own in runs.values():
        _print(own, runs["lockgate"])


def _again(python: str, name: str, rows: int) -> dict[str, Any]:
    quiet = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
    asked = [python, "-W", "ignore", str(HERE / f"{name}_report.py"), str(rows)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, env=os.environ | quiet)
    if done.returncode:
        sys.exit(done.stderr[-2_000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _print(runs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> None:
    rose = statistics.median(run["rose_mb"] for run in runs)
    print(f"\n{runs[0]['tool']}: memory +{rose:.0f} MB beside {runs[0]['table_mb']:.0f} MB of tables")
    for name in runs[0]["cpu_s"]:
        each = [run["cpu_s"][name] for run in runs]
        print(f"  {name:<44} {statistics.median(each):8.3f} s ({min(each):.3f} to {max(each):.3f})")
    for part in ("figures", "page", "next window"):
        if (whole := _spent(runs, part)) and runs is not ours:
            print(
                f"  {part}: {whole:.2f} s, {whole / _spent(ours, part):.1f} times Lockgate's {_spent(ours, part):.2f} s"
            )


def _spent(runs: list[dict[str, Any]], part: str) -> float:
    """CPU seconds of all that belongs to the figures, or to the page, by the median run; 0 where it has no such part."""
    return statistics.median(
        sum(spent for name, spent in run["cpu_s"].items() if name.startswith(part)) for run in runs
    )


if __name__ == "__main__":
    main()
