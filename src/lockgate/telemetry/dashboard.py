"""A Grafana dashboard over the series of `families`: what `lockgate export grafana` writes.

It asks for its data source and its models by itself, so that it can be imported as it is. Form: Grafana's dashboard JSON,
schema 39 (Grafana 10.4 and later).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from lockgate.telemetry.panels import ROWS, Panel, Query

UID, TITLE = "lockgate", "Lockgate"
SCHEMA = 39
_WIDE = 24
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
Json = dict[str, Any]


class _Place(NamedTuple):
    x: int
    y: int


def dashboard() -> Json:
    """The dashboard in plain values."""
    return {
        "uid": UID,
        "title": TITLE,
        "description": "Every change of traffic is a verdict: a claim, an error rate, and the evidence that crossed it.",
        "tags": ["lockgate"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "15s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "templating": {"list": [_source_variable(), _model_variable()]},
        "panels": _panels(),
    }


def dashboard_file() -> str:
    """The dashboard as a JSON file for Grafana's import, or for its provisioning folder."""
    return json.dumps(dashboard(), indent=2) + "\n"


def _source_variable() -> Json:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "hide": 0,
        "refresh": 1,
        "includeAll": False,
        "multi": False,
    }


def _model_variable() -> Json:
    """Every model, "All" at first."""
    query = "label_values(lockgate_requests_total, model)"
    return {
        "name": "model",
        "label": "Model",
        "type": "query",
        "datasource": _SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "model"},
        "hide": 0,
        "refresh": 2,
        "sort": 1,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def _panels() -> list[Json]:
    """A row's title, then its panels from left to right, wrapped; ids count from 1."""
    found: list[Json] = []
    y = 0
    for title, panels in ROWS:
        found.append(_row(title, len(found) + 1, y))
        y += 1
        x, tallest = 0, 0
        for panel in panels:
            if x + panel.width > _WIDE:
                x, y, tallest = 0, y + tallest, 0
            found.append(_panel(panel, len(found) + 1, _Place(x, y)))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    return found


def _row(title: str, number: int, y: int) -> Json:
    place = {"x": 0, "y": y, "w": _WIDE, "h": 1}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _panel(panel: Panel, number: int, place: _Place) -> Json:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": {"x": place.x, "y": place.y, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
        "targets": _targets(panel.queries, is_now=panel.kind == "stat"),
    }


def _defaults(panel: Panel) -> Json:
    """Colour says no more than a line's own words do: red where a figure is past `red_at`."""
    steps: list[Json] = [{"color": "text", "value": None}]
    if panel.red_at is not None:
        steps.append({"color": "red", "value": panel.red_at})
    found: Json = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}, "links": [], "mappings": []}
    found |= {"min": 0} if panel.is_from_zero else {}
    if panel.kind == "stat":
        return found | {"color": {"mode": "thresholds"}}
    custom: Json = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 60 if panel.is_stacked else 5,
        "showPoints": "never",
    }
    custom |= {"stacking": {"mode": "normal" if panel.is_stacked else "none", "group": "A"}}
    custom |= {"thresholdsStyle": {"mode": "off" if panel.red_at is None else "line"}}
    return found | {"color": {"mode": "palette-classic"}, "custom": custom}


def _options(panel: Panel) -> Json:
    if panel.kind == "stat":
        reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        return {"reduceOptions": reduced, "colorMode": "value", "graphMode": "area", "textMode": "auto"}
    legend = {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]}
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}


def _targets(queries: Sequence[Query], *, is_now: bool) -> list[Json]:
    return [
        {
            "refId": chr(ord("A") + place),
            "expr": query.expr,
            "legendFormat": query.legend or "__auto",
            "datasource": _SOURCE,
            "editorMode": "code",
            "range": not is_now,
            "instant": is_now,
        }
        for place, query in enumerate(queries)
    ]
