"""A bar for work over a table's rows: rows a second and the time left, on a terminal alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    from lockgate.workspace.scoring import Progress as Told

Tell = Callable[["Told"], None]


@contextmanager
def rows(what: str) -> Generator[Tell]:
    """Told how far the work is, it draws; where nobody looks it says once where work goes on, and nothing more."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        _rows_column(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=1.0, rows=0, first=0)

        def tell(told: Told) -> None:
            if told.is_resumed:
                console.print(f"  resuming at row {told.row + 1:,}", highlight=False)
                bar.update(task, first=told.row)
            else:
                bar.update(task, completed=told.done, rows=told.row)

        yield tell


def _rows_column() -> ProgressColumn:
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Rows(ProgressColumn):
        """How many so far, and how many a second of this run."""

        def render(self, task: Task) -> Text:
            seen, elapsed_s = task.fields["rows"], task.elapsed or 0.0
            pace = (seen - task.fields["first"]) / elapsed_s if seen and elapsed_s else 0.0
            return Text(f"{seen:,} rows, {pace:,.0f}/s", style="dim")

    return Rows()
