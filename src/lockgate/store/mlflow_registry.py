"""Versions in an MLflow registry, each with the model folder that any MLflow can load."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockgate.errors import Conflict, NotFound
from lockgate.records import Version
from lockgate.store import mlflow_folder
from lockgate.store.mlflow_place import FILES_S, MlflowPlace
from lockgate.store.mlflow_runs import fill
from lockgate.store.ports import Registered

if TYPE_CHECKING:
    from mlflow import MlflowClient

FOLDER = "model"  # where in a run's files the model folder lies
PAGE = 200
WAIT_S = 10


class MlflowRegistry:
    """The registry beside the runs."""

    def __init__(self, place: MlflowPlace) -> None:
        self._place = place

    def read(self, model: str) -> Registered:
        def ask(client: MlflowClient) -> Registered:
            found: Any = client.get_registered_model(model)
            aliases = {alias: str(number) for alias, number in found.aliases.items()}
            return Registered(_versions(client, model), aliases, dict(found.tags))

        try:
            return self._place.ask(ask)
        except NotFound:
            return Registered()

    def add(self, version: Version, folder: Path, *, description: str, tags: Mapping[str, str]) -> str:
        run = self._run(version)
        with tempfile.TemporaryDirectory(prefix="lockgate-model-") as scratch:
            made = Path(scratch) / FOLDER
            try:
                mlflow_folder.write(version.id, folder, made)
            except Exception as error:  # it is this version that cannot be shown; the next may be
                raise Conflict(f"{version.short} cannot be made an MLflow model: {error}") from error
            self._place.ask(lambda client: client.log_artifacts(run, str(made), FOLDER), answer_s=FILES_S)
        self._make_model(version.model)

        def register(client: MlflowClient) -> str:
            # The run's own address for its files: `runs:/` would be looked up on whatever server the reader talks to.
            source = f"{str(client.get_run(run).info.artifact_uri).rstrip('/')}/{FOLDER}"
            made = client.create_model_version(
                version.model, source, run_id=run, tags=dict(tags), description=description, await_creation_for=WAIT_S
            )
            return str(made.version)

        return self._place.ask(register)

    def tag(self, model: str, number: str, tags: Mapping[str, str]) -> None:
        def write(client: MlflowClient) -> None:
            for key, value in tags.items():
                client.set_model_version_tag(model, number, key, value)

        self._write(write)

    def tag_model(self, model: str, tags: Mapping[str, str]) -> None:
        def write(client: Any) -> None:
            for key, value in tags.items():
                client.set_registered_model_tag(model, key, value)

        self._write(write)

    def point(self, model: str, alias: str, number: str | None) -> None:
        def write(client: MlflowClient) -> None:
            if number is None:
                client.delete_registered_model_alias(model, alias)
            else:
                client.set_registered_model_alias(model, alias, number)

        self._write(write)

    def _write(self, write: Callable[[MlflowClient], None]) -> None:
        """A model or version that is not there is a refusal: who writes has read just before."""
        try:
            self._place.ask(write)
        except NotFound as error:
            raise Conflict(error.message) from error

    def _run(self, version: Version) -> str:
        """The version's run; one made now where the tracker was down in training, or is another today."""
        asked = version.lineage.run
        if asked is not None:
            try:
                self._place.ask(lambda client: client.get_run(asked))
            except NotFound:
                pass
            else:
                return asked

        def begin(client: MlflowClient) -> str:
            made_ms = int(version.made_s * 1000)
            run: str = client.create_run(
                self._place.experiment_of(client, version.model),
                run_name=version.name,
                start_time=made_ms,
            ).info.run_id
            parameters = {"role": version.role, "dataset": str(version.lineage.dataset), "train": version.lineage.train}
            tags = {"lockgate.model": version.model, "lockgate.version": version.id, "lockgate.late": "true"}
            fill(client, run, parameters, version.metrics, {}, tags)
            client.set_terminated(run, end_time=made_ms)
            return run

        return self._place.ask(begin)

    def _make_model(self, model: str) -> None:
        def make(client: MlflowClient) -> None:
            try:
                client.get_registered_model(model)
            except Exception:  # noqa: BLE001 - not there, or away: the next line finds out which
                client.create_registered_model(model, description=f"{model}, as Lockgate keeps it.")

        self._place.ask(make)


def _versions(client: MlflowClient, model: str) -> dict[str, Mapping[str, str]]:
    """Tags by number, the oldest first."""
    found: dict[str, Mapping[str, str]] = {}
    token: str | None = None
    while True:
        quoted = model.replace("'", "\\'")
        page: Any = client.search_model_versions(f"name='{quoted}'", max_results=PAGE, page_token=token)
        found |= {str(version.version): dict(version.tags) for version in page}
        token = page.token
        if not token:
            return dict(sorted(found.items(), key=lambda item: int(item[0])))
