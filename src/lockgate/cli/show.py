"""How a command speaks: records as sentences or as JSON, the next command last."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from lockgate.errors import SpecError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from lockgate.records import Finding, Report, Verdict, Version
    from lockgate.records.plan import Plan
    from lockgate.report.now import Row
    from lockgate.workspace.making import Same
    from lockgate.workspace.workspace import Workspace

EXIT = {"pass": 0, "fail": 1, "undecided": 2, "void": 2}
ERROR = 3


def as_json(record: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(record), indent=2).decode() + "\n")


def say(*lines: str) -> None:
    """Lines for a person, on standard output."""
    sys.stdout.write("\n".join(lines) + "\n")


def following(command: str) -> None:
    say(f"next: {command}")


def notes(sentences: Iterable[str]) -> None:
    """What a person should know of the input, on standard error so that output can be piped."""
    for sentence in sentences:
        sys.stderr.write(f"  note: {sentence}\n")


def progress() -> Callable[[str], None]:
    """What long work is doing, on standard error so that output can be piped."""

    def tell(what: str) -> None:
        sys.stderr.write(f"  {what} ...\n")
        sys.stderr.flush()

    return tell


def made(workspace: Workspace, version: Version) -> None:
    """A version that has come about, and what was found out about it."""
    found = workspace.report(version)
    say(*version_lines(version))
    if found is not None:
        others = ", ".join(other.metric for other in found.proposal.alternatives)
        say(f"metric: {found.proposal.metric}. {found.proposal.reason} Or: {others}.")
        say(found.sentence, *(f"{f.grade.upper():<9} {f.sentence} {f.cure}".rstrip() for f in serious(found)))
    if workspace.wiring.tracker.problem:
        say(f"note: {workspace.wiring.tracker.problem}")


def mirrored(workspace: Workspace) -> None:
    """The registry brought up to date; what was done and what could not be, a line each."""
    found = workspace.mirror()
    say(*found.did, *(f"note: {line}" for line in found.could_not))
    for proposal in found.proposals:
        say(f"proposal: {proposal.sentence}", *([f"  to follow it: {proposal.command}"] if proposal.command else []))
    if found.problem:
        say(f"note: {found.problem}")


def serious(found: Report) -> list[Finding]:
    """What a person should look at, the gravest first."""
    return [f for grade in ("stop", "warn") for f in found.findings if f.grade == grade]


def version_lines(version: Version) -> list[str]:
    figures = "  ".join(
        f"{name} {value:.4f}" for name, value in sorted(version.metrics.items()) if name != "target_mean"
    )
    lines = [f"{version.short}: {figures} on held-out rows."]
    return lines if version.parity is None else [*lines, version.parity.reason]


def same_lines(found: Same) -> None:
    """Whether a version made once more answers as the first did."""
    rows, worst = found.agreement
    if found.agreement.holds:
        say(
            f"{found.other.short} answers {rows} rows as {found.version.short} did; the largest difference is {worst:.1e}."
        )
    else:
        say(f"{found.other.short} answers {rows} rows otherwise than {found.version.short} did, by up to {worst:.2g}.")
    say(*(f"  not as it was: {what}" for what in found.differs))
    following(f"lockgate gate {found.other.short}")


def report(found: Report) -> None:
    """A report for a person, as wide as the terminal."""
    from shutil import get_terminal_size

    from lockgate.report.checked import text

    say(*text(found, width=min(120, max(60, get_terminal_size((100, 24)).columns))))


def write_report(found: Report, file: Path) -> None:
    """A report as a page, or as JSON, by the file's name."""
    from lockgate.report.checked import page

    if file.suffix not in (".html", ".json"):
        raise SpecError(f"{file} is neither a page nor JSON.", cure="Name it FILE.html or FILE.json.")
    body = page(found).encode() if file.suffix == ".html" else msgspec.json.format(msgspec.json.encode(found), indent=2)
    try:
        file.write_bytes(body)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror}.") from error


def verdict_lines(verdicts: Sequence[Verdict]) -> list[str]:
    return [f"{v.ruling.upper():<9} {v.sentence}  ({v.id})" for v in verdicts]


def planned(plan: Plan, left: float, version: str, *, json: bool) -> None:
    """A plan, and the end of the command: exit code 1 where it would never decide. left: of the alpha budget."""
    if json:
        as_json(plan)
    else:
        plan_table(plan, left)
        following(f"lockgate rollout start {version}{'' if plan.is_sound else ' --anyway'}")
    sys.exit(EXIT["pass" if plan.is_sound else "fail"])


def plan_table(plan: Plan, left: float) -> None:
    """A row per step, then what the whole takes, then what is refused. left: of the alpha budget, before it."""
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
        f"at {plan.calls_per_day:,.0f} calls a day, {plan.failure_rate:.2%} of them failing; alpha spent {plan.alpha:.2g}, "
        f"of {left:.4g} that is left"
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
            stands = "ALARM " if row.verdict in row.alarms else ""
            say(f"{row.model}: {stands}{row.verdict} ({row.verdict_id}, {age(row.verdict_age_s)} ago)")
    # One about the log is every model's, and is said once.
    for alarm in dict.fromkeys(alarm for row in rows for alarm in row.alarms if alarm != row.verdict):
        say(f"{', '.join(row.model for row in rows if alarm in row.alarms)}: ALARM {alarm}")
