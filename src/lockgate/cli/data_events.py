"""`lockgate data events`: a table of events, taken in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lockgate.cli import show
from lockgate.cli.options import HERE, DecimalComma, Directory, Json, Separator, Text, opened, read_table


def events(
    source: Annotated[str, typer.Argument(help="As lockgate.toml declares it: [source.NAME].")],
    table: Annotated[Path, typer.Argument(help="Its events: CSV, Parquet, Arrow, or JSON lines.")],
    separator: Separator = None,
    decimal_comma: DecimalComma = False,
    text: Text = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Keep a source's events, each once; what was kept before is counted."""
    workspace = opened(directory)
    taken = workspace.events(source, read_table(table, separator, decimal_comma=decimal_comma, text=text))
    if json:
        show.as_json({"source": source, "kept": taken.kept, "known_before": taken.known_before})
        return
    show.say(f"{source}: {taken.kept:,} events kept, {taken.known_before:,} known before.")
    over = [
        name for name, spec in workspace.spec.model.items() if any(a.source == source for a in spec.aggregates.values())
    ]
    show.following(f"lockgate data {over[0]} TABLE" if over else "lockgate status")
