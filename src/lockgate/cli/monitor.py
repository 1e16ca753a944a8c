"""`lockgate monitor`: what a stretch of calls told, as one page; and calls to label (`cli.sample`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockgate.cli import sample, show
from lockgate.cli.options import HERE, Directory, Json, opened
from lockgate.errors import SpecError

if TYPE_CHECKING:
    from lockgate.report.monitored import Told

group = typer.Typer(help="How predictions and outcomes go over time.", no_args_is_help=True, rich_markup_mode=None)


@group.command()
def report(
    what: Annotated[
        str,
        typer.Argument(metavar="MODEL|TABLE", help="A model of lockgate.toml, or a table of any server's predictions."),
    ],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    last: Annotated[
        str | None, typer.Option(help="Of a model: so much event time, 90d say; else all there is.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Of a table: rows with outcomes that are normal, and were not trained on.")
    ] = None,
    prediction: Annotated[
        str, typer.Option(help="Of a table: the column that holds what was predicted.")
    ] = "prediction",
    outcome: Annotated[
        str, typer.Option(help="Of a table: the column of what came true, empty while unknown.")
    ] = "outcome",
    time: Annotated[str, typer.Option(help="Of a table: the column that says when it was asked.")] = "time",
    window: Annotated[str, typer.Option(help="Of a table: how long a stretch is looked at at a time.")] = "1w",
    horizon: Annotated[str, typer.Option(help="Of a table: how old a prediction is before it is judged.")] = "0s",
    slices: Annotated[list[str] | None, typer.Option("--slice", help="A column to cut by; may be given again.")] = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """One HTML file with plots: traffic, predictions, drift, performance and skill, alarms against the budget."""
    from lockgate.workspace.monitor_reports import told, told_of_table, write

    if reference is not None or Path(what).exists():
        found = told_of_table(
            Path(what),
            _named(reference),
            prediction=prediction,
            outcome=outcome,
            time=time,
            window=window,
            horizon=horizon,
            slices=tuple(slices or ()),
        )
    else:
        workspace = opened(directory)
        workspace.model(what)
        found = told(workspace.wiring, what, event_s=workspace.event_s(what), last=last)
    file = write(found, out)
    if json:
        show.as_json(found)
    else:
        show.say(*_lines(found), f"The page: {file}")
        show.following(found.following)


def _named(reference: Path | None) -> Path:
    if reference is None:
        raise SpecError("A table is held against a reference.", cure="Name rows with outcomes: --reference TABLE.")
    return reference


def _lines(found: Told) -> list[str]:
    from lockgate.metrics.figures import rounded
    from lockgate.report.words import when

    calls = sum(one.rows for one in found.traffic)
    lines = [found.sentence, f"{found.about}: {calls:,} calls from {when(found.since_s)} to {when(found.until_s)}."]
    for course in (*found.courses[:1], found.skill):
        if course.realised:
            before = "" if course.before is None else f", {rounded(course.before)} when it was made"
            lines.append(f"{course.name}: {rounded(course.realised[-1].value)} at the end{before}.")
    moved = [row.name for row in found.drift if row.is_listed]
    return [*lines, f"Moved: {', '.join(moved[:5])}." if moved else "No column is shown to have moved."]


def register(app: typer.Typer) -> None:
    sample.register(group)
    app.add_typer(group, name="monitor")
