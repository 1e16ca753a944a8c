"""`lockgate data events`: a table of events, taken into a source."""

from __future__ import annotations

from pathlib import Path

import typer

from lockgate.cli import show
from lockgate.cli.options import HERE, DecimalComma, Directory, Json, Separator, Text, opened, read_table


def events(
    source: str,
    table: Path,
    separator: Separator = None,
    decimal_comma: DecimalComma = False,
    text: Text = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Take a table of events into a source, each once: what aggregates are computed of, for training and while serving."""
    workspace = opened(directory)
    rows = read_table(table, separator, decimal_comma=decimal_comma, text=text)
    taken = workspace.events(source, rows)
    workspace.close()
    if json:
        show.as_json(taken._asdict())
        return
    again = f", {taken.known_before:,} were there before" if taken.known_before else ""
    show.say(f"{taken.kept:,} events of {source} kept{again}.")
    show.following("lockgate data MODEL TABLE")


def register(group: typer.Typer) -> None:
    group.command()(events)
