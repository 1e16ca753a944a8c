"""Where MLflow is, and how to ask it without waiting long for one that is down."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import socket
import sys
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from lockgate.errors import Conflict, LockgateError, NotFound, StoreError
from lockgate.records.spec import MlflowSpec

if TYPE_CHECKING:
    from mlflow import MlflowClient

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")

T = TypeVar("T")
KNOCK_S = 2.0  # a server that takes longer to open its door is called down
ANSWER_S, FILES_S = 10, 120  # between two bytes of an answer, and while files go over
SLOW_S, REST_S = 1.0, 30.0  # a server that was this slow to fail is left alone for so long
_REFUSALS = frozenset(
    {"INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "PERMISSION_DENIED", "INVALID_STATE", "UNAUTHENTICATED"}
)


class MlflowPlace:
    """A tracking server or database, and its registry.

    artifacts: where new experiments keep their files, None for where the server says. experiment: one for every model,
    None for one each. Not for several threads at once.
    """

    def __init__(
        self,
        uri: str,
        *,
        registry_uri: str | None = None,
        artifacts: Path | None = None,
        experiment: str | None = None,
    ) -> None:
        self.uri, self.registry_uri = uri, registry_uri or uri
        self.artifacts, self.experiment = artifacts, experiment
        self._client: MlflowClient | None = None
        self._resting: tuple[float, StoreError] | None = None

    @classmethod
    def of(cls, spec: MlflowSpec, project: Path, home: Path) -> MlflowPlace:
        """What `[mlflow]` says; a path in it is the project's. home: the workspace's own folder."""
        if spec.uri is None:
            uri, artifacts = f"sqlite:///{(home / 'mlflow.db').resolve().as_posix()}", home / "artifacts"
        else:
            uri, artifacts = located(spec.uri, project), None
        registry = None if spec.registry_uri is None else located(spec.registry_uri, project)
        return cls(uri, registry_uri=registry, artifacts=artifacts, experiment=spec.experiment)

    def ask(self, question: Callable[[MlflowClient], T], *, answer_s: int = ANSWER_S) -> T:
        """What MLflow answers; `answer_s` bounds each wait for it.

        Raises StoreError where it cannot be reached, Conflict where it refuses, NotFound where it holds no such thing.
        """
        if self._resting is not None and time.monotonic() < self._resting[0]:
            raise self._resting[1]
        began, self._resting = time.monotonic(), None
        try:
            for uri in dict.fromkeys((self.uri, self.registry_uri)):
                _knock(uri)
            with bounded(answer_s):
                return question(self._open())
        except LockgateError:  # the question's own answer
            raise
        except Exception as error:  # whatever it raises is told in our words, and stops nothing
            told = self._told(error)
            if isinstance(told, StoreError) and time.monotonic() - began > SLOW_S:
                self._resting = (time.monotonic() + REST_S, told)
            raise told from error

    def experiment_of(self, client: MlflowClient, model: str) -> str:
        """The id of the experiment that a model's runs belong to, made where there is none."""
        name = self.experiment or model
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        place = self.artifacts.resolve().as_uri() if self.artifacts else None
        return str(client.create_experiment(name, artifact_location=place))

    def _open(self) -> MlflowClient:
        if self._client is None:
            _migrated(self.uri)
            _migrated(self.registry_uri)
            self._client = client(self.uri, self.registry_uri)
        return self._client

    def _told(self, error: Exception) -> StoreError | Conflict | NotFound:
        code, said = getattr(error, "error_code", None), _line(error)
        for uri in (self.uri, self.registry_uri):
            secret = urlsplit(uri).password
            said = said.replace(secret, "***") if secret else said
        if code == "RESOURCE_DOES_NOT_EXIST":
            return NotFound(f"MLflow at {shown(self.uri)} holds no such thing: {said}")
        if code in _REFUSALS:
            return Conflict(f"MLflow at {shown(self.uri)} refused: {said}")
        return StoreError(f"MLflow at {shown(self.uri)} could not be reached: {said}")


def client(uri: str, registry_uri: str | None = None) -> MlflowClient:
    """A client with its log lines kept to errors. Costs the import of mlflow, which is that of pandas and scikit-learn."""
    with warnings.catch_warnings():
        # of mlflow's own functions, while it is imported: nothing that a caller could mend
        warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType", category=UserWarning)
        from mlflow import MlflowClient

    quiet()
    return MlflowClient(tracking_uri=uri, registry_uri=registry_uri or uri)


def quiet() -> None:
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def bounded(answer_s: int = ANSWER_S) -> Generator[None]:
    """MLflow's own patience is some minutes: seven tries of two minutes each. What a person has set stands."""
    bounds = {
        "MLFLOW_HTTP_REQUEST_TIMEOUT": answer_s,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": 1,
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": 1,
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # our commands print records there
    }
    ours = {name: str(value) for name, value in bounds.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def located(uri: str, project: Path) -> str:
    """An address with the paths in it made the project's; others as they are."""
    if uri.startswith("sqlite:///"):
        return f"sqlite:///{(project / uri.removeprefix('sqlite:///')).resolve().as_posix()}"
    if "://" in uri or uri.split(":", 1)[0] in ("databricks", "databricks-uc", "uc", "file"):
        return uri
    return (project / uri).resolve().as_uri()


def shown(uri: str) -> str:
    """The address without the password in it."""
    parts = urlsplit(uri)
    return uri if parts.password is None else uri.replace(f":{parts.password}@", ":***@", 1)


def ui_command(spec: MlflowSpec, directory: str, port: int = 5000) -> str:
    """What a person types in the project's folder to see runs and versions; the address where a server shows them
    already. directory: the workspace's own folder, as the configuration names it.
    """
    uri = spec.uri or f"sqlite:///{directory}/mlflow.db"
    if urlsplit(uri).scheme in ("http", "https") or uri.startswith("databricks"):
        return shown(uri)
    registry = [] if spec.registry_uri in (None, uri) else ["--registry-store-uri", str(spec.registry_uri)]
    command = shlex.join(["mlflow", "ui", "--backend-store-uri", uri, *registry, "--port", str(port)])
    return command if sys.platform == "win32" else f"MLFLOW_DISABLE_TELEMETRY=true {command}"


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

    quiet()
    make: Any = SqlAlchemyStore
    make(f"sqlite:///{database}", str(database.parent / "artifacts"))


def _migrated(uri: str) -> None:
    """A SQLite file that is not there yet is copied from the template: MLflow itself would migrate for half a minute."""
    if uri.startswith("sqlite:///"):
        database = Path(uri.removeprefix("sqlite:///"))
        if not database.exists():
            prepare(database)


def _knock(uri: str) -> None:
    """Raises OSError where nobody listens: it costs no import of mlflow, and no more than KNOCK_S."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        return
    if parts.scheme in getproxies() and not proxy_bypass(parts.hostname):
        return  # the way leads over a proxy, whose door says nothing of the server behind it
    port = parts.port or (443 if parts.scheme == "https" else 80)
    socket.create_connection((parts.hostname, port), timeout=KNOCK_S).close()


def _line(error: Exception) -> str:
    """An error's first line, bounded: MLflow quotes whole pages."""
    text = str(error).strip() or repr(error)
    return text.splitlines()[0][:300]
