"""Dataset versions and what differs between two, for a person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lockgate.cli.show import say

if TYPE_CHECKING:
    from rich.table import Table

    from lockgate.records import ColumnDiff, Dataset, DatasetDiff, DatasetState
    from lockgate.workspace.cleaning import CleanedModel
    from lockgate.workspace.datasets import Added

NOTABLE = 0.005
"""A column that moved by less of 1, and in which no row changed, is counted and not listed."""
DAY = len("2026-01-31")


def added_lines(made: Added) -> list[str]:
    dataset = made.dataset
    if not made.is_new:
        return [f"The same as {dataset.ref} ({_rows(dataset.rows)}); no new version."]
    like = f" They are the rows of version {made.like.ref.version}." if made.like else ""
    return [f"{dataset.ref}: {_rows(dataset.rows)} kept.{like}", *_left_out(dataset)]


def listed(found: Sequence[DatasetState]) -> None:
    """A row per version, oldest first."""
    from lockgate.report.words import when

    table = _table("dataset", "rows", "set aside", "asked", "trained on it")
    for state in found:
        held = state.dataset
        trained = _trained(state.pinned_by) or ("-" if state.is_kept else "rows cleaned away")
        days = [when(at)[:DAY] for at in (held.since_s, held.until_s) if at is not None]
        aside = sum(held.quarantined.values())
        asked = " to ".join(dict.fromkeys(days)) or "-"
        table.add_row(f"{held.model}@{held.ref.version}", f"{held.rows:,}", f"{aside:,}", asked, trained)
    _print(table)


def _trained(versions: Sequence[str]) -> str:
    """The newest, and how many more: baselines are trained beside every candidate."""
    if not versions:
        return ""
    return versions[-1] if len(versions) == 1 else f"{versions[-1]}, {len(versions) - 1} more"


def shown(state: DatasetState) -> None:
    from lockgate.report.words import when

    held = state.dataset
    say(f"{held.ref}: {_rows(held.rows)} of {held.model}, written {when(held.written_s)}.")
    if held.since_s is not None and held.until_s is not None:
        say(f"  asked from {when(held.since_s)} until {when(held.until_s)}")
    if held.source:
        say(f"  from {held.source}")
    for line in (*_left_out(held), *(f"  note: {note}" for note in held.notes)):
        say(line)
    if held.aside is not None:
        say(f"  what was set aside: {held.aside}")
    if held.content:
        say(f"  content {held.content[:16]}, table {held.ref.table_id}")
    say(f"  trained on it: {', '.join(state.pinned_by)}" if state.pinned_by else "  nothing was trained on it")
    if not state.is_kept:
        say("  its rows were cleaned away; this record is what is left")
    elif state.columns:
        table = _table("column", "type")
        for name, kind in state.columns.items():
            table.add_row(name, kind)
        _print(table)


def compared(found: DatasetDiff) -> None:
    """Rows first, then schema, then the columns that moved, the farthest first."""
    before, after = found.rows
    say(f"{found.before} ({_rows(before)}) -> {found.after} ({_rows(after)})")
    by = f"by {', '.join(found.by)}" if found.by else "by all they hold: no keys are declared"
    changed = "" if found.changed is None else f", {found.changed:,} changed"
    say(f"rows      +{found.added:,}, -{found.removed:,}{changed}, {found.same:,} the same ({by})")
    _schema(found)
    moved = sorted((c for c in found.columns if _is_notable(c)), key=_rank, reverse=True)
    still = len(found.columns) - len(moved)
    if moved:
        _columns(moved)
    say(f"{still} column{'' if still == 1 else 's'} did not move." if still else "Every column moved.")


def cleaned_lines(found: Sequence[CleanedModel], *, is_done: bool, older_than: str) -> list[str]:
    lines: list[str] = []
    for item in found:
        if item.versions:
            did = "deleted" if is_done else "would delete"
            named = ", ".join(str(ref) for ref in item.versions)
            size = f"{item.files} files, {item.size_bytes / 1e6:.1f} MB"
            lines.append(f"{item.model}: {did} the rows of {named} ({size})")
        if item.pinned:
            named = ", ".join(str(ref) for ref in item.pinned)
            lines.append(f"{item.model}: as old, and kept because versions were trained on them: {named}")
    return lines or [f"Nothing is older than {older_than} that could go."]


def _schema(found: DatasetDiff) -> None:
    cast = [c for c in found.columns if c.types[0] != c.types[1]]
    for mark, columns in (("+", found.gained), ("-", found.dropped)):
        for name, kind in columns.items():
            say(f"column    {mark}{name} ({kind})")
    for column in cast:
        say(f"column    {column.name} was {column.types[0]} and is {column.types[1]}: not compared")


def _columns(moved: Iterable[ColumnDiff]) -> None:
    table = _table("column", "rows changed", "moved", "missing", "mean")
    for column in moved:
        changed = "-" if column.changed is None else f"{column.changed:,}"
        distance = "-" if column.distance is None else f"{column.distance:.3f}"
        missing = "" if column.missing is None else _pair(*(f"{share:.1%}" for share in column.missing))
        means = [f"{mean:.4g}" for mean in column.mean if mean is not None]
        table.add_row(column.name, changed, distance, missing, _pair(*means) if len(means) == 2 else "")
    _print(table)


def _pair(before: str, after: str) -> str:
    return before if before == after else f"{before} -> {after}"


def _is_notable(column: ColumnDiff) -> bool:
    return bool(column.changed) or (column.distance or 0.0) >= NOTABLE


def _rank(column: ColumnDiff) -> tuple[float, int]:
    return column.distance or 0.0, column.changed or 0


def _left_out(held: Dataset) -> list[str]:
    lines = [f"  set aside {_rows(rows)}: {rule}" for rule, rows in held.quarantined.items()]
    lines += [f"  left out {_rows(held.repeated)}: every value came before"] if held.repeated else []
    late = "older than the newest of the version before, and not in it"
    return lines + ([f"  took {_rows(held.late)} late: {late}"] if held.late else [])


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _table(*names: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    numbers = ("rows", "set aside", "rows changed", "moved")
    for name in names:
        is_name = name in ("dataset", "column")
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold", no_wrap=is_name)
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    Console().print(table)
