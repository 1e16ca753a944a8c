"""`lockgate monitor sample`: a few calls to label, when inputs have drifted and outcomes are far."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockgate.cli import show
from lockgate.cli.options import HERE, Directory, Json, opened

if TYPE_CHECKING:
    from lockgate.records.spec import Task
    from lockgate.workspace.sampling import Sampled

_VALUES: dict[Task, str] = {
    "binary": "0 or 1",
    "multiclass": "the place of its class, 0 the first",
    "regression": "a number",
}


def sample(
    model: str,
    rows: Annotated[int, typer.Option(min=1, help="How many calls to draw.")] = 200,
    out: Annotated[Path, typer.Option(help="Where they go: FILE.csv or FILE.parquet.")] = Path("to_label.csv"),
    seed: Annotated[int, typer.Option(help="The same one draws the same calls.")] = 0,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Where no drift says where to look first: at random, of the last window.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Replace a file that is there already.")] = False,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Draw calls without an outcome for somebody to label, more of them where the drift is that stands."""
    from lockgate.workspace import sampling

    workspace = opened(directory)
    task = workspace.model(model).task
    sampling.refuse_out(out, is_again=again)
    event_s = workspace.event_s(model)
    found = sampling.sample(workspace.wiring, model, event_s=event_s, rows=rows, seed=seed, is_anyway=anyway)
    if found.table is not None:
        sampling.write(found.table, out, is_again=again)
    if json:
        show.as_json(found.told)
    else:
        _say(found.told, out, task)
    sys.exit(show.EXIT["fail" if found.table is None else "pass"])


def _say(told: Sampled, out: Path, task: Task) -> None:
    show.say(told.sentence)
    if told.left_out:
        show.say(f"  left out {told.left_out:,} calls logged without their inputs, or under another contract")
    if not told.rows:
        show.following(f"lockgate monitor report {told.model}")
        return
    show.say(
        f"They are in {out}. Fill in what came true, in value ({_VALUES[task]}), and when, in at (2026-01-31T12:00:00Z); "
        "leave the others empty; and send it back.",
    )
    show.following(f"lockgate outcomes {told.model} {out}")


def register(group: typer.Typer) -> None:
    group.command()(sample)
