"""What to do next, most urgent first: each a sentence, with the command where there is one."""

from __future__ import annotations

import math

from lockgate.assess.question import CheckQuestion
from lockgate.assess.rivals import Held
from lockgate.records import Finding, Report, Ruling

MOST = 6
_KINDS = ("future_column", "leak", "duplicates", "unseen_class", "library", "missing_column", "contract")


def steps(report: Report, best: Held, question: CheckQuestion) -> tuple[str, ...]:
    """At most six. What makes the figures untrue comes first, then the ruling, then what else was found."""
    serious = [item for item in report.findings if item.grade != "note" and item.cure and item.kind != "baseline"]
    first = [item.cure for item in serious if item.grade == "stop" or item.kind in _UNTRUE]
    later = [item.cure for item in sorted(serious, key=_rank)]
    known = [] if question.trained_on is not None else [_unknown(question)]
    ruling = [_AGAIN] if first else _of_ruling(report, best)
    found = [*first, *ruling, *known, *later, *_onwards(report, question)]
    return tuple(dict.fromkeys(found))[:MOST]


_UNTRUE = ("leak", "future_column")
_AGAIN = "Check again once that is mended: until then neither the figures nor the ruling can be believed."


def _rank(item: Finding) -> int:
    return _KINDS.index(item.kind) if item.kind in _KINDS else len(_KINDS)


def _typed(question: CheckQuestion, option: str, value: str) -> str:
    """The command to type; where nobody typed one, the option by both its names."""
    if question.command is None:
        return f"{option} {value}, in Python {option.removeprefix('--').replace('-', '_')}={value}"
    return f"{question.command} {option} {value}"


def _unknown(question: CheckQuestion) -> str:
    why = "Say what it was trained on; were it these rows, every figure would flatter it"
    return f"{why}: {_typed(question, '--trained-on', 'TRAINING_ROWS')}"


def _of_ruling(report: Report, best: Held) -> list[str]:
    if report.ruling is Ruling.PASS:
        return []
    if report.ruling is Ruling.FAIL:
        how = "does better, with less" if best.verdict.ruling is Ruling.FAIL else "does as well with less"
        return [f"Do not serve it: {best.name} {how}. Serve {best.name} until a model is shown better."]
    blocks = best.found.blocks
    size, unit = (blocks, f"{report.by}s") if blocks else (report.tested, "rows")
    more = rows_wanted(best.found.estimate, best.found.low, best.found.high, size)
    if more is None:
        return [f"Bring more {unit} that it never saw: these cannot tell it from the best baseline."]
    wanted = f"Bring some {more:,} more {unit} that it never saw: if it stays ahead by as much, they would show it"
    return [f"{wanted} ({size:,} do not)."]


def rows_wanted(estimate: float, low: float, high: float, rows: int) -> int | None:
    """Rows (or blocks) beyond these at which an interval would leave nought out with chance .8, if the difference stays and
    the interval shrinks with the root of the rows; None where nothing says so. Two figures are kept.

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


def _onwards(report: Report, question: CheckQuestion) -> list[str]:
    found: list[str] = []
    if question.is_untimed:
        why = "Name the column that says when a row was asked: rows of a day go together, and tomorrow counts"
        found.append(f"{why}: {_typed(question, '--time', 'COLUMN')}")
    if report.ruling is Ruling.PASS:
        found.append(
            "Take it into a workspace: lockgate init, then lockgate import MODEL, and it can be served and guarded."
        )
    elif report.ruling is not Ruling.VOID:
        found.append("Train another in a workspace, with the baselines beside it: lockgate init, then lockgate train")
    return found
