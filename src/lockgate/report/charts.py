"""Charts for notebooks, by Altair: of a profile, of two laid over each other, of what drifted, of a verdict's evidence."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lockgate.errors import SpecError
from lockgate.records import Facet, Profile, Verdict
from lockgate.records.drift import Drift, Moved
from lockgate.records.profile import ColumnProfile, Kind, refuse_other_cells
from lockgate.report import drawing
from lockgate.report.drawing import BLUE, CONFIG, ORANGE, SOFT

if TYPE_CHECKING:
    from lockgate.records.record import Record

Spec = dict[str, Any]
MOST_COLUMNS, MOST_MOVED, MOST_CELLS, ACROSS = 12, 20, 24, 3
_ABSENT = ("missing", "NaN", "infinite", "unseen")
_HOW = "A profile, a drift or a verdict has one."


def chart(record: Record, window: Profile | None = None) -> Any:
    """The record as an Altair chart. window: of a profile, another counted over the same cells, laid over it.

    Raises SpecError where Altair is not installed, for a record that has no chart, and for profiles of other cells.

    >>> lg.chart(reference, window)
    """
    if window is not None and not isinstance(record, Profile):
        raise SpecError("Only a profile is laid over another.", cure="lockgate.chart(reference, window)")
    match record:
        case Verdict():
            return drawing.chart(record)
        case Drift():
            return drawing.altair().Chart.from_dict(drift_spec(record))
        case Profile():
            return drawing.altair().Chart.from_dict(profile_spec(record, window))
        case _:
            raise SpecError(f"A {type(record).__name__} has no chart.", cure=_HOW)


def drift_spec(drift: Drift) -> Spec:
    """Columns and pairs ranked by their effect on the model: how far each moved, and what changed most. Vega-Lite 6."""
    shown = drift.moved[:MOST_MOVED]
    rows = [_moved(one) for one in shown]
    bars: Spec = {
        "mark": {"type": "bar", "height": 13},
        "encoding": {
            "x": {
                "field": "distance",
                "type": "quantitative",
                "title": "share of rows that lie elsewhere",
                "axis": {"format": "%"},
            },
            "color": {
                "field": "state",
                "type": "nominal",
                "title": None,
                "legend": {"orient": "bottom"},
                "scale": {"domain": ["moved", "not shown"], "range": [ORANGE, SOFT]},
            },
            "tooltip": [
                {"field": name, "type": "nominal"}
                for name in ("column", "says", "distance_said", "importance", "evidence")
            ],
        },
    }
    said: Spec = {
        "mark": {"type": "text", "align": "left", "dx": 5},
        "encoding": {"x": {"field": "distance", "type": "quantitative"}, "text": {"field": "says"}},
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {
            "text": textwrap.wrap(drift.sentence, 80),
            "subtitle": "the most consequential first: distance times importance",
        },
        "data": {"values": rows},
        "width": 460,
        "height": {"step": 22},
        "encoding": {"y": {"field": "column", "type": "nominal", "sort": None, "title": None}},
        "layer": [bars, said],
        "config": CONFIG,
    }


def _moved(one: Moved) -> Spec:
    return {
        "column": one.name,
        "distance": one.distance,
        "distance_said": f"{one.distance:.1%} of its rows",
        "importance": f"{one.importance:.1%}",
        "evidence": f"10^{one.log_e / 2.302585:.1f}",
        "state": "moved" if one.is_listed else "not shown",
        "says": one.says,
    }


def profile_spec(profile: Profile, window: Profile | None = None) -> Spec:
    """Each column's cells as shares of its rows, the most important columns first. Vega-Lite 6.

    Raises SpecError for a profile without columns, and for profiles of other cells.
    """
    if window is not None:
        refuse_other_cells(profile, window)
    columns = sorted(profile.columns, key=lambda c: -profile.importance.get(c.name, 0.0))[:MOST_COLUMNS]
    if not columns:
        raise SpecError("A profile without columns has no chart.")
    told = [("reference" if window is not None else "rows", profile)] + ([] if window is None else [("window", window)])
    left = len(profile.columns) - len(columns)
    said = f"{profile.rows:,} rows"
    if window is not None:
        said = f"A window of {window.rows:,} rows against a reference of {profile.rows:,}"
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {
            "text": said,
            "subtitle": f"{left} more columns are not shown" if left else "share of a column's rows, cell by cell",
        },
        "columns": ACROSS,
        "concat": [_panel(column, told) for column in columns],
        "config": CONFIG,
    }


def _panel(column: ColumnProfile, told: Sequence[tuple[str, Profile]]) -> Spec:
    rows = [
        {"who": who, "cell": cell, "share": share}
        for who, profile in told
        for cell, share in _shares(next(c for c in profile.columns if (c.name, c.role) == (column.name, column.role)))
    ]
    names = [name for name, _ in told]
    tones = [BLUE] if len(told) == 1 else [SOFT, BLUE]
    marks: list[Spec] = [{"type": "bar", "opacity": 0.55 if len(told) > 1 else 1}, {"type": "tick", "thickness": 3}]
    return {
        "title": {"text": column.name, "fontSize": 12.5, "offset": 6},
        "data": {"values": rows},
        "width": 190,
        "height": 110,
        "encoding": {
            "x": {
                "field": "cell",
                "type": "nominal",
                "sort": None,
                "title": None,
                "axis": {"labelLimit": 60, "labelAngle": -40, "labelOverlap": "greedy"},
            },
            "y": {"field": "share", "type": "quantitative", "title": None, "axis": {"format": "%", "tickCount": 3}},
            "color": {"field": "who", "type": "nominal", "title": None, "scale": {"domain": names, "range": tones}},
            "tooltip": [
                {"field": "who", "type": "nominal"},
                {"field": "cell", "type": "nominal"},
                {"field": "share", "type": "quantitative", "format": ".1%"},
            ],
        },
        "layer": [
            {"mark": mark, "transform": [{"filter": f"datum.who == '{name}'"}]}
            for mark, name in zip(marks, names, strict=False)
        ],
    }


def _shares(column: ColumnProfile) -> list[tuple[str, float]]:
    """Each cell's name and share of all rows; of very many the largest, and the rest together."""
    facet = column.facets[0]
    cells = list(zip(cell_names(facet, column.kind), facet.counts, strict=True))
    if len(cells) > MOST_CELLS:
        ranked = sorted(cells, key=lambda cell: -cell[1])
        cells = [*ranked[: MOST_CELLS - 1], ("others", sum(count for _, count in ranked[MOST_CELLS - 1 :]))]
    cells += [(name, count) for name, count in zip(_ABSENT, column.absent, strict=True) if count]
    rows = column.rows or 1
    return [(name, count / rows) for name, count in cells]


def cell_names(facet: Facet, kind: Kind) -> list[str]:
    """What each cell holds, as a person reads it, and each name once."""
    if kind == "boolean":
        return ["false", "true"]
    ends = [f"{edge:.4g}" for edge in facet.edges]
    if facet.levels:
        named = [*facet.levels, "(rare)"]
    elif facet.is_discrete:  # the first edge lies just under the least value
        named = [f"under {ends[1]}", *ends[1:], f"over {ends[-1]}"]
    elif ends:
        named = [f"to {ends[0]}", *(f"to {end}" for end in ends[1:]), f"over {ends[-1]}"]
    else:
        named = [str(place) for place in range(len(facet.counts))]
    seen: dict[str, int] = {}
    for place, name in enumerate(named):
        seen[name] = seen.get(name, -1) + 1
        named[place] = name if not seen[name] else f"{name} ({seen[name] + 1})"
    return named
