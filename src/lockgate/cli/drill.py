"""`lockgate rollback MODEL --drill`: a bar for each time, then what came of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from lockgate.cli import show

if TYPE_CHECKING:
    from lockgate.records import Drill
    from lockgate.server.drill import Progress
    from lockgate.workspace.workspace import Workspace

WIDTH = 40
BLOCKS = " ▏▎▍▌▋▊▉█"


def rehearse(workspace: Workspace, model: str, *, to: str | None, times: int, json: bool) -> None:
    """Ends with exit 0 where the drill passed, else 1."""
    from lockgate.server.drill import drill
    from lockgate.workspace.opened import person

    found = drill(workspace, model, to=to, repetitions=times, by=person(), tell=_teller(is_drawn=not json))
    if json:
        show.as_json(found)
    else:
        _told(workspace, found)
    sys.exit(show.EXIT[found.ruling])


def _teller(*, is_drawn: bool) -> Callable[[Progress], None]:
    """Each time as a bar of up to a second, on standard output where it is the result, else a count of them on standard
    error.
    """

    def tell(told: Progress) -> None:
        if is_drawn:
            show.say(f"{told.done:>4}  {bar(told.took_ms):<{WIDTH}} {told.took_ms:5.0f} ms")
            sys.stdout.flush()
        else:
            sys.stderr.write(f"  {told.done} of {told.of}: {told.took_ms:.0f} ms\n")

    return tell


def bar(took_ms: float, longest_ms: float = 1000.0) -> str:
    """In eighths of a column; what is longer than `longest_ms` fills the width."""
    eighths = round(min(1.0, took_ms / longest_ms) * WIDTH * 8)
    return BLOCKS[8] * (eighths // 8) + BLOCKS[eighths % 8].strip()


def _told(workspace: Workspace, found: Drill) -> None:
    names = {version: workspace.version(version).short for version in (found.leaves, found.to)}
    show.say(
        f"{found.ruling.upper()}  {found.sentence}",
        f"  {names[found.leaves]} -> {names[found.to]}: from the verdict to routing at the last of {found.workers} "
        f"worker{'' if found.workers == 1 else 's'}{_figures(found)}",
        f"  calls during it {found.calls:,}; refused: {found.refused}; cut: {found.cut}; "
        f"by a wrong version: {found.astray}; by a fallback: {found.fell_back}",
    )
    show.following(f"lockgate why {found.id}")


def _figures(found: Drill) -> str:
    if found.median_ms is None:
        return ": not measured"
    return f": median {found.median_ms:.0f} ms, p99 {found.p99_ms:.0f} ms, worst {found.worst_ms:.0f} ms"
