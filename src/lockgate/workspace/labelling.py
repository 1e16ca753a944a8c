"""The door to labelling: `lockgate.to_label`, which rows of a drifted window somebody should look at first."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError, unknown
from lockgate.records.profile import ColumnProfile, Profile

if TYPE_CHECKING:
    import polars as pl

    from lockgate.records.drift import Drift, DriftFound, Moved


def to_label(live: Any, reference: Profile, found: Drift, *, rows: int = 200, seed: int = 0) -> pl.DataFrame:
    """Rows of a window to label, more of them where the drift is; write them with `.write_csv` and send them on.

    live: the window's table, as in `lockgate.profile`; reference: the profile that it drifted from; found: the drift that
    was told, whose foremost number or category says where. Column `lockgate_cell` names each row's cell there and
    `lockgate_weight` how many rows of the window it stands for, so that a metric over the sample, weighted by it, is the
    window's. Seeded: the same call draws the same rows. Raises SpecError where nothing that has cells has moved.

    >>> to_label(live, reference, lockgate.drift(reference, window), rows=200).write_csv("to_label.csv")
    """
    import polars as pl

    from lockgate.workspace import told_rows

    table = told_rows.read(live).table
    first = foremost(reference, found, table.columns)
    if first is None:
        raise SpecError(
            "No number and no category has moved, so there is nowhere to look first.",
            cure="Draw rows at random instead.",
        )
    chosen = drawn_by(table, first.column, rows=rows, seed=seed)
    return table[chosen.places].with_columns(
        pl.Series("lockgate_cell", chosen.cells, dtype=pl.String),
        pl.Series("lockgate_weight", chosen.weights, dtype=pl.Float64),
    )


class Chosen(NamedTuple):
    """places: of the rows, ascending, shape (k,); cells, weights: each one's cell, and how many rows it stands for."""

    places: NDArray[np.int64]
    cells: list[str]
    weights: NDArray[np.float64]


def drawn_by(table: pl.DataFrame, column: ColumnProfile, *, rows: int, seed: int) -> Chosen:
    """Rows of a table, more of them from the cells of a column that have grown. column: as the reference has it."""
    from lockgate.assess import to_label as sampling

    strata, names = _cells(table, column)
    counts = np.bincount(strata, minlength=len(names)).astype(np.float64)
    before = np.array(column.counts, dtype=np.float64)
    excess = counts / max(counts.sum(), 1.0) - before / max(before.sum(), 1.0)
    places = sampling.drawn(excess, strata, rows=rows, seed=seed)
    drawn = np.bincount(strata[places], minlength=len(names))
    weights = counts[strata[places]] / drawn[strata[places]]
    return Chosen(places, [f"{column.name} {names[cell]}" for cell in strata[places].tolist()], weights)


class Foremost(NamedTuple):
    """The column to draw by, as the reference has it, and what was found of it."""

    column: ColumnProfile
    moved: Moved


def foremost(reference: Profile, found: Drift | DriftFound, names: list[str]) -> Foremost | None:
    """The number or category that moved with the most consequence; None where none did. Raises SpecError where it is not
    among the table's `names`.
    """
    for one in (*found.listed, *found.moved):
        column = reference.column(one.column)
        if one.other is None and one.role == "input" and column is not None and column.kind in ("number", "category"):
            if column.name not in names:
                raise SpecError(unknown("column", column.name, names), cure="Give the window's own table.")
            return Foremost(column, one)
    return None


def _cells(table: pl.DataFrame, column: ColumnProfile) -> tuple[Any, list[str]]:
    """Each row's cell, in the order of the column's counts, and the cells' names."""
    from lockgate.workspace import told_rows

    facet = column.facets[0]
    beside = ["missing", "not a number", "infinite", "unseen"]
    values = told_rows.columns_of(table, [column.name])[column.name]
    if column.kind == "category":
        place = {level: at for at, level in enumerate(facet.levels)} | dict.fromkeys(column.rare, len(facet.levels))
        cells = len(facet.counts)
        found = [cells if value is None else place.get(str(value), cells + 3) for value in values.tolist()]
        return np.array(found, dtype=np.int64), [*facet.levels, *["rare"] * (cells - len(facet.levels)), *beside]
    cells = len(facet.counts)
    found_at = np.searchsorted(facet.edges, values, side="left").astype(np.int64)
    found_at = np.where(np.isnan(values), cells, np.where(np.isinf(values), cells + 2, found_at))
    ends = [f"{edge:.4g}" for edge in facet.edges]
    named = [f"to {ends[0]}", *(f"{a} to {b}" for a, b in pairwise(ends)), f"over {ends[-1]}"]
    return found_at, [*named, *beside]
