"""A table of calls, and of outcomes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockgate.cli import show
from lockgate.cli.options import HERE, DecimalComma, Directory, Json, Separator, opened, read_table
from lockgate.errors import ContractError, SpecError, unknown

if TYPE_CHECKING:
    import polars as pl

    from lockgate.workspace.scoring import ScoredTable

REASONS = 10


def score(
    table: Annotated[
        Path,
        typer.Argument(metavar="IN", help="Parquet, CSV (.gz), Arrow, JSON lines, or a Delta folder; of any size."),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="FILE.parquet, FILE.csv, or FOLDER for a Delta table.")],
    model: Annotated[str | None, typer.Option(help="Left out where the workspace has one.")] = None,
    rows_at_once: Annotated[
        int, typer.Option(min=1, help="Rows of a shard: what is answered, logged and kept together.")
    ] = 50_000,
    again: Annotated[bool, typer.Option("--again", help="Replace an OUT that is there already.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first row that breaks the contract.")] = False,
    prefix: Annotated[
        str | None, typer.Option(help="Begins every prediction's id; else the table's name and digest.")
    ] = None,
    separator: Separator = None,
    decimal_comma: DecimalComma = False,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Score a table of any size: its rows are calls like any others, routed, logged and shadowed; begun again, it goes on."""
    from lockgate.cli import bar
    from lockgate.workspace.scoring import Options

    options = Options(
        rows_at_once=rows_at_once,
        is_again=again,
        is_strict=strict,
        prefix=prefix,
        separator=separator,
        decimal_comma=decimal_comma,
    )
    workspace = opened(directory)
    with bar.rows(f"scoring {table.name}") as tell:
        found = workspace.score_table(table, out, model=model, options=options, tell=tell)
    if json:
        show.as_json(found)
    else:
        _say_scored(found)
    sys.exit(0 if found.is_whole else 1)


def _say_scored(found: ScoredTable) -> None:
    show.notes(found.notes)
    without = sum(found.refused.values())
    show.say(
        f"{found.rows:,} rows in {found.out}: {found.rows - without:,} answered, {found.fallbacks:,} of them by a fallback; "
        f"{without:,} refused."
    )
    reasons = [*found.refused.items()]
    if reasons:
        show.say(*(f"  {rows:,} {'row' if rows == 1 else 'rows'}: {reason}" for reason, rows in reasons[:REASONS]))
    if len(reasons) > REASONS:
        show.say(f"  and {len(reasons) - REASONS:,} reasons more; each row says its own in the column `refused`.")
    show.following("lockgate status")


def outcomes(
    model: str,
    table: Path,
    separator: Separator = None,
    decimal_comma: DecimalComma = False,
    directory: Directory = HERE,
) -> None:
    """Bring outcomes: a table with the columns id, value and at (UTC); of units: unit, metric, value and at."""
    import polars as pl

    workspace = opened(directory)
    told = read_table(table, separator, decimal_comma=decimal_comma)
    value, at_s = pl.col("value").cast(pl.Float64), pl.col("at").dt.epoch("us") / 1e6
    if ("id" in told.columns) == ({"unit", "metric"} <= set(told.columns)):
        raise SpecError(
            f"{table} has the columns {', '.join(told.columns)}: no outcomes of calls, and none of units, or both.",
            cure="Give id, value and at; or unit, metric, value and at.",
        )
    told, empty = _filled_in(told, table)
    if "id" in told.columns:
        kept = workspace.outcomes(model, told.select("id", value, at_s).rows())
    else:
        units = told.select(pl.col("unit").cast(pl.String), pl.col("metric"), value, at_s)
        kept = workspace.unit_outcomes(model, units.rows())
    workspace.close()
    left = f" {empty:,} {'row' if empty == 1 else 'rows'} without a value left out." if empty else ""
    show.say(f"{kept:,} outcomes kept.{left}")
    show.following("lockgate status")


def _filled_in(told: pl.DataFrame, table: Path) -> tuple[pl.DataFrame, int]:
    """The rows whose outcome is known, and how many others there are: a sample that was labelled in part."""
    import polars as pl

    for name in ("value", "at"):
        if name not in told.columns:
            raise SpecError(
                unknown("column", name, told.columns), cure="Outcomes have a value, and at: when it came true."
            )
    known = told.filter(pl.col("value").is_not_null())
    without = known.filter(pl.col("at").is_null())
    if known.is_empty() and told.height:
        raise SpecError(f"No row of {table} has a value.", cure="Fill in what came true, and when.")
    if without.height:
        raise ContractError(
            f"{without.height:,} {'row' if without.height == 1 else 'rows'} of {table} came true at no time that is told.",
            cure="Fill in at: when it came true, UTC.",
        )
    if known.height and not isinstance(known["at"].dtype, pl.Datetime | pl.Date):
        raise ContractError(
            f"Column 'at' of {table} is {known['at'].dtype}, no times.", cure="Write them as 2026-01-31T12:00:00Z."
        )
    return known, told.height - known.height


def register(app: typer.Typer) -> None:
    app.command()(score)
    app.command()(outcomes)
