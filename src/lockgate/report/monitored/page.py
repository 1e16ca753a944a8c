"""The report as one HTML file: no script, no network, light and dark. All text in it is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape

from lockgate.metrics.figures import between, decimals, number
from lockgate.records import Ruling
from lockgate.report.checked.figures import ARROWS
from lockgate.report.checked.markup import PAGE_STYLE, STYLE
from lockgate.report.monitored import curve, plots
from lockgate.report.monitored.told import Course, DriftRow, Raised, Told
from lockgate.report.words import when

MOST_COLUMNS, MOST_PAIRS, MOST_RAISED, MOST_NOTES, MOST_COURSES, MOST_SLICES = 15, 5, 40, 5, 6, 12
WIDE = 60  # characters of a cell, from which it may wrap
_WIDE = ' class="says"'
_TONES = {Ruling.FAIL: "bad", Ruling.PASS: "good"}
_MORE = """
.lg-report svg .thin { opacity: .35; } .lg-report svg .faint { opacity: .35; } .lg-report svg .band { opacity: .16; }
.lg-report svg .band, .lg-report svg .flat { stroke: none; } .lg-report svg polyline { stroke-width: 1.8; }
.lg-report svg .dots { stroke-dasharray: 2 4; opacity: .6; }
.lg-report svg.spark { width: 6.5rem; height: 1.4rem; } .lg-report svg.spark polyline { stroke-width: 1.5; }
.lg-report .key::before { content: "●"; margin-right: .35em; } .lg-report .key { margin-right: 1.2em; }
.lg-report .pictures > div { min-width: 0; }
.lg-report td.says { white-space: normal; min-width: 14rem; } .lg-report code { font-size: .9em; }
"""


def page(told: Told) -> str:
    """The whole document."""
    parts: tuple[Callable[[Told], str], ...] = (
        _head,
        _raised,
        _performance,
        _calibration,
        _drift,
        _traffic,
        _about,
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f'<title>{_safe(told.name)}: monitoring · Lockgate</title><link rel="icon" href="data:,"/>'
        f"<style>{PAGE_STYLE}{STYLE}{_MORE}</style></head>"
        f'<body><main class="lg-report">{"".join(part(told) for part in parts)}</main></body></html>'
    )


def _head(told: Told) -> str:
    tone = _TONES.get(told.ruling, "soft")
    following = f"<p>next: <code>{_safe(told.following)}</code></p>" if told.following else ""
    return (
        f'<p class="soft">{_safe(told.about)} · {when(told.since_s)} to {when(told.until_s)}</p>'
        f'<h2><span class="tag {tone}">{told.ruling.upper()}</span>{_safe(told.sentence)}</h2>{following}'
    )


def _raised(told: Told) -> str:
    """Alarms, the gravest and newest first, against what was promised."""
    budget = ""
    if told.false_alarms_per_year is not None:
        allowed = told.false_alarms_per_year * told.years
        pages = f"{told.pages} page{'' if told.pages == 1 else 's'} in these {told.years * 365:,.0f} days."
        promised = f"at most {told.false_alarms_per_year:g} false alarms a year, {allowed:.1f} in this time"
        budget = f"<p>{pages} Promised, on average and while nothing is wrong: {promised}.</p>"
    order = sorted(told.raised, key=lambda one: (("page", "ticket", "", "note").index(one.severity), -one.at_s))
    notes = [one for one in order if one.severity == "note"]
    kept = [*(one for one in order if one.severity != "note"), *notes[:MOST_NOTES]][:MOST_RAISED]
    rows = [_row(_of_raised(one)) for one in kept]
    if not rows:
        return f"<h3>Alarms</h3>{budget}<p>Nothing was raised in this time.</p>"
    left = len(order) - len(rows)
    more = f'<p class="soft">And {left:,} more.</p>' if left else ""
    return f"<h3>Alarms</h3>{budget}{_grid(('', 'when', 'what', 'next'), rows)}{more}"


def _of_raised(one: Raised) -> list[str]:
    what = "over" if one.is_over else one.severity or "found"
    tone = "bad" if one.severity == "page" and not one.is_over else "soft"
    following = f"<code>{_safe(one.following)}</code>" if one.following and not one.is_over else ""
    return [f'<span class="tag {tone}">{what.upper()}</span>', when(one.at_s), f"{_safe(one.sentence)}", following]


def _performance(told: Told) -> str:
    """The metric judged by beside the skill, then the others."""
    first, *others = told.courses or (Course(told.metric, ""),)
    span = told.span
    shown = [course for course in (first, told.skill, *others[:MOST_COURSES]) if course.is_any]
    if not shown:
        return "<h3>Performance</h3><p>No outcome has matured yet, and nothing is estimated.</p>"
    drawn = "".join(
        f"<div><h3>{_safe(_titled(course))}</h3>{plots.course(course, span, told.takeovers)}"
        f'<p class="soft">{_safe(course.says)}</p></div>'
        for course in shown
    )
    return f'<h3>Performance</h3><p>{_keys(shown)}</p><div class="pictures">{drawn}</div>'


def _titled(course: Course) -> str:
    arrow = ARROWS.get(course.better, "")
    return f"{course.name} {arrow}".rstrip()


def _keys(courses: Sequence[Course]) -> str:
    said = '<span class="key good">realised, on outcomes that matured, with its interval at 95 %</span>'
    if any(course.estimated for course in courses):
        said += '<span class="key bad">estimated, if P(Y|X) is unchanged, with its own past error</span>'
    return said + '<span class="soft">↓ lower is better, ↑ higher</span>'


def _calibration(told: Told) -> str:
    drawn = curve.calibration(told.bins)
    left = f"<h3>Calibration</h3>{drawn}<p>{_safe(told.calibration_says)}</p>" if drawn else ""
    right = ""
    if told.slices:
        worst = sorted(told.slices, key=lambda one: -one.loss)[:MOST_SLICES]
        places = decimals((one.loss, one.low, one.high) for one in worst)
        rows = [
            _row(
                [
                    _safe(f"{one.column} = {one.level}"),
                    f"{one.rows:,}",
                    f"{number(one.loss, places)} {between(one.low, one.high, places)}",
                ]
            )
            for one in worst
        ]
        right = f"<h3>Slices, the worst first</h3>{_grid(('', 'rows', told.metric), rows)}"
    held = "".join(f"<div>{part}</div>" for part in (left, right) if part)
    return f'<div class="pictures">{held}</div>' if held else ""


def _drift(told: Told) -> str:
    """Ranked by what it may do to the model: distance times importance."""
    if not told.drift:
        return f"<h3>Drift</h3><p>{_safe(told.drift_says)}</p>"
    columns = [one for one in told.drift if not one.is_pair]
    pairs = [one for one in told.drift if one.is_pair and one.is_listed]
    is_weighed = any(one.importance for one in told.drift)  # a table says nothing of the model's use of its columns
    title = "Drift, ranked by what it may do to the model" if is_weighed else "Drift"
    found = _ranked(columns, MOST_COLUMNS, "column", is_weighed=is_weighed)
    found += _ranked(pairs, MOST_PAIRS, "two columns together", is_weighed=is_weighed) if pairs else ""
    return f"<h3>{title}</h3><p>{_safe(told.drift_says)}</p>{found}"


def _ranked(found: Sequence[DriftRow], most: int, what: str, *, is_weighed: bool) -> str:
    shown = found[:most]
    top = max((one.distance for one in shown), default=0.0)
    reach = max((value for one in shown for value in one.history), default=0.0)
    rows = [_row(_of_drift(one, top, reach, is_weighed=is_weighed)) for one in shown]
    left = len(found) - len(shown)
    more = f'<p class="soft">And {left:,} more that matter less.</p>' if left else ""
    weighed = ("importance",) if is_weighed else ()
    return _grid((what, "distance", "", "by sd", *weighed, "over time"), rows) + more


def _of_drift(one: DriftRow, top: float, reach: float, *, is_weighed: bool) -> list[str]:
    return [
        f"{_safe(one.name)}{' <b>moved</b>' if one.is_listed else ''}<small>{_safe(one.says)}</small>",
        plots.share(one.distance, top, "orange" if one.is_listed else "soft"),
        f"{one.distance:.1%}",
        "-" if one.shift is None else f"{one.shift:.2f}",
        *([f"{one.importance:.1%}"] if is_weighed else []),
        plots.spark(one.history, reach),
    ]


def _traffic(told: Told) -> str:
    span = told.span
    left = plots.traffic(told.traffic, span)
    right = plots.course(told.predictions, span, told.takeovers)
    drawn = f"<div><h3>Calls, and those with an outcome</h3>{left}</div>" if left else ""
    if right:
        drawn += f"<div><h3>{_safe(told.predictions.name)}</h3>{right}</div>"
    ages = ""
    if told.ages:
        rows = [
            _row([_safe(age.said), f"{age.rows:,}", f"{age.labelled / age.rows:.1%}" if age.rows else "-"])
            for age in told.ages
        ]
        ages = f"<h3>How outcomes come in</h3>{_grid(('age of the prediction', 'rows', 'with an outcome'), rows)}"
    return f'<h3>Traffic</h3><div class="pictures">{drawn}</div>{ages}' if drawn or ages else ""


def _about(told: Told) -> str:
    facts = "".join(f"<dt>{_safe(name)}</dt><dd>{_safe(said)}</dd>" for name, said in told.facts if said)
    notes = "".join(f"<li>{_safe(note)}</li>" for note in told.notes)
    return f"<h3>About</h3><dl>{facts}</dl>" + (f"<ul>{notes}</ul>" if notes else "")


def _grid(heads: Sequence[str], rows: Iterable[str]) -> str:
    head = "".join(f"<th>{_safe(name)}</th>" for name in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _row(cells: Sequence[str]) -> str:
    """Cells are HTML already; long sentences may wrap."""
    held = "".join(f"<td{_WIDE if len(cell) > WIDE and '<svg' not in cell else ''}>{cell}</td>" for cell in cells)
    return f"<tr>{held}</tr>"


def _safe(said: str) -> str:
    """Escaped, and without what a page would obey, not show."""
    return escape("".join(c if c.isprintable() else repr(c)[1:-1] for c in said))
