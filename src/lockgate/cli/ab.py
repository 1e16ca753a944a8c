"""An A/B at the command line: begun, and its result shown or written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lockgate.cli import show
from lockgate.cli.options import opened
from lockgate.errors import SpecError

if TYPE_CHECKING:
    from lockgate.records import Move
    from lockgate.workspace.workspace import Workspace


def only(versions: Sequence[str]) -> str:
    """The one version of a ladder. Raises SpecError for several."""
    if len(versions) != 1:
        raise SpecError("A ladder moves one version.", cure="Name one; or compare several: --ab")
    return versions[0]


def refuse(said: Mapping[str, object], kind: str, cure: str) -> None:
    """Raises SpecError naming the first option that this kind of rollout does not know. said: by name; None is not said."""
    found = [name for name, value in said.items() if value is not None]
    if found:
        raise SpecError(f"{kind} knows no --{found[0].replace('_', '-')}.", cure=cure)


def notes(workspace: Workspace, move: Move) -> list[str]:
    """What a person should know who begins an A/B where pairs would do."""
    if workspace.model(move.model).outcomes.outcome_depends_on_prediction:
        return []
    return ["Outcomes do not depend on what is served here: pairs, the ladder without --ab, would tell sooner."]


def planned(
    workspace: Workspace, versions: Sequence[str], over: Mapping[str, object], *, dirty: bool, json: bool
) -> None:
    """What `--ab --dry-run` says; nothing is written."""
    from lockgate.records import Version
    from lockgate.report.ab_plan import lines

    found = workspace.ab_plan(versions, over=over, dirty=dirty)
    if json:
        show.as_json(found)
        return
    names = {version.id: version.short for version in workspace.wiring.records.all(Version)}
    show.say(*lines(found, names, left=workspace.alpha_left(found.rollout.model)))
    show.following(f"lockgate rollout start --ab {' '.join(versions)} ...")


def result(directory: Path, rollout: str, out: Path | None, *, json: bool) -> None:
    from lockgate.records import Version
    from lockgate.report.ab import lines
    from lockgate.workspace import ab

    workspace = opened(directory)
    found = workspace.ab_result(rollout)
    if out is not None:
        ab.write(found, out)
    if json:
        show.as_json(found)
        return
    names = {version.id: version.short for version in workspace.wiring.records.all(Version)}
    show.say(*lines(found, names))
    if out is not None:
        show.say(f"Written to {out}.")
    show.following(f"lockgate why {rollout}")
