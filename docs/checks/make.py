"""The transcripts on this page: real tables and real models, made anew, checked by the command as a person types it.

    OMP_NUM_THREADS=1 python docs/checks/make.py [TABLE ...]

Some 20 minutes on two cores. It writes one transcript per table, and the summary in README.md.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from models import MODELS, filled
from tables import TABLES, Real

from lockgate.records import Report

if TYPE_CHECKING:
    import pandas as pd

HERE = Path(__file__).parent
START, END = "<!-- made by make.py: from here -->", "<!-- made by make.py: to here -->"
COLUMNS = 100
_NAMES = ("table", "rows tested", "model", "metric", "its value", "best baseline", "its value", "verdict", "exit")
_NAMES += ("with its training rows", "seconds", "ONNX")
HEADER = (f"| {' | '.join(_NAMES)} |", "|---" * len(_NAMES) + "|")


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One check. said: what a person saw; report: the record, None where there was an error; informed: the same model
    checked with the rows it was trained on at hand.
    """

    real: Real
    model: str
    command: str
    said: str
    code: int
    seconds: float
    report: Report | None
    informed: Report | None = None


def main(names: list[str]) -> None:
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory(prefix="lockgate-real-") as room:
        for make in TABLES:
            if names and make.__name__ not in names:
                continue
            real = make()
            folder = Path(room) / real.name
            folder.mkdir()
            ran = list(_checked(real, folder))
            (HERE / f"{real.name}.txt").write_text(_transcript(real, ran))
            _into_page(real, [_row(one) for one in ran])


def _checked(real: Real, folder: Path) -> Iterator[Ran]:
    """Each of the five models on the held-out rows, in a folder that holds nothing else."""
    table = f"holdout.{real.suffix}"
    learnt = f"train.{real.suffix}"
    _write(real.held, folder / table)
    _write(real.train, folder / learnt)
    for name, (fit, file) in MODELS.items():
        sys.stderr.write(f"{real.name}: {name}\n")
        fit(real, folder / file)
        yield _twice(real, name, folder, file, table, learnt)
        if name == "CatBoost" and real.held[list(real.text)].isna().any(axis=None):
            # It takes no missing text, and its refusal is in the transcript; then the table is filled as in training.
            full, full_learnt = f"filled.{real.suffix}", f"filled_train.{real.suffix}"
            _write(filled(real, real.held), folder / full)
            _write(filled(real, real.train), folder / full_learnt)
            yield _twice(real, name, folder, file, full, full_learnt)


def _twice(real: Real, name: str, folder: Path, file: str, table: str, learnt: str) -> Ran:
    found = check(real, name, folder, file, table)
    return replace(found, informed=check(real, name, folder, file, table, "--trained-on", learnt).report)


def _write(table: pd.DataFrame, file: Path) -> None:
    write = table.to_csv if file.suffix == ".csv" else table.to_parquet
    write(file, index=False)


def check(real: Real, name: str, folder: Path, file: str, table: str, *more: str) -> Ran:
    out = folder / f"{file}.json"
    out.unlink(missing_ok=True)
    command = ["lockgate", "check", file, table, "--target", real.target, *real.options, *more, "--out", out.name]
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=os.environ | {"COLUMNS": str(COLUMNS)},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    found = msgspec.json.decode(out.read_bytes(), type=Report) if out.exists() else None
    # Progress is for whoever waits.
    errors = "".join(line for line in ran.stderr.splitlines(keepends=True) if not re.match(r"  .+ \.\.\.$", line))
    return Ran(
        real=real,
        model=name,
        command=" ".join(command),
        said=ran.stdout + errors,
        code=ran.returncode,
        seconds=seconds,
        report=found,
    )


def _transcript(real: Real, ran: list[Ran]) -> str:
    told = [
        f"{real.name} ({real.source}): {real.question}",
        f"Learnt from {len(real.train):,} rows, checked on {len(real.held):,} others.",
    ]
    for one in ran:
        told += ["", "=" * COLUMNS, f"{one.model}: {MODELS[one.model][0].__doc__}", "=" * COLUMNS, ""]
        told += [f"$ {one.command}", "", one.said.rstrip(), "", f"exit code {one.code}, after {one.seconds:.1f} s"]
    return "\n".join(told) + "\n"


def _row(ran: Ran) -> str:
    real, report = ran.real, ran.report
    if report is None:
        return (
            f"| [{real.name}]({real.name}.txt) | | {ran.model} | | | | | error | {ran.code} | | {ran.seconds:.0f} | |"
        )
    best = next(rival for rival in report.rivals if rival.name == report.best)
    metric = report.proposal.metric
    cells = [
        f"[{real.name}]({real.name}.txt)",
        f"{report.tested:,}",
        ran.model,
        metric,
        _value(report.scores, metric),
        best.name,
        _value(best.scores, metric),
        str(report.ruling),
        str(ran.code),
        _informed(ran.informed),
        f"{ran.seconds:.0f}",
        _compiled(report),
    ]
    return f"| {' | '.join(cells)} |"


def _value(scores: tuple, metric: str) -> str:
    score = next(item for item in scores if item.metric == metric)
    if score.low is None or score.high is None:
        return _figure(score.value)
    return f"{_figure(score.value)} [{_figure(score.low)}, {_figure(score.high)}]"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def _informed(report: Report | None) -> str:
    if report is None:
        return ""
    best = next(rival for rival in report.rivals if rival.name == report.best)
    value = next(item.value for item in best.scores if item.metric == report.proposal.metric)
    return f"{report.ruling} ({best.name} {_figure(value)})"


def _compiled(report: Report) -> str:
    if report.format == "onnx":
        return "is ONNX"
    if report.parity is None:
        return "-"
    if report.parity.is_passed:
        return f"compiled, {report.parity.rows:,} rows agree"
    why = report.parity.reason.partition(". ")[0].rstrip(".")
    return f"native: {why.removeprefix('The model could not be converted: ')}"


def _into_page(real: Real, rows: list[str]) -> None:
    """This table's lines of the summary are put in the place of the old ones."""
    page = HERE / "README.md"
    before, _, rest = page.read_text().partition(START)
    old, _, after = rest.partition(END)
    old_lines = [line for line in old.splitlines() if line.startswith("| [")]
    kept = [line for line in old_lines if not line.startswith(f"| [{real.name}]")] + rows
    order = [f"| [{make.__name__}]" for make in TABLES]
    placed = sorted(kept, key=lambda line: (order.index(line.partition("(")[0]), _place(line)))
    page.write_text("\n".join([before + START, "", *HEADER, *placed, "", END]) + after)


def _place(line: str) -> int:
    cells = [cell.strip() for cell in line.split("|")]
    return list(MODELS).index(cells[3])


if __name__ == "__main__":
    main(sys.argv[1:])
