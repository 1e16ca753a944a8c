"""A report as lines for a terminal: the verdict, what is wrong, then the figures, and last what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from unicodedata import east_asian_width

from lockgate.errors import SpecError
from lockgate.records import Report, SliceLoss
from lockgate.records.slice import Slice
from lockgate.report.checked import told
from lockgate.report.checked.figures import ARROWS, between, decimals, named, number, safe, score_places
from lockgate.report.words import sparkline

NARROWEST = 60
_NOTES, _SLICES, _STEPS = 3, 4, 6
_LABEL = 11
_MOST_NAME, _LEAST_NAME = 24, 12
_GAP = "  "


def text(report: Report, width: int = 100) -> tuple[str, ...]:
    """The report in lines of at most `width` characters; what starts in the first column is a heading or a grade.

    Nothing is said by colour. Long lists are cut, and say so. Raises SpecError for a width under 60.
    """
    if width < NARROWEST:
        raise SpecError(
            f"{width} columns hold no report.", cure=f"Give {NARROWEST} or more, or read it as JSON: --json"
        )
    shown = safe(report)
    parts: tuple[Callable[[Report, int], list[str]], ...] = (
        _verdict,
        _findings,
        _table,
        _apart,
        _calibration,
        _slices,
        _curve,
        _speed,
        _facts,
        _next,
    )
    made = [lines for lines in (part(shown, width) for part in parts) if lines]
    return tuple(line.rstrip() for lines in made for line in (lines if lines is made[0] else ["", *lines]))


def _verdict(report: Report, width: int) -> list[str]:
    beware = told.beware(report)
    said = _hung(f"{report.ruling.upper():<5} ", report.sentence, width)
    return [*said, *_hung("", beware, width, 6)] if beware else said


def _findings(report: Report, width: int) -> list[str]:
    kept, left = told.shown(report.findings, _NOTES)
    lines: list[str] = []
    for item in kept:
        grade = item.grade.upper() if item.grade != "note" else "note"
        lines += _hung(f"{grade:<6}", item.sentence, width)
        if item.cure and item.grade != "note":
            lines += _hung("      → ", item.cure, width)
    return [*lines, f"      {left}"] if left else lines


def _table(report: Report, width: int) -> list[str]:
    """The model and the baselines by metric; intervals are left out from the right where there is no room."""
    known = told.contestants(report)
    metrics = told.compared(report)
    labels = [_cut(f"{held.name}{' ★' if held.mark == 'best' else ''}", _MOST_NAME) for held in known]
    heads = [f"{named(score.metric)} {ARROWS[score.direction]}" for score in metrics]
    title = "metrics"
    first = max(len(title), 2 + max(_cells(label) for label in labels))
    columns: list[list[str]] = []
    for score in metrics:
        places = score_places([held.scores[score.metric] for held in known if score.metric in held.scores])
        columns.append([_cell(held, score.metric, places) for held in known])
    sizes = [[*column, head] for column, head in zip(columns, heads, strict=True)]
    for place in reversed(range(1, len(columns))):
        if _total(first, sizes) <= width:
            break
        columns[place] = [cell.split(" ")[0] for cell in columns[place]]
        sizes[place] = [*columns[place], heads[place]]
    while len(columns) > 1 and _total(first, sizes) > width:
        columns, sizes, heads = columns[:-1], sizes[:-1], heads[:-1]
    widths = [max(_cells(cell) for cell in cells) for cells in sizes]
    lines = [_line(title, first, heads, widths)]
    lines += [
        _line(f"  {label}", first, row, widths) for label, row in zip(labels, zip(*columns, strict=True), strict=True)
    ]
    others = told.others(report)
    if others:
        lines += _hung("  ", f"Also of the model: {others}.", width)
    what = "; ".join(f"{held.name}: {held.what}" for held in known[1:] if held.what)
    return [
        *lines,
        *_hung("  ", f"★ the best baseline. {what}{'.' if what else ''} In brackets: 95 % intervals.", width),
    ]


def _total(first: int, sizes: Sequence[Sequence[str]]) -> int:
    return first + sum(len(_GAP) + max(_cells(cell) for cell in cells) for cells in sizes)


def _cell(held: told.Contestant, metric: str, places: int) -> str:
    return told.worded(held.scores[metric], places) if metric in held.scores else "-"


def _line(label: str, size: int, cells: Sequence[str], widths: Sequence[int]) -> str:
    """Cells begin under one another, so that figures of one column of equal decimals line up."""
    return _padded(label, size) + "".join(_GAP + _padded(cell, wide) for cell, wide in zip(cells, widths, strict=True))


def _apart(report: Report, width: int) -> list[str]:
    """Intervals of the model minus each baseline on one scale, an upright stroke at nought."""
    differences = told.apart(report)
    if not differences:
        return []
    low, high = told.reach(differences)
    places = told.difference_places(differences)
    names = [_cut(item.name, _MOST_NAME) for item in differences]
    tails = [f"{told.difference_words(item, places)} {item.said}" for item in differences]
    first, last = max(map(_cells, names)), max(map(len, tails))
    bars = min(60, width - first - last - 6)
    is_down = told.direction(report) == "down"
    sides = ("better", "worse") if is_down else ("worse", "better")
    head = f"{named(report.proposal.metric)}, model minus baseline (left of │ {sides[0]}, right {sides[1]})"
    drawn = [f"{_lying(item, low, high, bars)}  " if bars >= 12 else "" for item in differences]
    rows = (f"  {_padded(name, first)}  {bar}{tail}" for name, bar, tail in zip(names, drawn, tails, strict=True))
    star = told.alone((item.said for item in differences), len(differences), "baselines")
    return [*_hung("", head, width), *rows, *(_hung("  ", star, width) if star else [])]


def _lying(item: told.Apart, low: float, high: float, width: int) -> str:
    """An interval lying down; arrow heads where it goes on beyond the scale."""

    def place(value: float) -> int:
        return max(0, min(width - 1, round((value - low) / (high - low) * (width - 1))))

    drawn = ["·"] * width
    drawn[place(item.low) : place(item.high) + 1] = "━" * (place(item.high) - place(item.low) + 1)
    drawn[place(0.0)] = "│"
    if low <= item.estimate <= high:
        drawn[place(item.estimate)] = "●"
    if item.low < low:
        drawn[0] = "◀"
    if item.high > high:
        drawn[-1] = "▶"
    return "".join(drawn)


def _calibration(report: Report, width: int) -> list[str]:
    """What was predicted and what was observed, bin by bin, as two rows of bars on one scale."""
    bins = report.calibration
    if not bins:
        return []
    said, came = [item.predicted for item in bins], [item.observed for item in bins]
    lines: list[str] = []
    if len(bins) > 1:
        low, high = (0.0, 1.0) if report.task != "regression" else (min(said + came), max(said + came))
        wide = max(1, min(5, (width - 40) // len(bins)))
        places = told.bin_places(bins)
        for label, values in (("predicted", said), ("observed", came)):
            drawn = _bars([v for v in values for _ in range(wide)], low, high)
            lines.append(f"  {label:<{_LABEL}}{drawn}  {number(values[0], places)} to {number(values[-1], places)}")
    many = f"{len(bins)} bins" if len(bins) > 1 else "one bin"
    head = f"calibration: {told.answers(report)}, in {many} of the tested rows"
    return [*_hung("", head, width), *lines, *_hung("  ", told.calibration(report), width)]


def _bars(values: Sequence[float], low: float, high: float) -> str:
    """Each value as the bar that is nearest: one just short of the top is not drawn a step lower."""
    steps = [round((value - low) / ((high - low) or 1.0) * 7) for value in values]
    return sparkline(steps, len(steps), low=0.0, high=7.0)


def _slices(report: Report, width: int) -> list[str]:
    """The worst against the best baseline, then those with the highest loss of the model's own."""
    lines: list[str] = []
    metric = named(report.slice_metric)
    worst = told.worst(report)[:_SLICES]
    if worst:
        places = decimals((item.estimate, item.low, item.high) for item in worst)
        said = [f"{told.difference_words(item, places)} {told.state(item)}" for item in worst]
        lines += _hung("", f"slices: {metric} minus that of {report.best}, worst first", width)
        lines += _levels(worst, said, width)
        star = told.alone(map(told.state, worst), len(report.slices), "slices")
        lines += _hung("  ", f"{told.slices(report)} {star}".rstrip(), width)
    weak = report.weakest[:_SLICES]
    if weak:
        places = decimals((item.loss, item.low, item.high) for item in weak)
        said = [f"{number(item.loss, places)} {between(item.low, item.high, places)}" for item in weak]
        lines += _hung("", f"slices: where its own {metric} is highest", width)
        lines += _levels(weak, said, width)
    return lines


def _levels(items: Sequence[Slice | SliceLoss], said: Sequence[str], width: int) -> list[str]:
    most = max(len(f"{item.rows:,}") for item in items)
    counts = [f"{item.rows:>{most},} rows  " for item in items]
    room = width - 4 - max(map(len, said))
    if room - len(counts[0]) < _LEAST_NAME:
        counts = [""] * len(items)  # where there is no room for both, the level is wanted more than its size
    names = [_cut(f"{item.column} = {item.level}", min(width // 2 - 6, room - len(counts[0]))) for item in items]
    first = max(map(_cells, names))
    return [f"  {_padded(name, first)}  {count}{told_}" for name, count, told_ in zip(names, counts, said, strict=True)]


def _curve(report: Report, width: int) -> list[str]:
    said = told.curve(report)
    if not said:
        return []
    losses = [point.loss for point in report.curve]
    drawn = sparkline(
        [loss for loss in losses for _ in range(3)], 3 * len(losses), low=0.0 if min(losses) >= 0 else None
    )
    return [f"learning curve  {drawn}", *_hung("  ", said, width)]


def _speed(report: Report, width: int) -> list[str]:
    made = report.benchmark
    if made is None:
        return []
    found = told.speed(made)
    # The smallest and the largest batch find room at every width.
    most = max(2, (width - 34) // 12)
    kept = list(range(len(found.sizes)))
    if len(kept) > most:
        kept = [*kept[: most - 1], kept[-1]]
    heads = [f"by {found.sizes[place]}" for place in kept]
    lines = [_pace_row("speed", "one row", "p99", [f"rows/s {heads[0]}", *heads[1:]])] if found.rows else []
    lines += [
        _pace_row(f"  {name}", median, p99, [rates[place] for place in kept]) for name, median, p99, rates in found.rows
    ]
    return [*lines, *_hung("  ", told.pace_note(made), width)]


def _pace_row(label: str, median: str, p99: str, rates: Sequence[str]) -> str:
    first, *rest = rates
    return f"{label:<10}{median:>11}{p99:>11}{first:>14}" + "".join(f"{rate:>12}" for rate in rest)


def _facts(report: Report, width: int) -> list[str]:
    facts = (
        ("compiled", told.compiled(report)),
        ("contract", told.contract(report)),
        ("rows", told.rows(report)),
        ("model", told.model(report)),
        ("metric", f"{told.metric(report)} {told.alternatives(report, 2)}".rstrip()),
    )
    return [line for label, said in facts if said for line in _hung(f"{label:<{_LABEL}}", said, width)]


def _next(report: Report, width: int) -> list[str]:
    kept, _ = told.shown(report.findings, _NOTES)
    steps = told.next_steps(report, kept)
    lines = [line for step in steps[:_STEPS] for line in _hung("next: ", step, width)]
    return lines if len(steps) <= _STEPS else [*lines, f"      and {len(steps) - _STEPS} more {told.MORE}"]


def _hung(label: str, said: str, width: int, indent: int = 0) -> list[str]:
    """Wrapped under itself, behind its label."""
    start = label or " " * indent
    return textwrap.wrap(
        said, width, initial_indent=start, subsequent_indent=" " * len(start), break_on_hyphens=False
    ) or [start.rstrip()]


def _cells(said: str) -> int:
    """Places on a terminal: two for a wide character."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in said)


def _padded(said: str, size: int) -> str:
    return said + " " * (size - _cells(said))


def _cut(said: str, most: int) -> str:
    if _cells(said) <= most:
        return said
    while _cells(said) > most - 1:
        said = said[:-1]
    return f"{said}…"
