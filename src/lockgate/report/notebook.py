"""Records in a notebook: a verdict with its evidence, a report, a version, a plan.

`import lockgate` in a notebook sees to it; elsewhere: %load_ext lockgate.report.notebook
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from lockgate.errors import SpecError
from lockgate.records import Report, Verdict, Version
from lockgate.records.drift import Drift
from lockgate.records.plan import Plan
from lockgate.records.record import Record
from lockgate.report import checked
from lockgate.report.drawing import svg
from lockgate.report.words import figure, subtitle, when

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    class Formatter(Protocol):
        def for_type(self, typ: type[Any], func: Callable[[Any], str]) -> Any: ...

    class DisplayFormatter(Protocol):
        @property
        def formatters(self) -> Mapping[str, Formatter]: ...

    class Shell(Protocol):
        """What is used of an IPython shell."""

        @property
        def display_formatter(self) -> DisplayFormatter: ...


MOST_ROWS = 30


def register(ip: Shell) -> None:
    """Have the shell show records by `html`. ip: what `get_ipython()` gives; asked again it changes nothing."""
    for kind in _DRAWN:
        ip.display_formatter.formatters["text/html"].for_type(kind, html)


def load_ipython_extension(ipython: Shell) -> None:
    """What `%load_ext` calls."""
    register(ipython)


def html(record: Record) -> str:
    """The record as a piece of HTML that needs no script and no network, so that a notebook that is only read shows it too.

    Raises SpecError for a record that draws nothing.
    """
    drawer = _DRAWN.get(type(record))
    if drawer is None:
        known = ", ".join(sorted(kind.__name__ for kind in _DRAWN))
        raise SpecError(f"A {type(record).__name__} has no drawing.", cure=f"These have one: {known}.")
    return drawer(record)


def _verdict(verdict: Verdict) -> str:
    """The sentence and a picture of the evidence; where nothing can be drawn, why not."""
    sentence = f"<p><strong>{escape(verdict.sentence)}</strong><br>{escape(subtitle(verdict))}</p>"
    try:
        return f"<div>{sentence}{svg(verdict, has_title=False)}</div>"
    except SpecError as error:
        return f"<div>{sentence}<p><em>{escape(str(error))}</em></p></div>"


def _version(version: Version) -> str:
    """What it is, its metrics on held-out rows, and whether its compiled path may serve."""
    made = version.lineage
    said = f"{version.role} of {version.model}, made {when(version.made_s)} from {made.rows:,} rows of {made.dataset}"
    rows = [(name.replace("_", " "), f"{value:.4f}") for name, value in sorted(version.metrics.items())]
    compiled = f"<p>{escape(version.parity.reason)}</p>" if version.parity else ""
    heads = ("metric", "on held-out rows")
    return (
        f"<div><p><strong>{escape(version.short)}</strong><br>{escape(said)}</p>{_table(heads, rows)}{compiled}</div>"
    )


def _drift(drift: Drift) -> str:
    """The sentence, what the reference cannot show, and a row per column and pair, the most consequential first."""
    rows = [
        (
            one.name,
            "moved" if one.is_listed else "",
            one.says,
            f"{one.distance:.1%}",
            "-" if one.shift is None else f"{one.shift:.2f}",
            f"{one.importance:.1%}",
            f"{one.log_e / math.log(10):.1f}",
        )
        for one in drift.moved[:MOST_ROWS]
    ]
    notes = "".join(f"<p><em>{escape(note)}</em></p>" for note in drift.notes)
    heads = ("column", "", "what changed most", "of its rows", "by sd", "importance", "log10 of evidence")
    return f"<div><p><strong>{escape(drift.sentence)}</strong></p>{notes}{_table(heads, rows)}</div>"


def _plan(plan: Plan) -> str:
    """A row per step, and what is refused."""
    rows = [
        (
            step.name,
            "never" if step.calls is None else f"{step.calls:,.0f}",
            "never" if step.days is None else f"{step.days:,.1f}",
            "-" if step.smallest_harm is None else f"{figure(step.smallest_harm)} times as many",
        )
        for step in plan.steps
    ]
    said = (
        f"{plan.calls_per_day:,.0f} calls a day, {plan.failure_rate:.2%} of them failing; alpha spent {plan.alpha:.2g}"
    )
    refused = "".join(f"<p><strong>REFUSED</strong> {escape(refusal)}</p>" for refusal in plan.refusals)
    table = _table(("step", "calls", "days", "harm seen by then"), rows)
    return f"<div><p><strong>{escape(said)}</strong></p>{table}{refused}</div>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


_DRAWN: dict[type[Any], Callable[[Any], str]] = {
    Drift: _drift,
    Plan: _plan,
    Report: checked.html,
    Verdict: _verdict,
    Version: _version,
}
