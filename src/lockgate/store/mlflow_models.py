"""Anybody's MLflow model, fetched as it is: nothing is written where it comes from."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lockgate.errors import NotFound, SpecError, StoreError
from lockgate.records import Library
from lockgate.store.mlflow_flavors import (
    CURE,
    LIBRARIES,
    MLMODEL,
    Picked,
    flavors_of,
    library_of,
    own_version,
    pick,
    read,
)
from lockgate.store.mlflow_place import FILES_S, MlflowPlace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["Fetched", "Picked", "fetch", "is_uri", "own_version", "pick"]

_RUN = re.compile(r"runs:/+([^/]+)/(.+)")
_LOGGED = re.compile(r"models:/+(m-[0-9a-f]+)")
_ALIAS = re.compile(r"models:/+([^/@:]+)@([^/@:]+)")
_NUMBER = re.compile(r"models:/+[^/@:]+/(\d+|latest)")


class Fetched(NamedTuple):
    """A model folder and where it came from.

    uri: as it was resolved, so that an alias that moves later does not change what it names. flavors: the words of MLmodel.
    signature: its JSON, None where there is none. libraries: who wrote it, the flavour's own first. run, model, number,
    alias, model_id: what MLflow knows of it, None where it does not.
    """

    folder: Path
    uri: str
    flavors: tuple[str, ...]
    signature: str | None
    requirements: tuple[str, ...]
    libraries: tuple[Library, ...]
    run: str | None = None
    model: str | None = None
    number: str | None = None
    alias: str | None = None
    model_id: str | None = None
    tags: Mapping[str, str] = {}


class _Source(NamedTuple):
    """What the name means, where its files lie, and what is known of it before they are fetched."""

    uri: str
    address: str
    run: str | None = None
    model: str | None = None
    number: str | None = None
    alias: str | None = None
    model_id: str | None = None
    tags: Mapping[str, str] = {}


def is_uri(name: str) -> bool:
    """Whether it names a model in MLflow, and not a path."""
    return name.startswith(("models:/", "runs:/"))


def fetch(uri: str, *, into: Path, tracking_uri: str | None = None, registry_uri: str | None = None) -> Fetched:
    """The model folder behind the name, copied into `into`, which may not exist yet; its own environment says which
    server is asked where no `tracking_uri` is given.

    Raises SpecError for a name that is none, NotFound where there is no such model, StoreError where MLflow is away.
    """
    if into.exists():
        raise SpecError(f"{into} exists already.", cure="Name a folder that is not there yet.")
    try:
        if is_uri(uri):
            folder, source = _downloaded(uri, into, tracking_uri, registry_uri)
        else:
            folder, source = _copied(Path(uri), into), _Source(uri, uri)
        return _described(folder, source)
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise


def _downloaded(uri: str, into: Path, tracking_uri: str | None, registry_uri: str | None) -> tuple[Path, _Source]:
    if not any(name.fullmatch(uri) for name in (_RUN, _LOGGED, _ALIAS, _NUMBER)):
        raise SpecError(f"{uri!r} names no MLflow model.", cure=CURE)
    place = _asked(tracking_uri, registry_uri)
    source = place.ask(lambda client: _resolved(client, uri))

    def download(_: MlflowClient) -> Path:
        from mlflow.artifacts import download_artifacts

        into.mkdir(parents=True)
        told = download_artifacts(
            artifact_uri=source.address,
            dst_path=str(into),
            tracking_uri=place.uri,
            registry_uri=place.registry_uri,
        )
        return Path(told)

    return place.ask(download, answer_s=FILES_S), source


def _asked(tracking_uri: str | None, registry_uri: str | None) -> MlflowPlace:
    """The server asked. A database that is not there is not made: MLflow itself would, in the current folder."""
    registry_uri = registry_uri or (os.environ.get("MLFLOW_REGISTRY_URI") if tracking_uri is None else None)
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    for name in (uri, registry_uri or uri):
        if name.startswith("sqlite:///") and not Path(name.removeprefix("sqlite:///")).exists():
            raise NotFound(
                f"There is no MLflow database at {name.removeprefix('sqlite:///')}.",
                cure='Say where MLflow is: MLFLOW_TRACKING_URI, or uri = "..." under [mlflow] in lockgate.toml.',
            )
    return MlflowPlace(uri, registry_uri=registry_uri)


def _resolved(client: MlflowClient, uri: str) -> _Source:
    """What the name means now, and where its files lie: MLflow would look for them by its global settings."""
    if run := _RUN.fullmatch(uri):
        return _of_run(client, uri, run[1], run[2])
    if logged := _LOGGED.fullmatch(uri):
        return _logged(client, uri, logged[1])
    if named := _ALIAS.fullmatch(uri):
        return _numbered(client, client.get_model_version_by_alias(named[1], named[2]), named[2])
    _, model, number = re.split("[:/]+", uri)
    if number != "latest":
        return _numbered(client, client.get_model_version(model, number))
    newest = max(_all(client, model), key=lambda version: int(version.version), default=None)
    if newest is None:
        raise NotFound(f"MLflow holds no version of {model!r}.")
    return _numbered(client, newest)


def _of_run(client: MlflowClient, uri: str, run: str, path: str) -> _Source:
    """A model logged under that name, as MLflow 3 keeps them; else the run's own files."""
    info = client.get_run(run).info
    models = client.search_logged_models([info.experiment_id], f"source_run_id = '{run}'")
    found = next((model for model in models if model.name == path), None)
    if found is None:
        return _Source(uri, f"{str(info.artifact_uri).rstrip('/')}/{path}", run=run)
    return _logged(client, uri, found.model_id)


def _logged(client: MlflowClient, uri: str, model_id: str) -> _Source:
    found = client.get_logged_model(model_id)
    return _Source(
        uri, str(found.artifact_location), run=found.source_run_id or None, model_id=model_id, tags=dict(found.tags)
    )


def _all(client: MlflowClient, model: str) -> list[ModelVersion]:
    return list(client.search_model_versions(f"name='{model}'"))


def _numbered(client: MlflowClient, found: ModelVersion, alias: str | None = None) -> _Source:
    address = client.get_model_version_download_uri(found.name, found.version)
    logged = _LOGGED.fullmatch(address)
    return _Source(
        f"models:/{found.name}/{found.version}",
        _logged(client, address, logged[1]).address if logged else address,
        run=found.run_id or None,
        model=found.name,
        number=str(found.version),
        alias=alias,
        model_id=logged[1] if logged else None,
        tags=dict(found.tags),
    )


def _copied(folder: Path, into: Path) -> Path:
    if not (folder / MLMODEL).is_file():
        raise NotFound(f"There is no MLflow model in {folder}: it has no {MLMODEL} file.", cure=CURE)
    try:
        shutil.copytree(folder, into)
    except (OSError, shutil.Error) as error:
        raise StoreError(f"The model in {folder} cannot be copied: {error}.") from error
    return into


def _described(folder: Path, source: _Source) -> Fetched:
    found = read(folder)
    flavors = flavors_of(found)
    signature = found.get("signature")
    requirements = folder / "requirements.txt"
    return Fetched(
        folder=folder,
        flavors=tuple(flavors),
        signature=None if signature is None else json.dumps(signature),
        requirements=tuple(requirements.read_text().split()) if requirements.is_file() else (),
        libraries=_libraries(found, flavors),
        uri=source.uri,
        run=source.run or found.get("run_id") or None,
        model=source.model,
        number=source.number,
        alias=source.alias,
        model_id=source.model_id or found.get("model_id") or None,
        tags=source.tags,
    )


def _libraries(found: Mapping[str, Any], flavors: Mapping[str, Mapping[str, Any]]) -> tuple[Library, ...]:
    own = [library_of(flavor, conf) for flavor, conf in flavors.items() if flavor in LIBRARIES]
    mlflow = found.get("mlflow_version")
    python = flavors.get("python_function", {}).get("python_version")
    told = [Library(name=name, version=str(v)) for name, v in (("mlflow", mlflow), ("python", python)) if v]
    return (*own, *told)
