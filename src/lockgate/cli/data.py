"""`lockgate data`: dataset versions added, listed, shown, compared, cleaned away.

Another command of the group is one function here, or in a file beside, and one line at the end.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lockgate.cli import data_tables, features, show, skew
from lockgate.cli.data_events import events
from lockgate.cli.options import HERE, DecimalComma, Directory, Json, Separator, Text, opened

Ref = Annotated[
    str,
    typer.Argument(metavar="REF", help="MODEL (its newest), MODEL@3, MODEL@3#1f0c9a2b, MODEL@2026-11-01T00:00:00Z."),
]


class _OrAdd(TyperGroup):
    """`lockgate data MODEL TABLE` is the short way of `lockgate data add MODEL TABLE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["add", *args]
        return super().parse_args(ctx, args)


group = typer.Typer(
    cls=_OrAdd,
    help="A model's dataset versions. `lockgate data MODEL TABLE` is short for `data add MODEL TABLE`.",
    rich_markup_mode=None,
)


@group.command()
def add(
    model: str,
    table: Annotated[
        Path | None, typer.Argument(help="CSV, Parquet, Arrow, JSON lines, or the folder of a Delta table.")
    ] = None,
    sql: Annotated[str | None, typer.Option(help="A query instead of a file; with --connection.")] = None,
    connection: Annotated[
        str | None,
        typer.Option(
            envvar="LOCKGATE_SQL_CONNECTION",
            help="The database's address: sqlite:///FILE, postgresql+psycopg://USER@HOST/DATABASE.",
        ),
    ] = None,
    separator: Separator = None,
    decimal_comma: DecimalComma = False,
    text: Text = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Keep a table as the model's next dataset version, under its contract."""
    from lockgate.workspace import datasets
    from lockgate.workspace.checking import Reading

    if table is None and sql is None:
        raise typer.BadParameter("Name a TABLE, or give --sql and --connection.")
    workspace = opened(directory)
    spec = workspace.model(model)
    reading = Reading(separator=separator, decimal_comma=decimal_comma, text=tuple(text or ()))
    brought = datasets.bring_either(table, sql, connection if sql is not None else None, reading)
    show.notes(brought.notes)
    made = datasets.add(workspace.wiring, model, spec, brought)
    show.notes(made.notes[len(brought.notes) :])
    if json:
        show.as_json(made.dataset)
        return
    show.say(*data_tables.added_lines(made))
    show.following(f"lockgate train {model}")


@group.command()
def ls(
    model: Annotated[str | None, typer.Argument(help="Of this model alone.")] = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Every dataset version: its rows, what was set aside, and which versions were trained on it."""
    from lockgate.workspace import datasets

    workspace = opened(directory)
    found = datasets.states(workspace.wiring, model and workspace.known(model))
    if json:
        show.as_json(found)
        return
    if not found:
        show.say(f"{model or 'No model'} has no data yet." if model else "No model has data yet.")
        show.following(f"lockgate data add {model or 'MODEL'} TABLE")
        return
    data_tables.listed(found)
    show.following(f"lockgate data show {found[-1].dataset.ref}")


@group.command("show")
def show_(ref: Ref, directory: Directory = HERE, json: Json = False) -> None:
    """One dataset version: where it came from, what was set aside and why, its columns, who was trained on it."""
    from lockgate.workspace import dataset_refs, datasets

    wiring = opened(directory).wiring
    found = datasets.state(wiring, ref)
    if json:
        show.as_json(found)
        return
    data_tables.shown(found)
    before = [d for d in dataset_refs.datasets(wiring, found.dataset.model) if d.written_s < found.dataset.written_s]
    if before:
        show.following(f"lockgate data diff {_short(before[-1])} {_short(found.dataset)}")
    else:
        show.following(f"lockgate train {found.dataset.model}")


@group.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A dataset version, as for show.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another of the same model.")],
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """What differs between two dataset versions: rows added, removed and changed; columns; how far each has moved."""
    workspace = opened(directory)
    found = workspace.diff(before, after)
    if json:
        show.as_json(found)
        return
    data_tables.compared(found)
    show.following(f"lockgate data show {found.after}")


@group.command()
def clean(
    model: Annotated[str | None, typer.Argument(help="Of this model alone.")] = None,
    older_than: Annotated[str, typer.Option(help="Versions of less than this age stay: 30d, 12w.")] = "30d",
    yes: Annotated[bool, typer.Option("--yes", help="Delete; else it is only said what would go.")] = False,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Delete the rows of old dataset versions; never the newest, never one that a version was trained on."""
    workspace = opened(directory)
    models = [workspace.known(model)] if model else sorted({d.model for d in workspace.datasets()})
    found = [workspace.clean(name, older_than=older_than, dry_run=not yes) for name in models]
    if json:
        show.as_json(found)
        return
    show.say(*data_tables.cleaned_lines(found, is_done=yes, older_than=older_than))
    if any(item.versions for item in found) and not yes:
        show.following(f"lockgate data clean {model + ' ' if model else ''}--older-than {older_than} --yes")
    else:
        show.following("lockgate data ls")


group.command()(events)


def _short(dataset: Any) -> str:
    return f"{dataset.model}@{dataset.ref.version}"


def register(app: typer.Typer) -> None:
    features.register(group)
    skew.register(group)
    app.add_typer(group, name="data")
