"""A report as HTML: a piece for a notebook, and a page that stands alone. No script, no network, light and dark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape

from lockgate.records import Finding, Report
from lockgate.report.checked import picture, told
from lockgate.report.checked.figures import ARROWS, between, decimals, named, number, safe, score_places
from lockgate.report.drawing import BLUE, DARK, INK, ORANGE, PAPER, SOFT

_NOTES, _SLICES = 10, 6

_TONES = {"paper": PAPER, "ink": INK, "soft": SOFT, "blue": BLUE, "orange": ORANGE}
_LIGHT_VARS = " ".join(f"--{name}: {tone};" for name, tone in _TONES.items())
_DARK_VARS = " ".join(f"--{name}: {DARK[tone]};" for name, tone in _TONES.items())
STYLE = f"""
.lg-report {{ {_LIGHT_VARS} --line: #d8d8d4; color-scheme: light; }}
@media (prefers-color-scheme: dark) {{ .lg-report {{ {_DARK_VARS} --line: #3a3a38; color-scheme: dark; }} }}
.lg-report {{ background: var(--paper); color: var(--ink); font: 14px/1.5 system-ui, sans-serif; padding: 1rem;
  max-width: 60rem; box-sizing: border-box; overflow-wrap: anywhere; }}
.lg-report h2 {{ font-size: 1.15rem; line-height: 1.4; font-weight: 600; margin: 0 0 .4rem; }}
.lg-report h3 {{ font-size: .95rem; font-weight: 600; margin: 1.6rem 0 .4rem; }}
.lg-report p {{ margin: .3rem 0; }} .lg-report .soft {{ color: var(--soft); }}
.lg-report .tag {{ display: inline-block; font-size: .75rem; font-weight: 700; letter-spacing: .04em; padding: 0 .5em;
  border: 1.5px solid currentColor; border-radius: 3px; margin-right: .5em; vertical-align: .1em; }}
.lg-report .good {{ color: var(--blue); }} .lg-report .bad {{ color: var(--orange); }}
.lg-report ul {{ list-style: none; margin: .8rem 0 0; padding: 0; }}
.lg-report li {{ border-left: 3px solid var(--line); padding: .1rem 0 .1rem .8rem; margin: .5rem 0; }}
.lg-report li.bad {{ border-color: var(--orange); color: inherit; }} .lg-report li.bad .tag {{ color: var(--orange); }}
.lg-report .scroll {{ overflow-x: auto; }}
.lg-report table {{ border-collapse: collapse; color: inherit; font-size: .93em; margin: 0; }}
.lg-report th {{ text-align: left; font-weight: 500; color: var(--soft); white-space: nowrap; }}
.lg-report th, .lg-report td {{ padding: .3rem 1.4rem .3rem 0; border: 0; border-bottom: 1px solid var(--line);
  vertical-align: top; background: none; }}
.lg-report td {{ font-variant-numeric: tabular-nums; text-align: left; white-space: nowrap; }}
.lg-report td.wide {{ white-space: normal; min-width: 9rem; }} .lg-report tr.own td {{ font-weight: 600; }}
.lg-report td small {{ display: block; font-weight: 400; color: var(--soft); }}
.lg-report .pictures {{ display: flex; flex-wrap: wrap; gap: 0 2.5rem; }}
.lg-report .pictures > div {{ flex: 1 1 20rem; max-width: 26rem; }}
.lg-report svg {{ display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif; }}
.lg-report svg line, .lg-report svg polyline {{ fill: none; }} .lg-report svg .thick {{ stroke-width: 4; }}
.lg-report svg .dash {{ stroke-dasharray: 4 3; }} .lg-report svg text[class] {{ stroke: none; }}
.lg-report dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.2rem; margin: 0; }}
.lg-report dt {{ color: var(--soft); font-weight: 400; }} .lg-report dd {{ margin: 0; }}
.lg-report ol {{ margin: 0; padding-left: 1.3rem; }} .lg-report ol li {{ border: 0; padding: 0; margin: .25rem 0; }}
@media (max-width: 30rem) {{
  .lg-report th, .lg-report td {{ padding-right: .7rem; }} .lg-report td.wide {{ min-width: 4rem; }}
  .lg-report dl {{ grid-template-columns: 1fr; gap: 0; }} .lg-report dd {{ margin-bottom: .5rem; }} }}
""" + "".join(
    f".lg-report svg .{tone} {{ stroke: var(--{tone}); }} .lg-report svg .{tone}.fill {{ fill: var(--{tone}); }}\n"
    for tone in ("ink", "soft", "blue", "orange")
)
PAGE_STYLE = (
    f"body {{ margin: 0; background: {PAPER}; }} .lg-report {{ margin: 0 auto; padding: 2rem 1.2rem 3rem; }}"
    f"@media (prefers-color-scheme: dark) {{ body {{ background: {DARK[PAPER]}; }} }}"
)


def page(report: Report) -> str:
    """The report as a document of its own."""
    shown = safe(report)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f'<title>{escape(shown.name)} · Lockgate</title><link rel="icon" href="data:,"/><style>{PAGE_STYLE}</style></head>'
        f"<body>{html(report)}</body></html>"
    )


def html(report: Report) -> str:
    """The report as a piece of a page. All text in it is escaped: a column may be called anything."""
    shown = safe(report)
    parts: tuple[Callable[[Report], str], ...] = (
        _verdict,
        _findings,
        _next,
        _table,
        _pictures,
        _slices,
        _speed,
        _facts,
    )
    return f'<div class="lg-report"><style>{STYLE}</style>{"".join(part(shown) for part in parts)}</div>'


def _verdict(report: Report) -> str:
    tone = {"pass": "good", "fail": "bad"}.get(report.ruling, "soft")
    beware = told.beware(report)
    said = f'<h2><span class="tag {tone}">{report.ruling.upper()}</span>{escape(report.sentence)}</h2>'
    return said + (f'<p class="bad"><strong>{escape(beware)}</strong></p>' if beware else "")


def _findings(report: Report) -> str:
    kept, left = told.shown(report.findings, _NOTES)
    rows = "".join(_finding(item) for item in kept)
    return (f"<ul>{rows}</ul>" if rows else "") + (f'<p class="soft">{escape(left)}</p>' if left else "")


def _finding(item: Finding) -> str:
    kind = "" if item.grade == "note" else ' class="bad"'
    cure = f'<br/><span class="soft">{escape(item.cure)}</span>' if item.cure else ""
    return f'<li{kind}><span class="tag">{item.grade.upper()}</span>{escape(item.sentence)}{cure}</li>'


def _next(report: Report) -> str:
    kept, _ = told.shown(report.findings, _NOTES)
    steps = "".join(f"<li>{escape(step)}</li>" for step in told.next_steps(report, kept))
    return f"<h3>Next</h3><ol>{steps}</ol>" if steps else ""


def _table(report: Report) -> str:
    known, metrics = told.contestants(report), told.compared(report)
    heads = ["", *(f"{named(score.metric)} {ARROWS[score.direction]}" for score in metrics)]
    places = [score_places([c.scores[m.metric] for c in known if m.metric in c.scores]) for m in metrics]
    rows = [
        _row(
            [_who(one), *(_figure(one, m.metric, held) for m, held in zip(metrics, places, strict=True))],
            "own" if one.mark == "own" else "",
        )
        for one in known
    ]
    others = told.others(report)
    also = f'<p class="soft">Also of the model: {escape(others)}.</p>' if others else ""
    legend = '<p class="soft">★ the best baseline; ↓ lower is better, ↑ higher. In brackets: 95 % intervals.</p>'
    return f"<h3>Model and baselines</h3>{_grid(heads, rows)}{legend}{also}"


def _who(one: told.Contestant) -> str:
    what = f"<small>{escape(one.what)}</small>" if one.what else ""
    return f"{escape(one.name)}{' ★' if one.mark == 'best' else ''}{what}"


def _figure(one: told.Contestant, metric: str, places: int) -> str:
    score = one.scores.get(metric)
    if score is None:
        return "-"
    return f"{number(score.value, places)}<small>{between(score.low, score.high, places)}</small>"


def _pictures(report: Report) -> str:
    """Side by side where there is room, else one under the other."""
    drawn = picture.intervals(report)
    metric = named(report.proposal.metric)
    title = escape(f"{metric[:1].upper()}{metric[1:]}: model minus baseline")
    differences = told.apart(report)
    star = told.alone((item.said for item in differences), len(differences), "baselines")
    drawn += f'<p class="soft">{escape(star)}</p>' if star else ""
    left = (f"<h3>{title}</h3>{drawn}" if drawn else "") + _curve(report)
    said = told.calibration(report)
    right = f"<h3>Calibration</h3>{picture.calibration(report)}<p>{escape(said)}</p>" if said else ""
    held = "".join(f"<div>{part}</div>" for part in (left, right) if part)
    return f'<div class="pictures">{held}</div>' if held else ""


def _slices(report: Report) -> str:
    found = ""
    metric = escape(named(report.slice_metric))
    worst = told.worst(report)[:_SLICES]
    if worst:
        places = decimals((item.estimate, item.low, item.high) for item in worst)
        rows = [
            _row(
                [
                    escape(f"{item.column} = {item.level}"),
                    f"{item.rows:,}",
                    told.difference_words(item, places),
                    told.state(item),
                ]
            )
            for item in worst
        ]
        heads = ["", "rows", f"{named(report.slice_metric)}, difference", ""]
        found += f"<h3>Slices: the model minus {escape(report.best)}, worst first</h3>{_grid(heads, rows)}"
        star = told.alone(map(told.state, worst), len(report.slices), "slices")
        found += f'<p class="soft">{escape(f"{told.slices(report)} {star}".rstrip())}</p>'
    if report.weakest:
        places = decimals((item.loss, item.low, item.high) for item in report.weakest)
        rows = [
            _row(
                [
                    escape(f"{item.column} = {item.level}"),
                    f"{item.rows:,}",
                    f"{number(item.loss, places)} {between(item.low, item.high, places)}",
                ]
            )
            for item in report.weakest[:_SLICES]
        ]
        heads = ["", "rows", named(report.slice_metric)]
        found += f"<h3>Where its own {metric} is highest</h3>{_grid(heads, rows)}"
    return found


def _curve(report: Report) -> str:
    said = told.curve(report)
    if not said:
        return ""
    places = decimals((point.loss, None, None) for point in report.curve)
    rows = [_row([f"{point.rows:,}", number(point.loss, places)]) for point in report.curve]
    return f"<h3>Learning curve</h3>{_grid(['rows trained on', 'loss on held-out rows'], rows)}<p>{escape(said)}</p>"


def _speed(report: Report) -> str:
    made = report.benchmark
    if made is None:
        return ""
    found = told.speed(made)
    heads = ["", "one row, median", "p99", *(f"rows/s by {size}" for size in found.sizes)]
    rows = [_row([name, median, p99, *rates]) for name, median, p99, rates in found.rows]
    grid = _grid(heads, rows) if rows else ""
    return f'<h3>Speed</h3>{grid}<p class="soft">{escape(told.pace_note(made))}</p>'


def _facts(report: Report) -> str:
    facts = (
        ("Compiled", told.compiled(report)),
        ("Contract", told.contract(report)),
        ("Rows", told.rows(report)),
        ("Model", told.model(report)),
        ("Metric", f"{told.metric(report)} {told.alternatives(report)}".rstrip()),
    )
    held = "".join(f"<dt>{label}</dt><dd>{escape(said)}</dd>" for label, said in facts if said)
    return f"<h3>About</h3><dl>{held}</dl>"


def _grid(heads: Sequence[str], rows: Iterable[str]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _row(cells: Sequence[str], kind: str = "") -> str:
    """Cells are HTML already."""
    first, *rest = cells
    held = f'<td class="wide">{first}</td>' + "".join(f"<td>{cell}</td>" for cell in rest)
    return f'<tr class="{kind}">{held}</tr>' if kind else f"<tr>{held}</tr>"
