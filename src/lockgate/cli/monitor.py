"""`lockgate monitor`: what a stretch of calls told, as one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockgate.cli import show
from lockgate.cli.options import HERE, Directory, Json, opened

if TYPE_CHECKING:
    from lockgate.report.monitored import Told

group = typer.Typer(help="How predictions and outcomes go over time.", no_args_is_help=True, rich_markup_mode=None)


@group.command()
def report(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model of lockgate.toml.")],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    last: Annotated[str | None, typer.Option(help="So much event time, 90d say; else all there is.")] = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """One HTML file with plots: traffic, predictions, drift, performance and skill, alarms against the budget."""
    from lockgate.workspace.monitor_reports import told, write

    workspace = opened(directory)
    workspace.model(model)
    found = told(workspace.wiring, model, last=last)
    file = write(found, out)
    if json:
        show.as_json(found)
        return
    show.say(*_lines(found), f"The page: {file}")
    show.following(found.following)


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
    app.add_typer(group, name="monitor")
