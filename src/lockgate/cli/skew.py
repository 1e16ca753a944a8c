"""`lockgate data skew`: are calls what a table of the same says they are?"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockgate.cli import show
from lockgate.cli.options import HERE, DecimalComma, Directory, Json, Separator, Text, opened, read_table
from lockgate.errors import SpecError
from lockgate.records.duration import seconds

if TYPE_CHECKING:
    from lockgate.records import SkewReport


def skew(
    model: str,
    rows: Annotated[int, typer.Option(min=1, help="How many of the newest calls.")] = 1_000,
    since: Annotated[
        str | None, typer.Option(help="Only calls of the last 12h, 7d, 2w; or since 2026-01-31, by event time.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="What training has of the same: joined by the contract's keys, else unit and time."),
    ] = None,
    separator: Separator = None,
    decimal_comma: DecimalComma = False,
    text: Text = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Replay logged calls through the table path: are the features, the answers, and a table's columns the same?"""
    workspace = opened(directory)
    held = None if table is None else read_table(table, separator, decimal_comma=decimal_comma, text=text)
    since_s = None if since is None else _since_s(since, workspace.event_s(model))
    found = workspace.skew(model, rows=rows, since_s=since_s, table=held, name=str(table))
    if json:
        show.as_json(found)
    else:
        _say(found, None if table is None else str(table))
    sys.exit(show.EXIT[found.ruling])


def _say(found: SkewReport, table: str | None) -> None:
    calls = ", ".join(f"{count:,} of {version}" for version, count in found.calls.items()) or "none"
    beside = "" if table is None else f"; {found.beside:,} of them are in {table}"
    show.say(f"Calls replayed: {calls}{beside}.")
    for reason, count in found.left_out.items():
        show.say(f"  left out {count:,} {'call' if count == 1 else 'calls'} {reason}")
    lines = [f"SKEW      {item.sentence}" for item in found.skewed]
    show.say(*(lines or [f"{found.ruling.upper():<9} {found.sentence}"]))
    show.following(found.next)


def _since_s(text: str, event_s: float) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            return event_s - seconds(text)
        except SpecError as error:
            raise SpecError(
                f"--since {text!r} is no duration and no day.", cure="Write 12h, 7d, or 2026-01-31."
            ) from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def register(group: typer.Typer) -> None:
    group.command()(skew)
