"""Runs in MLflow: a neighbour, not the ground. When it is down, training goes on and says so."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")


class MlflowRuns:
    """Writes to a tracking server or a SQLite file."""

    def __init__(self, uri: str, artifacts: Path | None = None) -> None:
        self._uri = uri
        self._artifacts = artifacts
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        return self._problem

    def log_run(
        self, *, model: str, name: str, parameters: Mapping[str, str], metrics: Mapping[str, float], folder: Path | None
    ) -> str | None:
        try:
            return self._log_run(model, name, parameters, metrics, folder)
        except Exception as error:  # noqa: BLE001 - whatever the tracker raises, the version is made all the same
            self._problem = f"MLflow at {self._uri} could not be reached: {error}"
            return None

    def _log_run(
        self, model: str, name: str, parameters: Mapping[str, str], metrics: Mapping[str, float], folder: Path | None
    ) -> str:
        from mlflow.entities import Metric, Param, RunTag

        client = self._client()
        experiment = client.get_experiment_by_name(model)
        place = self._artifacts.resolve().as_uri() if self._artifacts else None
        number = experiment.experiment_id if experiment else client.create_experiment(model, artifact_location=place)
        run: str = client.create_run(number, run_name=name).info.run_id
        now_ms = 0
        client.log_batch(
            run,
            metrics=[Metric(key, value, now_ms, 0) for key, value in metrics.items() if value == value],
            params=[Param(key, value[:500]) for key, value in parameters.items()],
            tags=[RunTag("lockgate.model", model)],
        )
        if folder is not None:
            client.log_artifacts(run, str(folder))
        client.set_terminated(run)
        return run

    def _client(self) -> MlflowClient:
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)


def template() -> Path:
    """Where a migrated, empty database of this MLflow is kept: its first migration takes 10 to 30 s."""
    return Path(sys.prefix) / "share" / "lockgate" / f"mlflow-{version('mlflow')}.db"


def prepare(database: Path) -> None:
    """A migrated database at `database`, copied from the template; the first time ever, the template is made."""
    database.parent.mkdir(parents=True, exist_ok=True)
    if not template().exists() and not make_template():
        _migrate(database)
        return
    shutil.copyfile(template(), database)


def make_template() -> bool:
    """Migrate once for every workspace to come; false where the installation cannot be written to."""
    kept = template()
    fresh = kept.with_suffix(f".{os.getpid()}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        fresh.touch()
    except OSError:
        return False
    _migrate(fresh)
    fresh.replace(kept)
    return True


def _migrate(database: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    make: Any = SqlAlchemyStore
    make(f"sqlite:///{database}", str(database.parent / "artifacts"))


if __name__ == "__main__":
    if not template().exists():
        make_template()
