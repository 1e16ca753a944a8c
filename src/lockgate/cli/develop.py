"""From a dataset to a judged version: train, gate, plan."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lockgate.cli import show
from lockgate.cli.options import HERE, Directory, Json, opened

if TYPE_CHECKING:
    from lockgate.workspace.workspace import Workspace


def train(
    model: str,
    features: Annotated[str | None, typer.Option(help="module:function, instead of the config's.")] = None,
    train_with: Annotated[str | None, typer.Option("--train", help="module:function, instead of the config's.")] = None,
    name: Annotated[str | None, typer.Option(help="What people call the version.")] = None,
    same_as: Annotated[
        str | None,
        typer.Option(help="A version: its recipe once more, on its own dataset, and whether it answers the same."),
    ] = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Train baselines first, then the candidate, on the newest dataset."""
    workspace = opened(directory)
    if same_as is not None:
        _train_same(workspace, same_as, json=json)
        return
    made = workspace.train(model, features=features, train_with=train_with, name=name, progress=show.progress())
    if json:
        show.as_json(made)
        return
    show.made(workspace, made)
    show.following(f"lockgate gate {made.short}")


def _train_same(workspace: Workspace, version: str, *, json: bool) -> None:
    found = workspace.train_same(version, progress=show.progress())
    if json:
        show.as_json(found)
    else:
        show.same_lines(found)
    sys.exit(0 if found.agreement.holds else 1)


def gate(version: str, directory: Directory = HERE, json: Json = False) -> None:
    """Judge a version against its baseline and the champion on held-out rows."""
    from lockgate.decide.judgement import worst

    found = opened(directory).gate(version)
    ruling = worst(v.ruling for v in found)
    if json:
        show.as_json(found)
    else:
        show.say(*show.verdict_lines(found))
        show.following(f"lockgate why {found[0].id}" if ruling == "fail" else f"lockgate rollout start {version}")
    sys.exit(show.EXIT[ruling])


def plan(version: str, directory: Directory = HERE, json: Json = False) -> None:
    """What a version's rollout would take: calls, days, the harm it can see, and what would never decide."""
    workspace = opened(directory)
    left = workspace.alpha_left(workspace.version(version).model)
    show.planned(workspace.plan(version), left, version, json=json)


def register(app: typer.Typer) -> None:
    for command in (train, gate, plan):
        app.command()(command)
