"""How a command speaks: records as sentences or as JSON, the next command last."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from lockgate.records import Verdict, Version
    from lockgate.records.plan import Plan
    from lockgate.report.now import Row

EXIT = {"pass": 0, "fail": 1, "undecided": 2, "void": 2}
ERROR = 3


def as_json(record: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(record), indent=2).decode() + "\n")


def say(*lines: str) -> None:
    """Lines for a person, on standard output."""
    sys.stdout.write("\n".join(lines) + "\n")


def following(command: str) -> None:
    say(f"next: {command}")


def progress() -> Callable[[str], None]:
    """What long work is doing, on standard error so that output can be piped."""

    def tell(what: str) -> None:
        sys.stderr.write(f"  {what} ...\n")
        sys.stderr.flush()

    return tell


def version_lines(version: Version) -> list[str]:
    figures = "  ".join(
        f"{name} {value:.4f}" for name, value in sorted(version.metrics.items()) if name != "target_mean"
    )
    compiled = "" if version.parity is None else f" {version.parity.reason}"
    return [f"{version.short}: {figures} on held-out rows.{compiled}"]


def verdict_lines(verdicts: Sequence[Verdict]) -> list[str]:
    return [f"{v.ruling.upper():<9} {v.sentence}  ({v.id})" for v in verdicts]


def plan_table(plan: Plan) -> None:
    """A row per step, then what the whole takes, then what is refused."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("step", "calls", "days", "exposed calls", "shown safe by", "harm seen by then"):
        table.add_column(name, justify="left" if name in ("step", "shown safe by") else "right", overflow="fold")
    for step in plan.steps:
        harm = f"{step.stops_at} failures" if step.smallest_harm is None else f"{step.smallest_harm:.2g} times as many"
        calls, days = ("never", "never") if step.days is None else (f"{step.calls:,.0f}", f"{step.days:,.1f}")
        by = {"rate": "its own failures", "ratio": "the ratio of failures"}[step.by]
        table.add_row(step.name, calls, days, f"{step.exposed:,.0f}", by, harm)
    Console().print(table)
    say(
        f"at {plan.calls_per_day:,.0f} calls a day, {plan.failure_rate:.2%} of them failing; alpha spent {plan.alpha:.2g}"
    )
    if plan.blocks is not None:
        say(f"worth proved after some {plan.blocks:,.0f} blocks at the gain expected, memory {plan.memory}")
    if plan.smallest_effect is not None:
        say(
            f"the smallest gain proved by the deadline of {plan.deadline_days:,.0f} days: {plan.smallest_effect:+.4f} a call"
        )
    for refusal in plan.refusals:
        say(f"REFUSED   {refusal}")


def status_table(rows: Sequence[Row]) -> None:
    """A row per model, as the page **Now** shows it."""
    from rich.console import Console
    from rich.table import Table

    from lockgate.report.words import age

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("model", "traffic", "state", "calls/day", "fallback", "p99", "outcome lag"):
        table.add_column(name, overflow="fold")
    for row in rows:
        arms = "\n".join(f"{arm.version} {arm.share:.0%}{'' if arm.share else ' ' + arm.role}" for arm in row.traffic)
        fallback = "-" if row.fallback_rate is None else f"{row.fallback_rate:.2%}"
        p99 = "-" if row.p99_ms is None else f"{row.p99_ms:.1f} ms"
        table.add_row(row.model, arms, row.state, f"{row.calls:,}", fallback, p99, age(row.outcome_lag_s))
    Console().print(table)
    for row in rows:
        if row.verdict:
            say(f"{row.model}: {row.verdict} ({row.verdict_id}, {age(row.verdict_age_s)} ago)")
        for alarm in row.alarms:
            say(f"{row.model}: ALARM {alarm}")
