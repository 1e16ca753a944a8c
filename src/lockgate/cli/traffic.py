"""Traffic: rollouts, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lockgate.cli import ab as trial
from lockgate.cli import overrides, show
from lockgate.cli.drill import rehearse
from lockgate.cli.options import HERE, Directory, Json, opened

if TYPE_CHECKING:
    from lockgate.records import RolloutSpec
    from lockgate.workspace.workspace import Workspace

rollout_app = typer.Typer(help="Move traffic to a version, step by step.", no_args_is_help=True, rich_markup_mode=None)


@rollout_app.command("start")
def rollout_start(
    versions: Annotated[list[str], typer.Argument(metavar="VERSION...", help="One; of an A/B, each challenger.")],
    anyway: Annotated[bool, typer.Option("--anyway", help="Also where its plan would not decide in time.")] = False,
    dirty: Annotated[bool, typer.Option("--dirty", help="Also a version made from files nobody committed.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only the plan, and the alpha it spends; writes nothing.")
    ] = False,
    ladder: Annotated[str | None, typer.Option(help="Its steps: replay,shadow,0.05,1.0")] = None,
    deadline: Annotated[str | None, typer.Option(help="When it ends undecided, by event time: 30d")] = None,
    alpha: Annotated[float | None, typer.Option(help="Of its guardrails, and of its safe steps or arms.")] = None,
    prove: Annotated[str | None, typer.Option(help="What promotes: better, or 'not worse'.")] = None,
    guardrail: Annotated[list[str] | None, typer.Option(help="What may stop it; may be given again.")] = None,
    require_approval: Annotated[str | None, typer.Option(help="Steps entered once approved: 0.25,1.0")] = None,
    ab: Annotated[bool, typer.Option("--ab", help="A randomised A/B, not the ladder.")] = False,
    metric: Annotated[str | None, typer.Option(help="What decides an A/B: told by unit, or outcome.")] = None,
    direction: Annotated[str | None, typer.Option(help="Of an A/B: which way is good, up or down.")] = None,
    share: Annotated[list[float] | None, typer.Option(help="Of each challenger of an A/B; once for all.")] = None,
    horizon: Annotated[str | None, typer.Option(help="How long after its first call what a unit does counts.")] = None,
    covariate: Annotated[str | None, typer.Option(help="Of an A/B: a column, or champion_score.")] = None,
    per_call: Annotated[bool, typer.Option("--per-call", help="Every call is a unit of the A/B by itself.")] = False,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Begin at the foot of the ladder; a model's first version takes the traffic at once. lockgate.toml says what is left
    out. --ab: split units among arms.
    """
    said: dict[str, Any] = {"deadline": deadline, "alpha": alpha, "guardrails": guardrail or None}
    of_ladder: dict[str, Any] = {"ladder": ladder, "prove": prove, "require-approval": require_approval}
    of_ladder |= {"anyway": anyway or None}
    of_ab: dict[str, Any] = {
        "metric": metric,
        "direction": direction,
        "share": share or None,
        "horizon": horizon,
        "covariate": covariate,
        "per_call": per_call or None,
    }
    workspace = opened(directory)
    if ab:
        trial.refuse(of_ladder, "An A/B", "Leave it out, or leave out --ab.")
        if dry_run:
            trial.planned(workspace, versions, said | of_ab, dirty=dirty, json=json)
            return
        move = workspace.ab(versions, dirty=dirty, over=said | of_ab)
    else:
        trial.refuse(of_ab, "A ladder", "Ask for an A/B: --ab")
        version = trial.only(versions)
        spec = _policy(workspace, version, said, of_ladder)
        if dry_run:
            found = workspace.foretold(version, spec=spec, dirty=dirty)
            show.planned(found, workspace.alpha_left(workspace.version(version).model), version, json=json)
            return
        move = workspace.rollout(version, spec=spec, anyway=anyway, dirty=dirty)
    if json:
        show.as_json(move)
        return
    show.notes([*workspace.differences(move), *(trial.notes(workspace, move) if ab else ())])
    show.say(f"{move.kind}: {', '.join(versions)}. {move.reason}")
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


@rollout_app.command("result")
def rollout_result(
    rollout: str,
    out: Annotated[Path | None, typer.Option(help="FILE.csv, .parquet or .json.")] = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """What an A/B has shown so far: arms, intervals, slices, sample ratio."""
    trial.result(directory, rollout, out, json=json)


def _policy(workspace: Workspace, version: str, said: Mapping[str, Any], of_ladder: Mapping[str, Any]) -> RolloutSpec:
    """The model's policy with what is said otherwise."""
    from lockgate.decide.rungs import policy

    return policy(
        workspace.model(workspace.version(version).model).rollout,
        ladder_text=of_ladder["ladder"],
        require_approval=of_ladder["require-approval"],
        guardrails=said["guardrails"],
        deadline=said["deadline"],
        alpha=said["alpha"],
        prove=of_ladder["prove"],
    )


def rollback(
    model: str,
    to: Annotated[str | None, typer.Option(help="A version; else the champion before.")] = None,
    reason: Annotated[str, typer.Option(help="Why; it is written down.")] = "asked for at the command line",
    drill: Annotated[bool, typer.Option("--drill", help="Rehearse it; no caller is answered otherwise.")] = False,
    times: Annotated[int, typer.Option(min=1, help="How often a drill goes the way.")] = 20,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """All traffic back: from a rollout to the champion, else to the champion before; or a rehearsal of it."""
    workspace = opened(directory)
    if drill:
        rehearse(workspace, model, to=to, times=times, json=json)
        return
    move = workspace.rollback(model, to=to, reason=reason)
    if json:
        show.as_json(move)
        return
    name = workspace.version(move.to).short
    show.say(f"{name} holds the traffic of {model} again (routing revision {move.revision}).")
    show.following(f"lockgate why {move.id}")


def register(app: typer.Typer) -> None:
    overrides.register(rollout_app)
    app.add_typer(rollout_app, name="rollout")
    app.command()(rollback)
