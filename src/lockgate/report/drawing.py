"""The evidence behind a verdict, drawn: the interval closing, the e-value against its line, the blocks one by one.

A drawing is a Vega-Lite specification, made here of plain values: `chart` hands it to Altair, `save` to a file.
"""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lockgate.errors import SpecError, unknown
from lockgate.records import Evidence, Ruling, Verdict
from lockgate.report import words
from lockgate.report.confidence import bound_of, closing, domain, gauge, strength
from lockgate.report.words import counted, e_value, figure, text, units

if TYPE_CHECKING:
    from types import ModuleType

    import altair as alt

__all__ = ["chart", "page", "save", "spec", "svg", "text"]

Spec = dict[str, Any]

WIDTH = 600
MOST_BARS = 120
CURE = "Run: pip install lockgate[report]"
# Blue and orange are told apart by everybody (Okabe, Ito 2008), and nothing is said by colour alone.
PAPER, INK, SOFT, BLUE, ORANGE = "#ffffff", "#1f1f1e", "#62625d", "#0072b2", "#c25e00"
DARK = {PAPER: "#1b1b1a", INK: "#ededea", SOFT: "#a9a9a3", BLUE: "#56b4e9", ORANGE: "#f0a040"}
_LOG_10 = math.log(10)
_RATIOS = [m * 10.0**k for k in range(-3, 4) for m in (1, 2, 5)]


def chart(verdict: Verdict) -> alt.VConcatChart:
    """The evidence as an Altair chart: panels one above the other, under the verdict's sentence.

    Raises SpecError where Altair is not installed, or where the evidence holds nothing that could be drawn.
    """
    found: alt.VConcatChart = altair().VConcatChart.from_dict(spec(verdict))
    return found


def altair() -> ModuleType:
    """Altair, asked for when a chart is. Raises SpecError where it is not installed."""
    try:
        import altair as alt
    except ImportError as error:
        raise SpecError("A chart is Altair's, which is not installed.", cure=CURE) from error
    return alt


def spec(verdict: Verdict) -> Spec:
    """The chart as Vega-Lite 6, in plain values. Raises SpecError where there is nothing to draw."""
    makers = (_gauge, _closing, _estimate, _strength, _blocks, _latencies)
    panels = [panel for panel in (maker(verdict) for maker in makers) if panel is not None]
    if not panels:
        raise SpecError(f"The verdict {verdict.id} of {verdict.gate.name!r} {words.NOTHING}", cure=words.NOTHING_CURE)
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {"text": textwrap.wrap(verdict.sentence, 80), "subtitle": words.subtitle(verdict)},
        "vconcat": panels,
        "spacing": 28,
        "config": CONFIG,
    }


def svg(verdict: Verdict, *, has_title: bool = True) -> str:
    """The chart as a picture whose colours follow the reader's screen. Raises SpecError as `chart` does.

    has_title: False where the sentence stands beside it already.
    """
    try:
        from vl_convert import vegalite_to_svg
    except ImportError as error:
        raise SpecError("A picture is made by vl-convert, which is not installed.", cure=CURE) from error
    # Ids are looked up over a whole page: two drawings on one page must not clip each other.
    name = "lockgate-" + re.sub(r"\W", "-", verdict.id)
    held = spec(verdict)
    if not has_title:
        del held["title"]
    drawn = vegalite_to_svg(held).replace('id="', f'id="{name}-').replace("url(#", f"url(#{name}-")
    return drawn.replace("<svg ", f'<svg id="{name}" ', 1).replace(">", f"><style>{_dark(f'#{name}')}</style>", 1)


def save(verdict: Verdict, path: str | Path) -> Path:
    """Write the drawing to `path`: .svg, .json (Vega-Lite), or .html, a page that needs no network; gives the path back.

    Raises SpecError for another suffix, for a folder that is not there, and as `chart` does.
    """
    makers = {".html": page, ".svg": svg, ".json": _json}
    found = Path(path)
    maker = makers.get(found.suffix)
    if maker is None:
        raise SpecError(
            unknown("drawing with the suffix", found.suffix, makers), cure="Name the file so: evidence.html"
        )
    if not found.parent.is_dir():
        raise SpecError(f"There is no folder {found.parent}.", cure="Make it first, or name another.")
    found.write_text(maker(verdict), encoding="utf-8")
    return found


def _json(verdict: Verdict) -> str:
    return json.dumps(spec(verdict), indent=1)


def page(verdict: Verdict) -> str:
    """The drawing as a page that holds all it needs: with figures under the pointer, and a picture where scripts are off."""
    still = svg(verdict)
    from vl_convert import javascript_bundle

    held = json.dumps(spec(verdict)).replace("<", "\\u003c")
    scripts = javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")
    actions = '{"export": true, "source": false, "compiled": false, "editor": false}'
    show = f'vegaEmbed("#drawing", {held}, {{"renderer": "svg", "actions": {actions}}});'
    style = f"body {{ margin: 0; background: {PAPER}; }} {_dark('#drawing')} {_DARK_PAGE}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<title>{escape(verdict.sentence)}</title><link rel="icon" href="data:,"><style>{style}</style></head>'
        f'<body><div id="drawing">{still}</div><script>{scripts}</script><script type="module">{show}</script></body></html>'
    )


def _closing(verdict: Verdict) -> Spec | None:
    """The interval over calls or blocks, with the estimate, the margin, and where the arms are alike."""
    found = closing(verdict)
    if found is None or not found.is_any:
        return None
    gate, seen = verdict.gate, verdict.evidence
    low, high = domain(found)
    # Where an end lies off the panel the band goes to the edge, and no line is drawn that would look like an end.
    rows: list[Spec] = [
        {"at": at, "low": max(one, low), "high": min(two, high), "said": f"{figure(one)} to {figure(two)}"}
        | {name: v if low <= v <= high else None for name, v in (("from", one), ("to", two), ("estimate", mean))}
        for at, mean, one, two in zip(*(part.tolist() for part in found[:4]), strict=True)
    ]
    is_ratio = found.alike == 1
    y = _axis("times the champion's rate" if is_ratio else words.difference(gate), (low, high))
    if is_ratio:
        y["scale"] = {"type": "log", "domain": [low, high], "nice": False}
        y["axis"] |= {"values": [ratio for ratio in _RATIOS if low <= ratio <= high], "format": "~g"}
    tone = SOFT if verdict.ruling is Ruling.VOID else BLUE
    shape = {"color": tone, "interpolate": "step-after"}
    band = {"y": y | {"field": "low"}, "y2": {"field": "high"}}
    last = {"transform": [{"filter": f"datum.at == {rows[-1]['at']}"}]}
    layers = [
        _layer("area", band, opacity=0.2, **shape),
        *(_layer("line", {"y": y | {"field": end}}, strokeWidth=1.2, **shape) for end in ("from", "to")),
        _layer("line", {"y": y | {"field": "estimate"}}, color=tone, strokeWidth=2),
        _layer("rule", band, color=tone, strokeWidth=3) | last,
        _layer("point", {"y": y | {"field": "estimate"}}, color=tone, size=80, filled=True, opacity=1) | last,
        _layer("rule", {"tooltip": _tips(counted(seen), "the interval")}, opacity=0, strokeWidth=8),
    ]
    data = {"data": {"values": rows}, "encoding": {"x": _x(seen, float(found.at[-1]))}, "layer": layers}
    return _panel(
        words.interval_words(gate, seen, found), [*_marks(words.interval_lines(gate, found), y), data], height=190
    )


def _strength(verdict: Verdict) -> Spec | None:
    """The e-value on its way to the line, and the opposite's where it could have ruled."""
    found = strength(verdict)
    if found is None:
        return None
    seen, line = verdict.evidence, found.line / _LOG_10
    ruled = found.ruled / _LOG_10
    beside = ruled if found.beside is None else found.beside / _LOG_10
    top = 1.12 * max(line, min(float(max(ruled.max(), beside.max())), 2.5 * line))
    bottom = min(0.0, max(float(min(ruled.min(), beside.min())), -line / 2)) - 0.05 * line
    rows: list[Spec] = [
        {"at": at, "e": e, "other": other, "said": e_value(e * _LOG_10)}
        for at, e, other in zip(found.at.tolist(), ruled.tolist(), beside.tolist(), strict=True)
    ]
    y = _axis("e-value (evidence, as odds)", (bottom, top))
    y["axis"] |= _POWERS
    tone = SOFT if verdict.ruling is Ruling.VOID else BLUE
    layers = [_layer("line", {"y": y | {"field": "e"}}, color=tone, strokeWidth=2.5, clip=True)]
    if found.beside is not None:
        layers.append(_layer("line", {"y": y | {"field": "other"}}, color=ORANGE, strokeDash=[5, 4], clip=True))
    layers.append(_layer("rule", {"tooltip": _tips(counted(seen), "e-value")}, opacity=0, strokeWidth=8))
    now = rows[-1] if found.reached is None else rows[found.reached]
    place = {"y": y | {"datum": min(max(now["e"], bottom), top)}}
    one = {"transform": [{"filter": f"datum.at == {now['at']}"}]}
    layers.append(_layer("point", place, color=tone, filled=True, size=80, opacity=1) | one)
    if found.reached is not None:
        said = {"text": {"value": f"reached after {counted(seen, float(now['at']))}"}}
        is_late = now["at"] > found.at[-1] / 2
        side: Spec = {"align": "right", "dx": -10} if is_late else {"align": "left", "dx": 10}
        layers.append(_layer("text", place | said, dy=-9, **side) | one)
    data = {"data": {"values": rows}, "encoding": {"x": _x(seen, float(found.at[-1]))}, "layer": layers}
    marks = _marks([(line, f"{e_value(found.line)} decides", True), (0.0, "1: no news", False)], y)
    return _panel(words.strength_words(verdict, found), [*marks, data], height=150)


def _blocks(verdict: Verdict) -> Spec | None:
    """The block differences as bars, from 0; neighbours drawn as their mean where there are very many."""
    gate, seen = verdict.gate, verdict.evidence
    if not seen.values:
        return None
    size = -(-len(seen.values) // MOST_BARS)
    parts = [(start, seen.values[start : start + size]) for start in range(0, len(seen.values), size)]
    rows: list[Spec] = [
        {"from": start + 0.6, "to": start + len(part) + 0.4, "value": mean, "at": start + 1, "said": f"{mean:+.4g}"}
        for start, part in parts
        for mean in [float(np.mean(part))]
    ]
    values, bound = [row["value"] for row in rows], bound_of(gate)
    low, high = min(*values, bound, 0.0), max(*values, bound, 0.0)
    room = 0.08 * (high - low) or 1e-9
    y = _axis(words.difference(gate), (low - room, high + room))
    tone = {"condition": {"test": "datum.value < 0", "value": BLUE}, "value": ORANGE}
    bars = _layer("bar", {"x2": {"field": "to"}, "y": y | {"field": "value"}, "y2": {"datum": 0}, "color": tone})
    bars["encoding"]["tooltip"] = _tips(counted(seen), "difference")
    x = _x(seen, len(seen.values), "from")
    data = {"data": {"values": rows}, "encoding": {"x": x}, "layer": [bars]}
    said = words.blocks_words(verdict) + (f"; a bar is the mean of {size}" if size > 1 else "")
    return _panel(said, [data, *_marks(words.zero_lines(gate, "0"), y)], height=110)


def _estimate(verdict: Verdict) -> Spec | None:
    """One look's interval, lying down."""
    gate, seen = verdict.gate, verdict.evidence
    if seen.estimate is None or seen.low is None or seen.high is None or seen.path:
        return None
    bound = bound_of(gate)
    low, high = min(seen.low, bound, 0.0), max(seen.high, bound, 0.0)
    room = 0.15 * (high - low) or 1e-9
    x = _axis(f"how much worse in {units(gate)} (left of 0: better)", (low - room, high + room), is_upright=False)
    row = {"low": seen.low, "high": seen.high, "estimate": seen.estimate}
    layers = [
        _layer("rule", {"x": x | {"field": "low"}, "x2": {"field": "high"}}, color=BLUE, strokeWidth=5, opacity=0.45),
        _layer("point", {"x": x | {"field": "estimate"}}, color=BLUE, filled=True, size=120, opacity=1),
    ]
    said = f"Difference: {seen.estimate:+.3g}, between {seen.low:+.3g} and {seen.high:+.3g}"
    data = {"data": {"values": [row]}, "layer": layers}
    return _panel(said, [*_marks(words.zero_lines(gate, "0: alike"), x), data], height=46, has_axis=False)


def _gauge(verdict: Verdict) -> Spec | None:
    """One figure as a bar, up to the line it is held to or past it."""
    found = gauge(verdict)
    if found is None:
        return None
    is_log = found.kind != "moved"
    value, line = (number / _LOG_10 if is_log else number for number in (found.value, found.line))
    start = 0.0 if value >= 0 else max(value, -line / 2) - 0.1 * line
    title = "e-value (evidence, as odds)" if is_log else "distance x importance, each from 0 to 1"
    x = _axis(title, (start, max(line * 1.15, min(value, 2.5 * line) * 1.05)), is_upright=False)
    x["axis"] |= _POWERS if is_log else {}
    bar = _layer("bar", {"x": x | {"field": "value"}, "x2": {"datum": start}}, color=BLUE, height=18, clip=True)
    layers = [{"data": {"values": [{"value": value}]}, "layer": [bar]}]
    layers += _marks([(line, words.line_words(found), True)], x)
    return _panel(words.gauge_words(verdict, found), layers, height=46, has_axis=False)


def _latencies(verdict: Verdict) -> Spec | None:
    """Median and 99th percentile of both arms."""
    detail = verdict.evidence.detail
    if "canary_p50" not in detail:
        return None
    rows: list[Spec] = [
        {"arm": arm, "who": f"{arm} {name}", "ms": ms, "said": f"{ms:.3g} ms, {what} of the {arm}"}
        for name, what in (("p50", "median"), ("p99", "99th percentile"))
        for arm in ("champion", "canary")
        for ms in [detail[f"{arm}_{name}"]]
    ]
    scale = {"zero": True, "domainMax": 1.5 * max(row["ms"] for row in rows), "nice": False}
    x = {"field": "ms", "type": "quantitative", "title": "latency, milliseconds", "scale": scale}
    y = {"field": "who", "type": "nominal", "sort": None, "axis": None}
    tone = {"condition": {"test": "datum.arm == 'canary'", "value": BLUE}, "value": SOFT}
    layers = [
        _layer("bar", {"color": tone}, height=14),
        _layer("text", {"text": {"field": "said"}}, align="left", dx=5),
    ]
    data = {"data": {"values": rows}, "encoding": {"x": x, "y": y}, "layer": layers}
    return _panel("Latency of both arms", [data], height=92, has_axis=False)


def _marks(lines: Sequence[words.Line], scale: Spec) -> list[Spec]:
    """Lines across the panel with their words beside it; of two that are near, one hangs under the other."""
    is_upright = "titleAngle" in scale["axis"]
    channel, across = ("y", "x") if is_upright else ("x", "y")
    found: list[Spec] = []
    for (at, said, is_bar), spot in zip(lines, _spots(lines, scale["scale"], is_upright=is_upright), strict=True):
        where = {channel: scale | {"datum": at}}
        dash: Spec = {"strokeDash": [6, 4], "strokeWidth": 1.6} if is_bar else {"strokeWidth": 1}
        beside = {across: {"value": WIDTH + 6 if is_upright else -4}, "text": {"value": said}}
        looks = {"align": "left", "baseline": spot} if is_upright else {"align": spot, "baseline": "bottom"}
        found += [_layer("rule", where, color=INK, **dash), _layer("text", where | beside, **looks)]
    return [{"data": {"values": [{}]}, "layer": found}]


def _spots(lines: Sequence[words.Line], scale: Spec, *, is_upright: bool) -> list[str]:
    """How each line's words stand to it: beside where there is room, else apart."""
    ends = [*scale["domain"], *(at for at, _, _ in lines)]
    low, high, *places = [math.log(end) for end in ends] if scale.get("type") == "log" else ends
    if len(places) < 2 or abs(places[0] - places[1]) > 0.12 * (high - low):
        return ["middle" if is_upright else "center"] * len(places)
    first, second = ("bottom", "top") if is_upright else ("left", "right")
    return [first, second] if places[0] > places[1] else [second, first]


def _axis(title: str, ends: tuple[float, float], *, is_upright: bool = True) -> Spec:
    """A scale with its title written level, above its upper end where the axis is upright."""
    axis: Spec = {"tickCount": 5}
    if is_upright:
        axis |= {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "start"}
        axis |= {"titleX": -50, "titleY": -8, "titleBaseline": "bottom"}
    scale = {"domain": list(ends), "nice": False, "zero": False}
    return {"type": "quantitative", "title": title, "scale": scale, "axis": axis}


def _x(seen: Evidence, last: float, field: str = "at") -> Spec:
    title, ends = f"{counted(seen)}, oldest first", [0.5, last + 0.5]
    axis: Spec = {"format": ",d"}
    if seen.looks:
        title, ends = "calls answered so far", [0.0, last]
    elif last <= 12:
        axis |= {"values": list(range(1, int(last) + 1))}  # else a scale this short is ticked at halves
    scale = {"domain": ends, "nice": False}
    return {"field": field, "type": "quantitative", "title": title, "axis": axis, "scale": scale}


def _layer(mark: str, encoding: Spec, **looks: Any) -> Spec:
    return {"mark": {"type": mark} | looks, "encoding": encoding}


def _tips(counted_in: str, what: str) -> list[Spec]:
    return [
        {"field": "at", "type": "quantitative", "title": counted_in, "format": ",d"},
        {"field": "said", "type": "nominal", "title": what},
    ]


def _panel(title: str, layers: Sequence[Spec], *, height: int, has_axis: bool = True) -> Spec:
    first, *rest = title.split("\n")
    found: Spec = {"text": textwrap.wrap(first, 98), "offset": 8, "fontSize": 12.5} | (
        {"subtitle": rest} if rest else {}
    )
    # Where the words of the panels with an upright axis begin.
    found |= {"frame": "bounds"} if has_axis else {"frame": "group", "dx": -50}
    return {"title": found, "width": WIDTH, "height": height, "layer": list(layers)}


def _dark(within: str) -> str:
    """Rules that give each colour its counterpart on a dark screen; attributes of an SVG yield to them."""
    rules = (
        f'{within} [{part}="{light}"] {{ {part}: {dark}; }}'
        for light, dark in DARK.items()
        for part in ("fill", "stroke")
    )
    return f"@media (prefers-color-scheme: dark) {{ {' '.join(rules)} }}"


# The script writes its paper into the picture's own style, which only such a rule outdoes.
_DARK_PAGE = (
    f"@media (prefers-color-scheme: dark) {{ body {{ background: {DARK[PAPER]}; }} "
    f"svg.marks {{ background-color: {DARK[PAPER]} !important; }} }}"
)
_POWERS: Spec = {
    "labelExpr": "abs(datum.value) < 6 ? format(pow(10, datum.value), ',~g') : '10^' + datum.value",
    "tickMinStep": 1,
}
_TITLE: Spec = {"anchor": "start", "color": INK, "fontSize": 15, "fontWeight": 600, "offset": 18}
_AXIS: Spec = {"labelFontSize": 11, "titleFontSize": 11.5, "titleFontWeight": "normal", "grid": False}
CONFIG: Spec = {
    "background": PAPER,
    "padding": 18,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "title": _TITLE | {"subtitleColor": SOFT, "subtitleFontSize": 12, "subtitlePadding": 6},
    "axis": _AXIS | {"labelColor": SOFT, "titleColor": SOFT, "domainColor": SOFT, "tickColor": SOFT},
    "axisY": {"minExtent": 50, "domain": False, "ticks": False},
    "text": {"color": INK, "fontSize": 11.5},
}
