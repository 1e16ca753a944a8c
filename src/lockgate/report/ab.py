"""An A/B as people read it: in the terminal, and as a page with its intervals over time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

from lockgate.decide.ab_judgement import void_sentence
from lockgate.decide.ab_result import FEWEST_IN_SLICE, AbResult, Compared, SliceOfUnits
from lockgate.records import AbState, Rollout
from lockgate.records.ab import AbSpec
from lockgate.report.ab_picture import picture
from lockgate.report.page import STYLE
from lockgate.report.words import e_value, figure, when
from lockgate.stats.mismatch import VOID_AT

OWN = """
table { margin-bottom: 1.8rem; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .2rem; } svg { max-width: 100%; height: auto; }
.good { color: var(--a); font-weight: 600; } .lead { max-width: 54rem; margin: 0 0 1.2rem; }
.note { color: var(--soft); font-size: .85rem; max-width: 54rem; margin: .2rem 0 1rem; }
"""


def lines(found: AbResult, names: Mapping[str, str]) -> list[str]:
    """For the terminal. names: versions' short names by id."""
    told = [f"A/B {found.rollout} of {found.model}, by {found.metric} ({found.direction} is good): {found.state}."]
    told += [f"  {_line(item, names)}" for item in found.compared]
    told += [
        f"  {part.column} = {part.level}: {names.get(part.version, '?')} {part.told}, {_gap(part)} over "
        f"{part.units[1]:,} and {part.units[0]:,} units"
        for part in found.slices
        if part.told != "not told"
    ]
    return [*told, f"  {ratio_line(found, names)}", f"  {rate_line(found)}"]


def ratio_line(found: AbResult, names: Mapping[str, str]) -> str:
    """Whether the units came as their lots say."""
    if found.ratio.is_void:
        return void_sentence(found.ratio)
    came = ", ".join(
        f"{names.get(version, version[:6])} {n:,} of {foretold:,.0f} foretold"
        for version, n, foretold in zip(found.ratio.versions, found.ratio.units, found.ratio.foretold, strict=True)
    )
    return (
        f"Units came as their lots say: {came}; evidence of a routing bug {e_value(found.ratio.log_e)} of {VOID_AT:g}."
    )


def rate_line(found: AbResult) -> str:
    """What the intervals promise."""
    return (
        f"All intervals by {found.metric} hold at every look at once, but for a chance of {found.alpha:.2g} (calibrated)"
        f"{'; the difference is adjusted for the covariate' if found.is_adjusted else ''}."
    )


def page(rollout: Rollout, state: AbState, found: AbResult, names: Mapping[str, str]) -> str:
    """The whole document; its body asks for itself again every five seconds."""
    at = f"/ab/{escape(rollout.id)}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A/B {escape(rollout.id)} · Lockgate</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><style>{STYLE}{OWN}</style><script src="/static/htmx.min.js" defer></script></head>'
        f'<body><div id="ab" hx-get="{at}/now" hx-trigger="every 5s" hx-swap="innerHTML">'
        f"{body(rollout, state, found, names)}</div></body></html>"
    )


def body(rollout: Rollout, state: AbState, found: AbResult, names: Mapping[str, str]) -> str:
    spec = rollout.ab or AbSpec()
    until = "no unit has matured yet" if found.until_s is None else f"units that had matured by {when(found.until_s)}"
    head = (
        f"<h1>{escape(found.model)}: {escape(found.metric)}, {found.direction} is good</h1>"
        f'<p class="sub">A/B {escape(rollout.id)}, {escape(found.state)}; {until}; a unit counts what it did in '
        f"{escape(spec.horizon)} after its first call.</p>"
    )
    lead = f'<p class="lead">{_lead(found, names)}</p>'
    drawn = picture(state.looks, names, metric=found.metric)
    parts = [head, lead, drawn, _compared(rollout, found, names), _slices(found, names)]
    look = "bad" if found.ratio.is_void else "note"
    ratio = f'<h2>Sample ratio</h2><p class="{look}">{escape(ratio_line(found, names))}</p>'
    return "".join([*parts, ratio, f'<p class="note">{escape(rate_line(found))} {_late(found)}</p>'])


def _lead(found: AbResult, names: Mapping[str, str]) -> str:
    """One sentence: where it stands."""
    if found.ratio.is_void:
        return f'<span class="bad">⚠ {escape(void_sentence(found.ratio))}</span>'
    primary = [item for item in found.compared if item.is_primary]
    known = [item for item in primary if item.estimate is not None]
    if not known:
        return "Nothing can be said yet: the first units have not matured."
    best = max(known, key=lambda item: (item.estimate or 0.0) * (1 if item.direction == "up" else -1))
    return f"So far: {escape(_line(best, names))}"


def _compared(rollout: Rollout, found: AbResult, names: Mapping[str, str]) -> str:
    head = (
        '<th>Arm</th><th class="num">Share</th><th>Metric</th><th class="num">Units</th><th class="num">Mean a unit</th>'
        '<th class="num">Against the champion</th><th class="num">Interval</th><th>So far</th><th class="num">To be told</th>'
    )
    rows = [_champion_row(rollout, found, names)]
    shares = {arm.version: f"{arm.share:.3g}" for arm in rollout.arms}
    for item in found.compared:
        ended = " (ended)" if item.version in rollout.ended else ""
        rows.append(
            f'<tr><td><span class="name">{escape(names.get(item.version, item.version[:6]))}</span>{ended}</td>'
            f'<td class="num">{shares.get(item.version, "-")}</td>'
            f"<td>{escape(item.metric)}{'' if item.is_primary else ' <span class=small>guardrail</span>'}</td>"
            f'<td class="num">{item.units[1]:,}</td><td class="num">{_mean(item.means[1])}</td>'
            f'<td class="num">{_estimate(item)}</td><td class="num">{_interval(item)}</td>'
            f"<td>{_word(item.told)}</td>"
            f'<td class="num">{_forecast(item)}</td></tr>'
        )
    return f"<h2>Arms</h2>{_table(head, ''.join(rows))}"


def _champion_row(rollout: Rollout, found: AbResult, names: Mapping[str, str]) -> str:
    share = 1.0 - sum(arm.share for arm in rollout.live)
    first = found.compared[0] if found.compared else None
    units = "-" if first is None else f"{first.units[0]:,}"
    mean = "-" if first is None else _mean(first.means[0])
    return (
        f'<tr><td><span class="name">{escape(names.get(found.champion, found.champion[:6]))}</span> '
        f'<span class="small">champion</span></td><td class="num">{share:.3g}</td><td>{escape(found.metric)}</td>'
        f'<td class="num">{units}</td><td class="num">{mean}</td><td></td><td></td><td></td><td></td></tr>'
    )


def _slices(found: AbResult, names: Mapping[str, str]) -> str:
    if not found.slices:
        return ""
    head = (
        '<th>Slice</th><th>Arm</th><th class="num">Units</th><th class="num">Mean a unit</th>'
        '<th class="num">Against the champion</th><th class="num">Interval by itself</th><th>So far</th>'
    )
    rows = "".join(
        f"<tr><td>{escape(part.column)} = {escape(part.level)}</td>"
        f"<td>{escape(names.get(part.version, part.version[:6]))}</td>"
        f'<td class="num">{part.units[1]:,}</td><td class="num">{_mean(part.means[1])} <span class="small">against '
        f'{_mean(part.means[0])}</span></td><td class="num">{_estimate(part)}</td><td class="num">{_interval(part)}</td>'
        f"<td>{_word(part.told)}</td></tr>"
        for part in found.slices
    )
    note = (
        f'<p class="note">Told after all slices were looked at together (e-BH): of those called better or worse, a share of '
        f"{found.alpha:.2g} is expected to be called so wrongly. A slice with fewer than {FEWEST_IN_SLICE} units of an arm "
        "is not told. Slices move no traffic.</p>"
    )
    return f"<h2>Slices</h2>{note}{_table(head, rows)}"


def _table(head: str, rows: str) -> str:
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _line(item: Compared, names: Mapping[str, str]) -> str:
    kind = item.metric if item.is_primary else f"{item.metric} (guardrail)"
    return (
        f"{names.get(item.version, item.version[:6])} by {kind}: {_mean(item.means[1])} a unit against "
        f"{_mean(item.means[0])}, {_gap(item)}, over {item.units[1]:,} and {item.units[0]:,} units; {item.told}"
    )


def _gap(item: Compared | SliceOfUnits) -> str:
    if item.estimate is None:
        return "no difference known yet"
    return f"{item.estimate:+.3g} [{_end(item.low)}, {_end(item.high)}]"


def _estimate(item: Compared | SliceOfUnits) -> str:
    if item.estimate is None:
        return "-"
    relative = item.estimate / abs(item.means[0]) if item.means[0] else math.nan
    return f"{item.estimate:+.3g}" + (f' <span class="small">{relative:+.1%}</span>' if math.isfinite(relative) else "")


def _interval(item: Compared | SliceOfUnits) -> str:
    return "-" if item.estimate is None else f"{_end(item.low)} to {_end(item.high)}"


def _end(value: float | None) -> str:
    return "?" if value is None else f"{value:+.3g}"


def _mean(value: float) -> str:
    return figure(value)


def _word(told: str) -> str:
    look = {"better": "good", "worse": "bad"}.get(told, "small")
    return f'<span class="{look}">{told}</span>'


def _forecast(item: Compared) -> str:
    """How many units of both arms it takes, if it stays like this."""
    if item.told != "not told":
        return "told"
    if item.times is None:
        return "-"
    return f"{figure(item.times * sum(item.units))} units"


def _late(found: AbResult) -> str:
    return f"{found.late:,} units came too late to count." if found.late else ""
