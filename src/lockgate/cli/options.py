"""Options that several commands share, and what they open."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import polars as pl

    from lockgate.workspace.workspace import Workspace

Directory = Annotated[Path, typer.Option("--directory", "-C", envvar="LOCKGATE_PROJECT", help="The project's folder.")]
Json = Annotated[bool, typer.Option("--json", help="The record as JSON.")]
Separator = Annotated[str | None, typer.Option(help="Between the values of a CSV file; else a comma.")]
DecimalComma = Annotated[bool, typer.Option("--decimal-comma", help="In a CSV file 1,5 is one and a half.")]
Text = Annotated[
    list[str] | None, typer.Option(help="A CSV column of text that looks like numbers; may be given again.")
]
Columns = Annotated[
    str | None, typer.Option(help="A,B,...: what the model reads, in its order, where its file names none.")
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Also load code that the file names outside known model libraries.")
]
Seconds = Annotated[float, typer.Option(help="The most time that loading and judging may take.")]
Memory = Annotated[int, typer.Option("--memory-mb", help="The most memory that it may take.")]
HERE = Path()


def read_table(
    path: Path, separator: str | None = None, *, decimal_comma: bool = False, text: Sequence[str] | None = None
) -> pl.DataFrame:
    """The table of a file, in types that a contract knows. What was taken one way of several is said on standard error."""
    from lockgate.workspace.checking import Reading, frame

    found, notes = frame(path, Reading(separator=separator, decimal_comma=decimal_comma, text=tuple(text or ())))
    sys.stderr.write("".join(f"note: {note}\n" for note in notes))
    return found


def opened(directory: Path) -> Workspace:
    from lockgate.workspace.workspace import Workspace

    return Workspace.open(directory)
