"""A table of calls, and of outcomes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from lockgate.cli import show
from lockgate.cli.options import HERE, DecimalComma, Directory, Separator, Text, opened, read_table


def score(
    model: str,
    table: Path,
    prefix: Annotated[
        str | None, typer.Option(help="Begins every prediction's id; else the file's name and digest.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Parquet file for the predictions.")] = None,
    separator: Separator = None,
    decimal_comma: DecimalComma = False,
    text: Text = None,
    directory: Directory = HERE,
) -> None:
    """Score a table: its rows are calls like any others, routed, logged and shadowed."""
    import polars as pl

    rows = read_table(table, separator, decimal_comma=decimal_comma, text=text)
    # The same file scored twice gives the same ids, and its calls count once.
    begins = prefix or f"{table.stem}-{hashlib.sha256(table.read_bytes()).hexdigest()[:8]}"
    workspace = opened(directory)
    found = workspace.score(model, rows, prefix=begins)
    workspace.close()
    if out is not None:
        answers = [(p.id, p.value, p.version, p.served_by) for p in found]
        pl.DataFrame(answers, schema=["id", "value", "version", "served_by"], orient="row").write_parquet(out)
    failed = sum(p.failure is not None for p in found)
    show.say(f"{len(found):,} rows scored, {failed:,} of them by a fallback.")
    show.following("lockgate status")


def outcomes(
    model: str,
    table: Path,
    separator: Separator = None,
    decimal_comma: DecimalComma = False,
    directory: Directory = HERE,
) -> None:
    """Bring outcomes: a table with the columns id, value and at (UTC)."""
    import polars as pl

    workspace = opened(directory)
    told = read_table(table, separator, decimal_comma=decimal_comma)
    read = told.select(pl.col("id"), pl.col("value").cast(pl.Float64), pl.col("at").dt.epoch("us") / 1e6)
    kept = workspace.outcomes(model, read.rows())
    workspace.close()
    show.say(f"{kept:,} outcomes kept.")
    show.following("lockgate status")


def register(app: typer.Typer) -> None:
    app.command()(score)
    app.command()(outcomes)
