"""What `lockgate why` does with a verdict's evidence beside telling it: make it again from the log, or draw it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lockgate.cli import show

if TYPE_CHECKING:
    from lockgate.workspace.workspace import Workspace


def replay(workspace: Workspace, name: str, *, json: bool) -> None:
    """Say whether the verdict comes out the same to the bit; exit 0 where it does, 1 where it does not."""
    found = workspace.again(name)
    if json:
        show.as_json(found)
    else:
        show.say(found.sentence)
        show.following(f"lockgate why {name}")
    sys.exit(0 if found.agrees else 1)


def draw(record: object, file: Path) -> None:
    """Raises SpecError for what is no verdict."""
    from lockgate.errors import SpecError
    from lockgate.records import Verdict
    from lockgate.report import drawing

    if not isinstance(record, Verdict):
        raise SpecError(f"A {type(record).__name__.lower()} has no evidence to draw.", cure="Name a verdict.")
    drawing.save(record, file)
    show.say(f"Drawn in {file}.")
