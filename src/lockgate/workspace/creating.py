"""A workspace from nothing: its configuration and its databases, or nothing at all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from lockgate.errors import Conflict, StoreError
from lockgate.records import WorkspaceSpec
from lockgate.workspace import config
from lockgate.workspace.wire import wire

Progress = Callable[[str], None]


def create(directory: Path, text: str, progress: Progress = lambda _: None) -> Path:
    """A new workspace in `directory`: lockgate.toml and the databases, MLflow's among them.

    Raises Conflict where there is one already; ConfigError before anything is written where the text is wrong.
    """
    from lockgate.store.mlflow_runs import prepare

    file = directory / config.FILE
    if file.exists():
        raise Conflict(f"There is a workspace in {directory} already.", cure="Open it: lockgate status")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        spec = config.read(file)
        progress("the run tracker's database (the first time on a machine this takes half a minute)")
        wiring = wire(directory.resolve(), spec, time.time)
        if spec.mlflow.uri is None:
            prepare(wiring.home / "mlflow.db")
    except BaseException as error:
        file.unlink(missing_ok=True)
        shutil.rmtree(directory / WorkspaceSpec().directory, ignore_errors=True)
        if isinstance(error, OSError):
            raise StoreError(
                f"No workspace can be made in {directory}: {error}.", cure="Free some room there."
            ) from error
        raise
    return file
