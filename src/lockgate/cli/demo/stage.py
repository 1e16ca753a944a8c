"""How the demo speaks, and how it keeps its word: each beat says what happened, the figure, and where to look closer."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console


class Stage:
    """Prints beats, and remembers the claims that did not hold."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._console = Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._beat = 0
        self.broken: list[str] = []

    def beat(self, title: str) -> None:
        self._beat += 1
        self._console.print(f"\n[bold]{self._beat:>2}. {title}[/bold]  [dim]{self.elapsed_s:.0f} s[/dim]")

    def say(self, text: str) -> None:
        self._console.print(f"    {text}", markup=False)

    def look(self, command: str) -> None:
        self._console.print(f"    [dim]look closer:[/dim] {command} -C {self._directory}")

    def claim(self, holds: bool, text: str) -> None:
        """A figure that must be so: printed either way, and the demo fails at the end where it is not."""
        if holds:
            self._console.print(f"    [green]✓[/green] {text}")
        else:
            self.broken.append(text)
            self._console.print(f"    [red]✗ does not hold:[/red] {text}")

    def not_yet(self, text: str) -> None:
        self._console.print(f"    [yellow]not yet:[/yellow] {text}")

    @contextmanager
    def doing(self, what: str) -> Generator[None]:
        """Long work, with a spinner under a terminal and a line elsewhere."""
        if self._console.is_terminal:
            with self._console.status(what):
                yield
        else:
            sys.stdout.write(f"    {what} ...\n")
            sys.stdout.flush()
            yield

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began
