"""Traffic: rollouts, and the way back."""

from __future__ import annotations

from typing import Annotated

import typer

from lockgate.cli import show
from lockgate.cli.options import HERE, Directory, Json, opened

rollout_app = typer.Typer(help="Move traffic to a version, step by step.", no_args_is_help=True, rich_markup_mode=None)


@rollout_app.command("start")
def rollout_start(
    version: str,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also where its plan would not decide in time.")] = False,
    dirty: Annotated[bool, typer.Option("--dirty", help="Also a version made from files nobody committed.")] = False,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Begin at the foot of the ladder; a model's first version takes the traffic at once."""
    move = opened(directory).rollout(version, anyway=anyway, dirty=dirty)
    if json:
        show.as_json(move)
        return
    show.say(f"{move.kind}: {version}. {move.reason}")
    show.following(f"lockgate why {move.rollout}" if move.rollout else "lockgate serve")


@rollout_app.command("abort")
def rollout_abort(
    model: str, reason: Annotated[str, typer.Option(help="Why; it is written down.")], directory: Directory = HERE
) -> None:
    """End the running rollout; the champion keeps the traffic."""
    move = opened(directory).abort(model, reason=reason)
    show.say(f"Ended {move.rollout}: {move.reason}")
    show.following("lockgate status")


@rollout_app.command("log")
def rollout_log(model: str, directory: Directory = HERE, json: Json = False) -> None:
    """Every move of a model's traffic, oldest first."""
    from lockgate.records import Move
    from lockgate.report.words import when

    moves = opened(directory).wiring.records.all(Move, model)
    if json:
        show.as_json(moves)
        return
    for move in moves:
        show.say(f"{when(move.at_s)}  {move.kind.replace('_', ' '):<10} {move.id}  {move.reason}")
    show.following(f"lockgate why {moves[-1].id}" if moves else f"lockgate train {model}")


def rollback(
    model: str,
    to: Annotated[str | None, typer.Option(help="A version; else the champion before.")] = None,
    reason: Annotated[str, typer.Option(help="Why; it is written down.")] = "asked for at the command line",
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """All traffic back: from a rollout to the champion, else to the champion before."""
    workspace = opened(directory)
    move = workspace.rollback(model, to=to, reason=reason)
    if json:
        show.as_json(move)
        return
    name = workspace.version(move.to).short
    show.say(f"{name} holds the traffic of {model} again (routing revision {move.revision}).")
    show.following(f"lockgate why {move.id}")


def register(app: typer.Typer) -> None:
    app.add_typer(rollout_app, name="rollout")
    app.command()(rollback)
