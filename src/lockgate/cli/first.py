"""The first minute: a true word about somebody's model, and versions that come and go."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from lockgate.cli import show
from lockgate.cli.options import (
    HERE,
    Columns,
    DecimalComma,
    Directory,
    Json,
    Memory,
    Seconds,
    Separator,
    Text,
    Trust,
    opened,
)
from lockgate.errors import SpecError


def check(
    model: Annotated[str, typer.Argument(help="A model's file or folder, or an MLflow URI.")],
    table: Annotated[Path, typer.Argument(help="Rows with their outcome; best rows that the model has not seen.")],
    target: Annotated[str, typer.Option(help="The outcome's column.")],
    time: Annotated[str | None, typer.Option(help="When a row was asked.")] = None,
    unit: Annotated[str | None, typer.Option(help="Rows of one unit go together.")] = None,
    task: Annotated[Literal["binary", "multiclass", "regression"] | None, typer.Option(help="Else found out.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="Judge by this one; else one is proposed, with its reason.")
    ] = None,
    trained_on: Annotated[
        Path | None, typer.Option(help="The rows it was trained on: are some of them in TABLE?")
    ] = None,
    known_after: Annotated[
        list[str] | None, typer.Option(help="A column learnt only after the question; may be given again.")
    ] = None,
    slices: Annotated[list[str] | None, typer.Option("--slice", help="A column to cut by; may be given again.")] = None,
    costs: Annotated[str | None, typer.Option(help="Of a false alarm and of a miss: 1,20.")] = None,
    answers: Annotated[str | None, typer.Option(help="A column with what the model said where it was made.")] = None,
    columns: Columns = None,
    separator: Separator = None,
    decimal_comma: DecimalComma = False,
    text: Text = None,
    out: Annotated[Path | None, typer.Option(help="The report as a page: FILE.html, or FILE.json.")] = None,
    trust: Trust = False,
    seconds: Seconds = 600.0,
    memory_mb: Memory = 8192,
    json: Json = False,
) -> None:
    """A true word about a model: does it beat four baselines, on whom does it fail, does it leak, how fast is it?"""
    from lockgate.workspace.checking import check as look

    found = look(
        model,
        table,
        target=target,
        time=time,
        unit=unit,
        task=task,
        metric=metric,
        trained_on=trained_on,
        known_after=tuple(known_after or ()),
        slices=tuple(slices) if slices else None,
        costs=_costs(costs),
        answers=answers,
        columns=_listed(columns),
        separator=separator,
        decimal_comma=decimal_comma,
        text=tuple(text or ()),
        trust=trust,
        seconds=seconds,
        memory_mb=memory_mb,
        progress=show.progress(),
    )
    if out is not None:
        show.write_report(found, out)
    if json:
        show.as_json(found)
    else:
        show.report(found)
    sys.exit(show.EXIT[found.ruling])


def import_(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="An archive, a model's file or folder, or an MLflow URI.")
    ],
    model: Annotated[str | None, typer.Option(help="Whose task it answers; for a model's file.")] = None,
    name: Annotated[str | None, typer.Option(help="What people call the version.")] = None,
    columns: Columns = None,
    trust: Trust = False,
    seconds: Seconds = 600.0,
    memory_mb: Memory = 8192,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """A version from elsewhere: every digest of an archive checked, a foreign file loaded in a child process alone."""
    workspace = opened(directory)
    made = workspace.import_(
        source,
        model=model,
        name=name,
        columns=_listed(columns),
        trust=trust,
        seconds=seconds,
        memory_mb=memory_mb,
        progress=show.progress(),
    )
    if json:
        show.as_json(made)
        return
    show.made(workspace, made)
    if made.model not in workspace.spec.model:
        show.say(f"note: [model.{made.model}] is not in lockgate.toml yet; gates and rollouts need it.")
        show.following(f"lockgate why {made.short}")
        return
    show.following(f"lockgate gate {made.short}")


def register(app: typer.Typer) -> None:
    app.command()(check)
    app.command("import")(import_)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",")) if text else ()


def _costs(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        alarm, miss = (float(part) for part in text.split(","))
    except ValueError as error:
        raise SpecError(
            f"--costs {text!r} is not two numbers.", cure="Write the cost of a false alarm, then of a miss: 1,20."
        ) from error
    return alarm, miss
