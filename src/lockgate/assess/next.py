"""What to do next, most urgent first: each a sentence, with the command where there is one."""

from __future__ import annotations

import math

from lockgate.assess.rivals import Held
from lockgate.records import Finding, Report, Ruling

MOST = 6
_KINDS = ("future_column", "leak", "duplicates", "unseen_class", "library", "missing_column", "contract")


def steps(report: Report, best: Held, *, knows_training: bool, is_untimed: bool) -> tuple[str, ...]:
    """At most six. What makes the figures untrue comes first, then the ruling, then what else was found."""
    serious = [item for item in report.findings if item.grade != "note" and item.cure and item.kind != "baseline"]
    first = [item.cure for item in serious if item.grade == "stop" or item.kind in _UNTRUE]
    later = [item.cure for item in sorted(serious, key=_rank)]
    known = [] if knows_training else [_UNKNOWN]
    ruling = [_AGAIN] if first else _of_ruling(report, best)
    found = [*first, *ruling, *known, *later, *_onwards(report, is_untimed=is_untimed)]
    return tuple(dict.fromkeys(found))[:MOST]


_UNTRUE = ("leak", "future_column")
_AGAIN = "Check again once that is mended: until then neither the figures nor the ruling can be believed."
_UNKNOWN = "Say what it was trained on; were it these rows, every figure would flatter it: --trained-on TABLE"


def _rank(item: Finding) -> int:
    return _KINDS.index(item.kind) if item.kind in _KINDS else len(_KINDS)


def _of_ruling(report: Report, best: Held) -> list[str]:
    if report.ruling is Ruling.PASS:
        return []
    if report.ruling is Ruling.FAIL:
        return [
            f"Do not serve it: {best.name} does as well with less. Serve {best.name} until a model is shown better."
        ]
    more = rows_wanted(best.found.estimate, best.found.low, best.found.high, report.tested)
    if more is None:
        return ["Bring more rows that it never saw: these cannot tell it from the best baseline."]
    wanted = f"Bring some {more:,} more rows that it never saw: if it stays ahead by as much, they would show it"
    return [f"{wanted} ({report.tested:,} do not)."]


def rows_wanted(estimate: float, low: float, high: float, rows: int) -> int | None:
    """Rows beyond these at which an interval would leave nought out with chance .8, if the difference stays and the
    interval shrinks with the root of the rows; None where nothing says so. Two figures are kept.

    Source: Cohen (1988): the width is 2 x 1.96 standard errors, and the difference has to be 2.8 of them.
    """
    se = (high - low) / 2 / 1.96
    if estimate == 0 or not se > 0 or not math.isfinite(se):
        return None
    wanted = rows * (2.8 * se / abs(estimate)) ** 2
    more = max(0.0, wanted - rows)
    if more > 1e9:
        return None
    size = int(10 ** max(0, math.floor(math.log10(max(more, 1))) - 1))
    return max(size, math.ceil(more / size) * size)


def _onwards(report: Report, *, is_untimed: bool) -> list[str]:
    found: list[str] = []
    if is_untimed:
        found.append(
            "Name the column that says when a row was asked: rows of a day go together, and tomorrow counts: --time COLUMN"
        )
    if report.ruling is Ruling.PASS:
        found.append(
            "Take it into a workspace: lockgate init, then lockgate import MODEL, and it can be served and guarded."
        )
    else:
        found.append("Train another in a workspace, with the baselines beside it: lockgate init, then lockgate train")
    return found
