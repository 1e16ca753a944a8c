"""The model card of a version: what it is for, how it was made, what was measured, and what nobody has looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lockgate.records import Contract, Report, Score, Verdict, Version
from lockgate.report.checked import told
from lockgate.report.checked.figures import ARROWS, between, decimals, named, number, safe, score_places
from lockgate.report.words import when

_SLICES = 10
_NOBODY = "Fairness between groups, and rows outside the ranges of its training table."


def card(version: Version, contract: Contract, verdicts: Sequence[Verdict], report: Report | None = None) -> str:
    """Markdown. verdicts: of the offline gate; report: what was found out about the version, where it was checked."""
    gates = "\n".join(
        f"- **{v.ruling}** of {_told(v.gate.name)} ({v.gate.method}): {_told(v.sentence)}" for v in verdicts
    )
    judged = _part("Judged", gates or "Not yet: no gate has been asked.")
    if report is None:
        compiled = version.parity.reason if version.parity else "It has no compiled path, and needs none."
        parts = [
            _made(version, contract),
            _metrics(version),
            judged,
            compiled,
            _part("Not looked at", f"Slices. {_NOBODY}"),
        ]
    else:
        shown = safe(report)
        parts = [
            _made(version, contract),
            _task(shown),
            _against(shown),
            judged,
            _findings(shown),
            _slices(shown),
            _calibration(shown),
            _curve(shown),
            _speed(shown),
            _part("Not looked at", _unseen(shown)),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _made(version: Version, contract: Contract) -> str:
    made = version.lineage
    until = when(made.trained_until_s) if made.trained_until_s is not None else "now"
    return f"""# {_told(version.short)}

A {version.role} of **{_told(version.model)}**: predicts `{_code(contract.target)}` from {len(contract.asked)} columns.

## Made

{when(version.made_s)}, from {made.rows:,} rows of `{made.dataset}`, known before {until}.
Train function `{made.train}`, features `{made.features}` (`{made.features_hash[:12]}`), seed {made.seed},
commit {made.commit or "none"}, environment `{made.environment[:12]}`, run {made.run or "none"}."""


def _metrics(version: Version) -> str:
    rows = [(named(name), f"{value:.4f}") for name, value in sorted(version.metrics.items())]
    return _part("Measured on held-out rows", _grid(("metric", "value"), rows))


def _task(report: Report) -> str:
    lines = (
        f"- Model: {_told(told.model(report))}",
        f"- Held-out rows: {_told(told.rows(report))}",
        f"- Judged by {_told(told.metric(report))}",
        f"- {_told(told.alternatives(report))}" if report.proposal.alternatives else "",
    )
    return _part("Task", "\n".join(line for line in lines if line))


def _against(report: Report) -> str:
    """The sentence, and every metric of the model and the baselines."""
    known = told.contestants(report)
    metrics = report.scores
    heads = ["", *(f"{named(score.metric)} {ARROWS[score.direction]}" for score in metrics)]
    places = [score_places([one.scores[m.metric] for one in known if m.metric in one.scores]) for m in metrics]
    rows = [
        [
            f"**{_told(one.name)}**" if one.mark == "own" else f"{_told(one.name)}: {_told(one.what)}",
            *(_figure(one.scores.get(m.metric), held) for m, held in zip(metrics, places, strict=True)),
        ]
        for one in known
    ]
    beware = told.beware(report)
    said = f"{_told(report.sentence)} In brackets: 95 % intervals; ↓ lower is better, ↑ higher."
    return _part("Measured on held-out rows", *([f"**{beware}**"] if beware else []), said, _grid(heads, rows))


def _figure(score: Score | None, places: int) -> str:
    return "" if score is None else told.worded(score, places)


def _findings(report: Report) -> str:
    rows = "\n".join(
        f"- **{item.grade}**: {_told(item.sentence)}{f' {_told(item.cure)}' if item.cure else ''}"
        for item in report.findings
    )
    return _part("Found", rows or "Nothing that a person should know of.")


def _slices(report: Report) -> str:
    worst = told.worst(report)[:_SLICES]
    found: list[str] = []
    if worst:
        places = decimals((item.estimate, item.low, item.high) for item in worst)
        rows = [
            (
                _level(item.column, item.level),
                f"{item.rows:,}",
                told.difference_words(item, places),
                told.state(item),
            )
            for item in worst
        ]
        heads = ("slice", "rows", f"{named(report.slice_metric)}, minus that of {_told(report.best)}", "")
        star = told.alone(map(told.state, worst), len(report.slices), "slices")
        found += [f"{_told(f'{told.slices(report)} {star}'.rstrip())} The worst:", _grid(heads, rows)]
    if report.weakest:
        places = decimals((item.loss, item.low, item.high) for item in report.weakest)
        weak = [
            (
                _level(item.column, item.level),
                f"{item.rows:,}",
                f"{number(item.loss, places)} {between(item.low, item.high, places)}",
            )
            for item in report.weakest
        ]
        found += ["Its own loss is highest where:", _grid(("slice", "rows", named(report.slice_metric)), weak)]
    return _part("Slices", *found) if found else ""


def _level(column: str, level: str) -> str:
    return _told(f"{column} = {level}")


def _calibration(report: Report) -> str:
    bins = report.calibration
    if not bins:
        return ""
    places = told.bin_places(bins)
    rows = [
        (
            f"{item.rows:,}",
            number(item.predicted, places),
            f"{number(item.observed, places)} {between(item.low, item.high, places)}",
        )
        for item in bins
    ]
    said = f"Of {_told(told.answers(report))}: {_told(told.calibration(report))}"
    return _part("Calibration", said, _grid(("rows", "predicted", "observed"), rows))


def _curve(report: Report) -> str:
    said = told.curve(report)
    return _part("Learning curve", said) if said else ""


def _speed(report: Report) -> str:
    made = report.benchmark
    found: list[str] = []
    if made is not None:
        table = told.speed(made)
        heads = ("", "one row, median", "p99", *(f"rows/s by {size}" for size in table.sizes))
        if table.rows:
            found.append(_grid(heads, [(name, median, p99, *rates) for name, median, p99, rates in table.rows]))
        found.append(told.pace_note(made))
    return _part("Speed", *found, f"Compiled path: {_told(told.compiled(report))}")


def _unseen(report: Report) -> str:
    """What the report has no word about."""
    left = [] if report.slices or report.weakest else ["Slices: too few rows, or no column to cut by."]
    left += [] if report.calibration else ["Calibration: its answers are no chances."]
    return " ".join((*left, _NOBODY))


def _part(title: str, *held: str) -> str:
    return "\n\n".join((f"## {title}", *held))


def _grid(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(heads)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _told(said: str) -> str:
    """Text that may hold anything, so that it ends no cell and starts no tag."""
    flat = " ".join(said.split())
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def _code(said: str) -> str:
    return " ".join(said.split()).replace("`", "'")
