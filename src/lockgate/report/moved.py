"""Why a drift was told: which columns and pairs, how far and since when, of what they are computed, which rows to look at."""

from __future__ import annotations

import math

from lockgate.decide.drifting.judged import number
from lockgate.records import Verdict
from lockgate.records.drift import DriftFound, Moved
from lockgate.report.words import when

MOST_SHOWN = 10


def moved_lines(verdict: Verdict, found: DriftFound, names: dict[str, str]) -> tuple[str, ...]:
    """names: of versions, as people know them."""
    gate, seen = verdict.gate, verdict.evidence
    before, since = seen.n
    lines = [
        verdict.sentence,
        f"{verdict.ruling.upper()} of {gate.name!r}: {names.get(found.version, found.version)}; {when(verdict.at_s)}",
        f"claim: {gate.claim}, margin {gate.margin:g} of its rows; {gate.method} ({gate.guarantee})",
        f"{since:,} rows in {seen.blocks:,} window{'' if seen.blocks == 1 else 's'}, against {before:,} of the reference",
        _coverage(found),
        "",
        "What moved, by what it may do to the model (distance x importance):",
    ]
    for one in found.moved[:MOST_SHOWN]:
        lines += _one(one, found)
    left = len(found.moved) - MOST_SHOWN
    lines += [f"and {left:,} more"] if left > 0 else []
    return (*lines, "", *_rows(found))


def _coverage(found: DriftFound) -> str:
    missing = found.calls - found.counted
    if missing <= 0:
        return f"all {found.calls:,} calls of its hours were counted"
    return (
        f"{missing:,} of the {found.calls:,} calls of its hours were not counted: a process that was killed loses what it "
        "had not written, a minute at most"
    )


def _one(one: Moved, found: DriftFound) -> list[str]:
    since = "" if one.since_s is None else f", since {when(one.since_s)}"
    evidence = number(one.log_e) if math.isfinite(one.log_e) else "0"
    mark = "" if one.is_listed else " (not shown by itself)"
    lines = [
        f"  {one.name}{mark}: {one.says}",
        f"    distance {one.distance:.3f} x importance {one.importance:.1%} = {one.weight:.3f}; evidence {evidence}{since}",
    ]
    if one.role == "prediction":
        return [*lines, "    what the version says; which inputs moved with it stands beside it"]
    return [*lines, *(f"    {name}: {_of(name, found)}" for name in (one.column, one.other) if name is not None)]


def _of(name: str, found: DriftFound) -> str:
    return found.sources.get(name, "as the caller sends it")


def _rows(found: DriftFound) -> tuple[str, ...]:
    """Log tables are ordinary Delta tables; what is not compacted yet follows within a minute."""
    since_s = found.since_s if found.since_s is not None else 0.0
    wanted = f"model = '{found.model}' AND served_by = '{found.version}'"
    asked = f"asked_s >= {since_s:.0f} AND asked_s < {found.until_s:.0f}"
    table = "pl.scan_delta('.lockgate/tables/log.predictions')"
    scan = f'{table}.filter(pl.sql_expr(\\"{wanted} AND {asked}\\"))'
    return (
        "Rows to look at, out of the log's table:",
        f'  python -c "import polars as pl; print({scan}.collect())"',
        "A sample of those without an outcome, to label, more of it where the drift is:",
        f"  lockgate monitor sample {found.model}",
    )
