"""What each feature of a version costs, and what the model loses without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lockgate.cli import show
from lockgate.cli.options import HERE, Directory, Json, opened

if TYPE_CHECKING:
    from lockgate.records.feature_worth import FeatureTable


def features(
    version: Annotated[str, typer.Argument(help="A version, by its short name or id.")],
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Shuffle each feature instead of training without it; for models from elsewhere."),
    ] = False,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Each feature's cost, how often it is missing, and what the model loses without it on held-out rows."""
    workspace = opened(directory)
    found = workspace.features(version, quick=quick, progress=show.progress())
    if json:
        show.as_json(found)
        return
    show.say(*_lines(found), found.sentence)
    show.following(f"lockgate why {version}")


def _lines(found: FeatureTable) -> list[str]:
    wide = max(7, *(len(one.name) for one in found.features))
    lost = f"{found.metric} without it"
    lines = [
        f"{found.method} on {found.rows:,} held-out rows; {found.blocks} {found.by}s as blocks",
        f"{'feature':<{wide}}  {'kind':<9}  {'one row us':>10}  {'batch us':>8}  {'missing':>7}  {lost}",
    ]
    for one in sorted(found.features, key=lambda feature: -(feature.loses or 0.0)):
        told = "nothing is left" if one.loses is None else f"{one.loses:+.5f} [{one.low:+.5f}, {one.high:+.5f}]"
        also = f"  with {', '.join(one.gone[1:])}" if len(one.gone) > 1 else ""
        costs = f"{one.one_row_us:>10.2f}  {one.batch_us:>8.3f}  {one.missing:>7.1%}"
        lines.append(f"{one.name:<{wide}}  {one.kind:<9}  {costs}  {told}{also}")
    return lines


def register(app: typer.Typer) -> None:
    app.command()(features)
