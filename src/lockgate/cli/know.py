"""How things are, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lockgate.cli import evidence, show
from lockgate.cli.options import HERE, Directory, Json, opened
from lockgate.cli.retraining import status_lines as retraining_lines


def status(directory: Directory = HERE, json: Json = False) -> None:
    """How every model is doing now."""
    from lockgate.report.service import service_lines

    workspace = opened(directory)
    rows = workspace.status()
    if json:
        show.as_json(rows)
        return
    if not rows:
        show.say("No model serves yet.")
        show.following("lockgate train MODEL")
        return
    show.status_table(rows)
    for line in (*service_lines(rows[0].service), *retraining_lines(workspace), *rows[0].channels):
        show.say(line)
    show.following(rows[0].next)


def why(
    name: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="A verdict, move, override, alarm, rollout or version; a file for --verify."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the ledger and the records beside it; or an exported file's chain.")
    ] = False,
    export: Annotated[Path | None, typer.Option(help="Write the ledger: FILE.jsonl, an entry a line.")] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Make a verdict again from the log, to the bit.")] = False,
    draw: Annotated[Path | None, typer.Option(help="Draw a verdict's evidence: FILE.html, .svg or .json.")] = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """The sentence and the evidence behind an id."""
    from lockgate.cli import ledger
    from lockgate.errors import SpecError
    from lockgate.report import why as reasons

    if export is not None:
        ledger.export(directory, export, json=json)
        return
    if verify:
        ledger.verify(directory, None if name is None else Path(name), json=json)
        return
    workspace = opened(directory)
    records = workspace.wiring.records
    if name is None:
        raise SpecError("Why what?", cure="Name a verdict, move, alarm, rollout or version; or ask for --verify.")
    if replay:
        evidence.replay(workspace, name, json=json)
        return
    record = reasons.find(records, name)
    if draw is not None:
        evidence.draw(record, draw)
        show.following(f"lockgate why {name}")
        return
    if json:
        show.as_json(record)
        return
    found = reasons.why(records, name)
    show.say(*found.lines)
    show.following(found.next)


def ui(
    port: Annotated[int, typer.Option(help="Where MLflow's own pages are to listen.")] = 5000,
    directory: Directory = HERE,
) -> None:
    """Bring MLflow up to date, and say how its own pages are started."""
    from lockgate.store.mlflow_place import ui_command

    workspace = opened(directory)
    show.mirrored(workspace)
    show.say("Runs, versions, aliases and verdicts stand in MLflow's own pages; start them in the project's folder:")
    show.say(f"  {ui_command(workspace.spec.mlflow, workspace.spec.directory, port)}")
    show.following("lockgate status")


def register(app: typer.Typer) -> None:
    app.command()(status)
    app.command()(why)
    app.command()(ui)
