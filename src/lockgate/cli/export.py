"""`lockgate export`: a version as one archive, and files for other people's monitoring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lockgate.cli import show
from lockgate.cli.options import HERE, Directory, Json, opened


class _OrVersion(TyperGroup):
    """`lockgate export VERSION FILE` is the short way of `lockgate export version VERSION FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["version", *args]
        return super().parse_args(ctx, args)


group = typer.Typer(
    cls=_OrVersion,
    help="What leaves: `lockgate export VERSION FILE` is short for `export version`; `export grafana` is for dashboards.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@group.command()
def version(
    version: str,
    file: Annotated[Path, typer.Argument(help="Where to write the archive.")],
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """One archive with a version, the baselines behind it, and their evidence."""
    written = opened(directory).export(version, file)
    if json:
        show.as_json({"file": str(written), "bytes": written.stat().st_size})
        return
    show.say(f"{version} and what stands behind it: {written} ({written.stat().st_size / 1e6:.1f} MB).")
    show.following(f"lockgate import {written} -C OTHER_PROJECT")


@group.command()
def grafana(
    out: Annotated[Path, typer.Option(help="The folder to write into; it is made where it is not there.")] = Path(
        "grafana"
    ),
    json: Json = False,
) -> None:
    """A Grafana dashboard and Prometheus alert rules over the series of /metrics; no workspace needed."""
    from lockgate.workspace.exporting import grafana as write

    dashboard, rules = write(out)
    if json:
        show.as_json({"dashboard": str(dashboard), "rules": str(rules)})
        return
    show.say(
        f"{dashboard}: in Grafana, Dashboards > New > Import; it asks for the Prometheus that scrapes /metrics.",
        f"{rules}: name it under rule_files in prometheus.yml.",
    )
    show.following(f"promtool check rules {rules}")


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="export")
