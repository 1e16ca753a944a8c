"""What a person decides of a running rollout: each with a reason, written into the ledger with their name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lockgate.cli import show
from lockgate.cli.options import HERE, Directory, Json, opened

if TYPE_CHECKING:
    from lockgate.records import Move, Override

Reason = Annotated[str, typer.Option(help="Why; it is written into the ledger.")]
By = Annotated[str | None, typer.Option(help="Who decides; else the user of this machine.")]


def hold(model: str, reason: Reason, by: By = None, directory: Directory = HERE, json: Json = False) -> None:
    """The rollout keeps its step whatever is proved; harm still ends it, and so does its deadline."""
    _told(
        opened(directory).hold(model, reason=reason, by=by), f"lockgate rollout resume {model} --reason ...", json=json
    )


def resume(model: str, reason: Reason, by: By = None, directory: Directory = HERE, json: Json = False) -> None:
    """A rollout that is held goes on."""
    _told(opened(directory).resume(model, reason=reason, by=by), "lockgate status", json=json)


def approve(
    model: str,
    reason: Reason,
    step: Annotated[str | None, typer.Option(help="A later step, by its rung; else the next one.")] = None,
    by: By = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """The next step may be entered once its verdicts are there."""
    from lockgate.decide.rungs import rung

    asked = None if step is None else rung(step)
    _told(opened(directory).approve(model, reason=reason, by=by, step=asked), "lockgate status", json=json)


def promote(
    model: str,
    reason: Reason,
    version: Annotated[str | None, typer.Option(help="Which, of an A/B with several challengers.")] = None,
    by: By = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """The challenger becomes champion without proof; every record of it says so."""
    _moved(opened(directory).promote(model, reason=reason, by=by, version=version), json=json)


def skip(model: str, reason: Reason, by: By = None, directory: Directory = HERE, json: Json = False) -> None:
    """To the next step without the verdict that this one is safe; never to the promotion."""
    _moved(opened(directory).skip(model, reason=reason, by=by), json=json)


def widen(
    model: str,
    alpha: Annotated[float, typer.Option(help="The rollout's new alpha; the difference is drawn from the budget.")],
    reason: Reason,
    by: By = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """A larger alpha for the running rollout; refused once its evidence was looked at."""
    _told(opened(directory).widen(model, alpha=alpha, reason=reason, by=by), "lockgate status", json=json)


def _told(made: Override, following: str, *, json: bool) -> None:
    from lockgate.report.why import override_lines

    if json:
        show.as_json(made)
        return
    show.say(*override_lines(made))
    show.following(following)


def _moved(move: Move, *, json: bool) -> None:
    if json:
        show.as_json(move)
        return
    show.say(move.reason)
    show.following(f"lockgate why {move.id}")


def register(app: typer.Typer) -> None:
    for command in (hold, resume, approve, promote, skip, widen):
        app.command()(command)
