"""`lockgate alarms`: those that are open, and what a person says of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from lockgate.cli import show
from lockgate.cli.options import HERE, Directory, Json, opened
from lockgate.cli.overrides import By, Reason

if TYPE_CHECKING:
    from lockgate.records import Acknowledgement, Alarm, AlarmLife

Id = Annotated[str, typer.Argument(metavar="ID", help="Of an alarm that is open; lockgate alarms lists them.")]


class _OrList(TyperGroup):
    """`lockgate alarms`, and with a MODEL, is the short way of `lockgate alarms ls`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["ls", *args]
        return super().parse_args(ctx, args)


group = typer.Typer(
    cls=_OrList,
    help="Alarms that are open. `lockgate alarms [MODEL]` is short for `alarms ls`.",
    rich_markup_mode=None,
)


@group.command()
def ls(
    model: Annotated[str | None, typer.Argument(help="Of this model alone, and of what concerns every model.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Also what is over, and notes: all that was ever told.")] = False,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Alarms that are open: how urgent, since when, what it is, who is at it, and the next command."""
    workspace = opened(directory)
    if all_:
        told = workspace.alarms_told(model)
        if json:
            show.as_json(told)
            return
        show.say(*(_told_line(alarm) for alarm in told))
        show.following("lockgate alarms")
        return
    found = workspace.alarms(model)
    if json:
        show.as_json(found)
        return
    if not found:
        show.say("No alarm is open.")
        show.following("lockgate status")
        return
    for life in found:
        show.say(*_lines(life))
    show.following(next((life.next for life in found if life.acknowledged is None), "lockgate status"))


@group.command()
def ack(alarm: Id, reason: Reason, by: By = None, directory: Directory = HERE, json: Json = False) -> None:
    """Somebody is at it: nobody is told again for as long as it lasts, unless it gets graver."""
    _said(opened(directory).acknowledge(alarm, reason=reason, by=by), json=json)


@group.command()
def snooze(
    alarm: Id,
    for_: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 1d.")],
    reason: Reason,
    by: By = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Nobody is told again for a while; where it lasts after that, it is told once more."""
    _said(opened(directory).snooze(alarm, until=for_, reason=reason, by=by), json=json)


def _said(made: Acknowledgement, *, json: bool) -> None:
    from lockgate.report.why import acknowledgement_lines

    if json:
        show.as_json(made)
        return
    show.say(*acknowledgement_lines(made))
    show.following("lockgate alarms")


def _lines(life: AlarmLife) -> list[str]:
    from lockgate.report.why import acknowledgement_lines
    from lockgate.report.words import when

    about = f", {life.about}" if life.about else ""
    often = f", raised {life.times:,} times" if life.times > 1 else ""
    lines = [
        f"{life.severity}  {life.id}  {life.model}: {life.cause}{about}, since {when(life.since_s)}{often}",
        f"  {life.sentence}",
        f"  next: {life.next}",
    ]
    if life.acknowledged is not None:
        lines.append(f"  {'; '.join(acknowledgement_lines(life.acknowledged))}")
    return lines


def _told_line(alarm: Alarm) -> str:
    from lockgate.report.words import when

    what = f"over ({alarm.of})" if alarm.is_over else alarm.severity
    return f"{when(alarm.at_s)}  {what}  {alarm.id}  {alarm.model}: {alarm.cause}: {alarm.sentence}"


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="alarms")
