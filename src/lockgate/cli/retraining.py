"""`lockgate retrain`: a version on what has turned out since, or what one would be."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from lockgate.cli import show
from lockgate.cli.options import HERE, Directory, Json, opened

if TYPE_CHECKING:
    from lockgate.workspace.noticing import Notices
    from lockgate.workspace.retraining_plans import RetrainingPlan
    from lockgate.workspace.workspace import Workspace

LOOK_S = 1.0


def retrain(
    model: str,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say why now or why not, with what, and what it costs.")
    ] = False,
    window: Annotated[
        str | None, typer.Option(help="Train on this one, nothing compared: all, 'recent 90d', 'since break'.")
    ] = None,
    now: Annotated[
        bool, typer.Option("--now", help="Also where a cooldown, a rollout or want of anything new holds it back.")
    ] = False,
    begun: Annotated[str | None, typer.Option(hidden=True, help="One that the loop has written down.")] = None,
    under: Annotated[int | None, typer.Option(hidden=True, help="End with this process, the loop's.")] = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """The champion's recipe on the log's new outcomes: the window chosen by evidence, gated."""
    if under is not None:
        threading.Thread(target=_end_with, args=(under,), name="loop", daemon=True).start()
    workspace = opened(directory)
    if dry_run:
        _planned(workspace.retraining_plan(model, window=window), json=json)
        return
    done = workspace.retrain(model, window=window, now=now, begun=begun, progress=show.progress())
    if json:
        show.as_json(done)
    else:
        _told(workspace, done.id)
    sys.exit(0 if done.state == "made" else 1)


def once(workspace: Workspace, notices: Notices) -> None:
    """Notices sent, and what is due retrained to its end, as the loop would: for `lockgate watch --once`."""
    from lockgate.server.retraining import Trainer

    notices.turn()
    trainer = Trainer(workspace)
    try:
        if trainer.turn():
            trainer.wait()
            notices.turn()
    finally:
        trainer.close()


def status_lines(workspace: Workspace) -> list[str]:
    """Retrainings under way."""
    from lockgate.records import Retraining

    return [
        f"{one.model}: retraining {one.id} is {one.state}. {one.sentence}"
        for one in workspace.wiring.records.all(Retraining)
        if one.is_under_way
    ]


def _told(workspace: Workspace, name: str) -> None:
    found = workspace.why(name)
    show.say(*found.lines)
    show.following(found.next)


def _planned(found: RetrainingPlan, *, json: bool) -> None:
    from lockgate.report.retrained import window_words

    if json:
        show.as_json(found)
        return
    show.say(
        found.sentence,
        *(f"held by hand too, but for --now: {why}" for why in found.held if not found.causes),
        f"rows: {found.outcomes:,} outcomes since its training ended, beside {found.rows:,} of {found.dataset}",
        *(f"window {window_words(one)}" for one in found.windows),
    )
    for name, cost in (("training", found.training), ("waiting", found.waiting)):
        amount = "not known" if cost.amount is None else f"{cost.amount:,.1f}"
        show.say(f"{name} costs {amount}: {cost.how}")
    show.following(found.next)


def _end_with(parent: int) -> None:
    """A training that outlived its loop would be begun twice; what it has started ends with it."""
    while os.getppid() == parent:
        threading.Event().wait(LOOK_S)
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def register(app: typer.Typer) -> None:
    app.command()(retrain)
