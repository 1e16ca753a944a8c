"""`retrain.run`: the user's own training. It is given the dataset's rows as a file, and must leave a registered version."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lockgate.errors import SpecError
from lockgate.features.pipeline import resolve
from lockgate.records import Dataset, ModelSpec, Version

if TYPE_CHECKING:
    from lockgate.workspace.workspace import Workspace

Progress = Callable[[str], None]
TABLE, MODEL, PROJECT = "{table}", "{model}", "{project}"
_SAID = 500  # characters of what a command said last


def run(workspace: Workspace, model: str, spec: ModelSpec, dataset: Dataset, progress: Progress) -> Version:
    """The newest candidate that it left. A function is called with the workspace and the file's path; in a command the words
    {table}, {model} and {project} are replaced. Raises SpecError where it fails, or leaves no version.
    """
    own, records = spec.retrain.run, workspace.wiring.records
    before = {version.id for version in records.all(Version, model)}
    with tempfile.TemporaryDirectory(prefix="lockgate-retrain-") as room:
        table = Path(room) / f"{model}.parquet"
        workspace.wiring.tables.read(dataset.ref).write_parquet(table)
        progress(f"running {own if isinstance(own, str) else ' '.join(own or ())}")
        if isinstance(own, str):
            resolve(own)(workspace, table)
        else:
            _command(workspace, own or (), {TABLE: str(table), MODEL: model})
    made = [v for v in records.all(Version, model) if v.id not in before and v.role == "candidate"]
    if not made:
        raise SpecError(
            f"retrain.run of {model} ended and left no version.",
            cure=f"Let it register what it trained: lockgate import FILE --model {model}",
        )
    return made[-1]


def _command(workspace: Workspace, words: tuple[str, ...], known: dict[str, str]) -> None:
    project = workspace.wiring.project
    known = known | {PROJECT: str(project)}
    command = [known.get(word, word) for word in words]
    environment = os.environ | {"LOCKGATE_PROJECT": str(project)}
    try:
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        raise SpecError(
            f"retrain.run cannot be started: {error}.", cure="Name a program that is on the path."
        ) from error
    sys.stderr.write(done.stderr)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-_SAID:]
        raise SpecError(f"retrain.run ended with exit code {done.returncode}: {said}")
