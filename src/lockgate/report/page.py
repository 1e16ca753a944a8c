"""The page **Now** as HTML: one table, refreshed in place; words and colour say the same thing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lockgate.records.service import Service
from lockgate.report.now import Row, Traffic
from lockgate.report.service import figures, troubled
from lockgate.report.words import age, when

STYLE = """
:root { color-scheme: light dark; --line: #d8d8d4; --soft: #6b6b66; --a: #2f6f4f; --b: #c9822b; --bad: #b3362c; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a3a38; --soft: #a3a39c; --a: #6dbb92; --b: #e0a458; --bad: #ef7d72; }
}
body { font: 15px/1.5 system-ui, sans-serif; margin: 2.5rem auto; max-width: 76rem; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin: 0; } .sub { color: var(--soft); margin: .2rem 0 1.6rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 500; color: var(--soft); font-size: .85rem; padding: .3rem .9rem .3rem 0; }
th { white-space: nowrap; }
td { border-top: 1px solid var(--line); padding: .8rem .9rem .8rem 0; vertical-align: top; }
td.num, th.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.name { font-weight: 600; } .small { color: var(--soft); font-size: .85rem; } .bad { color: var(--bad); }
.bar { display: flex; height: .55rem; width: 13rem; border-radius: 3px; overflow: hidden; margin: .35rem 0; }
.bar { background: var(--line); }
.bar i { background: var(--a); } .bar i.b { background: var(--b); }
.arm::before { content: "■ "; color: var(--a); } .arm.b::before { color: var(--b); } .arm.ghost::before { content: "□ "; }
.service { display: flex; flex-wrap: wrap; gap: .4rem 2.2rem; margin: 0; padding: .8rem 0; }
.service { border-top: 1px solid var(--line); }
.service dt { color: var(--soft); font-size: .85rem; } .service dd { margin: 0; font-variant-numeric: tabular-nums; }
code { font-size: .85rem; } .verdict { max-width: 24rem; } .alarm { margin-top: .5rem; }
@media (max-width: 46rem) {
  body { margin: 1.2rem auto; padding: 0 1rem; } .now thead { display: none; } .verdict { max-width: none; }
  .now, .now tbody, .now tr, .now td { display: block; } .now td { border: 0; padding: .25rem 0; }
  .now tr { border-top: 1px solid var(--line); padding: .6rem 0; }
  .now td.num { display: inline-block; text-align: left; margin-right: 1.6rem; }
  .now td.num::before { content: attr(data-name) " "; color: var(--soft); font-size: .85rem; }
}
"""


def page(rows: Sequence[Row]) -> str:
    """The whole document; its table asks for itself again every two seconds."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Now · Lockgate</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><style>{STYLE}</style><script src="/static/htmx.min.js" defer></script></head>'
        '<body><h1>Now</h1><p class="sub">Every change of traffic is a verdict.</p>'
        f'<div class="scroll" id="now" hx-get="/now" hx-trigger="every 2s" hx-swap="innerHTML">{table(rows)}</div>'
        "</body></html>"
    )


def table(rows: Sequence[Row]) -> str:
    if not rows:
        return "<p>No model serves yet. Train a version, gate it and roll it out: <code>lockgate train MODEL</code></p>"
    head = (
        "<th>Model</th><th>Traffic by version</th><th>State</th><th>Last verdict</th>"
        '<th class="num">Fallback</th><th class="num">p99</th><th class="num">Outcome lag</th>'
    )
    channels = "".join(f'<p class="alarm bad">⚠ {escape(said)}</p>' for said in rows[0].channels)
    table = (
        f'<table class="now"><thead><tr>{head}</tr></thead><tbody>{"".join(_row(row) for row in rows)}</tbody></table>'
    )
    return table + _service(rows[0].service) + channels


def _service(found: Service | None) -> str:
    """The service's figures, each with its name, and what is not well in words."""
    if found is None:
        return ""
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(said)}</dd></div>" for name, said in figures(found))
    troubles = "".join(f'<p class="alarm bad">⚠ {escape(said)}</p>' for said in troubled(found))
    return f'<dl class="service">{cells}</dl>{troubles}'


def _row(row: Row) -> str:
    calls = f"{row.calls:,} calls in the day to {when(row.until_s)}" if row.until_s else "no call yet"
    fresh = [alarm for alarm in row.alarms if alarm != row.verdict]
    alarms = "".join(f'<div class="alarm bad">⚠ {escape(alarm)}</div>' for alarm in fresh)
    fallback = "-" if row.fallback_rate is None else f"{row.fallback_rate:.2%}"
    p99 = "-" if row.p99_ms is None else escape(_milliseconds(row.p99_ms))
    cells = (
        f'<td><span class="name">{escape(row.model)}</span><div class="small">{escape(calls)}</div></td>'
        f"<td>{_traffic(row.traffic)}</td>"
        f'<td>{escape(row.state)}<div class="small"><code>{escape(row.next)}</code></div></td>'
        f'<td class="verdict">{_verdict(row)}{alarms}</td>'
        f'<td class="num{" bad" if (row.fallback_rate or 0) > 0.01 else ""}" data-name="Fallback">{fallback}</td>'
        f'<td class="num" data-name="p99">{p99}</td>'
        f'<td class="num" data-name="Outcome lag">{age(row.outcome_lag_s)}</td>'
    )
    return f"<tr>{cells}</tr>"


def _milliseconds(value: float) -> str:
    return f"{value:.1f} ms" if value >= 0.1 else "<0.1 ms"


def _verdict(row: Row) -> str:
    if row.verdict is None:
        return '<span class="small">none yet</span>'
    is_alarm = row.verdict in row.alarms
    sentence = f'<div class="bad">⚠ {escape(row.verdict)}</div>' if is_alarm else escape(row.verdict)
    return f'{sentence}<div class="small">{age(row.verdict_age_s)} ago · {escape(row.verdict_id or "")}</div>'


def _traffic(arms: Sequence[Traffic]) -> str:
    bars = "".join(f'<i class="{"b" if n else "a"}" style="width:{arm.share:.2%}"></i>' for n, arm in enumerate(arms))
    lines = "".join(_arm(n, arm) for n, arm in enumerate(arms))
    return f'<div class="bar" role="img" aria-label="traffic by version">{bars}</div>{lines}'


def _arm(number: int, arm: Traffic) -> str:
    share = f"{arm.share:.0%}" if arm.share or arm.role == "champion" else arm.role
    look = " b" * (number > 0) + " ghost" * (arm.share == 0)
    return f'<div class="arm{look}">{escape(arm.version)} <span class="small">{share}, {escape(arm.role)}</span></div>'
