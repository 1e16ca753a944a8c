"""How soon a drift would be shown, told before it comes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from lockgate.decide.drifting.lines import Line, Lines
from lockgate.errors import SpecError
from lockgate.records.drift import Foreseen
from lockgate.records.profile import ColumnProfile
from lockgate.stats import score_bet

MEANS, SPREAD, POINTS = (0.1, 0.2, 0.5), 1.2, (0.03, 0.1)


def foreseen(lines: Lines, *, rows: int, log_line: float, deff: float = 1.0) -> tuple[Foreseen, ...]:
    """For every column: windows of so many rows until a change of it alone raises the alarm at `log_line`.

    Of an order, a mean moved by .1, .2, .5 sd, and a spread x 1.2; without one, the commonest cell's share 3 and 10 points
    up. Raises SpecError for windows without rows.
    """
    if rows < 1:
        raise SpecError("Windows without rows show nothing.", cure="Give the rows of a usual window.")
    found: list[Foreseen] = []
    for line in lines.lines:
        item = lines.items[line.item]
        if isinstance(item, ColumnProfile):
            for change, shares in _changes(item, line):
                needed = score_bet.windows_to_see(
                    line.bets, shares, rows=rows, log_line=log_line - math.log(line.weight), deff=deff
                )
                found.append(
                    Foreseen(column=item.name, change=change, windows=needed if math.isfinite(needed) else None)
                )
    return tuple(found)


def _changes(column: ColumnProfile, line: Line) -> Iterator[tuple[str, score_bet.Floats]]:
    facet = next(facet for facet in column.facets if facet.name == line.facet)
    shares = (line.reference + 0.5) / (line.reference + 0.5).sum()
    inside, what = len(facet.counts), "" if facet.name == "value" else f"{facet.name}: "
    if facet.is_ordered:
        moves = [(f"{what}mean {step:+g} sd", step, 1.0) for step in MEANS] + [
            (f"{what}spread x {SPREAD:g}", 0.0, SPREAD)
        ]
        for change, mean, spread in moves:
            moved = score_bet.moved(shares[:inside], mean=mean, spread=spread)
            yield change, np.concatenate([moved, shares[inside:]])
        return
    top = int(shares[:inside].argmax())
    for points in POINTS:
        if shares[top] + points < 1:
            grown = shares * (1 - points / (1 - shares[top]))
            grown[top] = shares[top] + points
            yield f"{what}commonest cell {100 * points:+.0f} points", grown
