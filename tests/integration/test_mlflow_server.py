"""A real MLflow server over HTTP: runs, versions, aliases, tags, fetching, loading; killed in the middle, and back."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from lockgate.errors import NotFound
from lockgate.features.columns import Columns
from lockgate.records import MlflowSpec, Routing, Version
from lockgate.runtime import folder
from lockgate.store.folders import Folders
from lockgate.store.memory import MemoryRecords
from lockgate.store.mlflow_models import fetch, own_version, pick
from lockgate.store.mlflow_place import MlflowPlace, ui_command
from lockgate.store.mlflow_registry import MlflowRegistry
from lockgate.store.mlflow_runs import MlflowRuns
from lockgate.workspace.mirror import mirror

ASK = """
import json, sys
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
print(json.dumps(model.predict(pd.read_json(sys.stdin, orient="split", dtype=False)).tolist()))
"""


@dataclass
class Mlflow:
    """`mlflow server` in a folder of its own, started as a person would."""

    home: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    command: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.home / "out").open("ab") as out:
            self.process = subprocess.Popen(
                self.command, cwd=self.home, stdout=out, stderr=out, start_new_session=True, env=environment()
            )
        give_up = time.monotonic() + 90
        while not self.is_up():
            assert self.process.poll() is None, (self.home / "out").read_text()
            assert time.monotonic() < give_up, (self.home / "out").read_text()
            time.sleep(0.1)

    def is_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """With its workers, and no word to them."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def get(self, path: str, **params: str) -> dict[str, Any]:
        told = httpx.get(f"{self.url}/api/2.0/mlflow/{path}", params=params, timeout=10)
        told.raise_for_status()
        return told.json()


def environment() -> dict[str, str]:
    """MLFLOW_SERVER_ENABLE_JOB_EXECUTION: processes for its own background jobs, which nothing here asks of it."""
    quiet = {"PYTHONWARNINGS": "ignore", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"} | quiet


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass
class World:
    """A workspace with one fitted version under several models' names."""

    records: MemoryRecords
    folders: Folders
    place: MlflowPlace
    version: Version

    def mirror(self, spec: MlflowSpec | None = None):
        return mirror(self.records, self.folders, MlflowRegistry(self.place), owner="here", spec=spec)

    def route(self, revision: int, champion: str, challenger: str | None = None) -> None:
        self.records.write(
            Routing(
                model=self.version.model,
                revision=revision,
                champion=champion,
                challenger=challenger,
                baseline=None,
                constant=0.2,
            )
        )


def world_of(fitted: tuple[Path, str], home: Path, place: MlflowPlace, model: str, run: str | None = None) -> World:
    made, version_id = fitted
    shutil.copytree(made, home / "copy")
    folders = Folders(home / "versions")
    folders.add(version_id, home / "copy")
    manifest = folder.verify(folders.path(version_id), version_id)
    version = Version(
        id=version_id,
        model=model,
        name="fitted",
        role="candidate",
        made_s=1_700_000_000.0,
        lineage=msgspec.structs.replace(manifest.lineage, run=run),
        metrics={"log_loss": 0.31},
        parity=None,
    )
    records = MemoryRecords()
    records.write(version)
    return World(records, folders, place, version)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, fitted: tuple[Path, str]) -> World:
    """A project whose runs and versions are in its own database, and shown by no server yet."""
    project = tmp_path_factory.mktemp("mlflow") / "project"
    home = project / ".lockgate"
    home.mkdir(parents=True)
    made = world_of(fitted, home, MlflowPlace.of(MlflowSpec(), project, home), "tide")
    made.route(1, made.version.id)
    assert made.mirror().problem is None
    return made


@pytest.fixture(scope="module")
def remote(project: World) -> Iterator[Mlflow]:
    """The printed command, run in the project's folder as a person would; other workspaces reach it over HTTP."""
    printed = ui_command(MlflowSpec(), ".lockgate")
    assert printed.endswith("mlflow ui --backend-store-uri sqlite:///.lockgate/mlflow.db --port 5000")
    port = str(free_port())
    words = printed.split("mlflow ")[1].replace("5000", port).split()
    server = Mlflow(
        Path(project.place.uri.removeprefix("sqlite:///")).parents[1],
        int(port),
        command=[sys.executable, "-m", "mlflow", *words, "--workers", "1"],
    )
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def world(fitted, tmp_path: Path, remote: Mlflow, request: pytest.FixtureRequest) -> World:
    return world_of(fitted, tmp_path, MlflowPlace(remote.url), request.node.name.split("[")[0][:60])


def asked(rows: int = 7) -> Columns:
    rng = np.random.default_rng(11)
    carriers = np.array(["AA", "UA"], dtype=object)
    return {
        "wait": rng.uniform(0, 10, rows),
        "seats": rng.integers(1, 500, rows).astype(float),
        "carrier": rng.choice(carriers, rows),
    }


def frame() -> Any:
    import pandas as pd

    columns = asked()
    return pd.DataFrame(columns | {"seats": columns["seats"].astype(np.int64), "more": "left alone"})


def own_answers(world: World) -> list[float]:
    columns = asked() | {"plane": np.full(7, None, dtype=object)}
    found = folder.load(world.folders.path(world.version.id), world.version.id).predict(columns)
    assert np.ptp(found.values) > 0.2
    return found.values.tolist()


def test_the_printed_command_shows_the_projects_own_runs_versions_aliases_and_tags(remote, project):
    assert httpx.get(remote.url, timeout=10).status_code == 200
    held = remote.get("registered-models/get", name="tide")["registered_model"]
    assert held["aliases"] == [{"alias": "champion", "version": "1"}]
    version = remote.get("model-versions/get", name="tide", version="1")["model_version"]
    assert {"key": "lockgate.version", "value": project.version.id} in version["tags"]
    run = remote.get("runs/get", run_id=version["run_id"])["run"]
    assert run["info"]["run_name"] == "fitted"
    files = httpx.get(
        f"{remote.url}/api/2.0/mlflow/artifacts/list",
        params={"run_id": version["run_id"], "path": "model"},
        timeout=10,
    ).json()["files"]
    assert "model/MLmodel" in [file["path"] for file in files]


def test_a_run_shows_parameters_metrics_curves_tags_and_files(remote, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "card.md").write_text("# A card")
    runs = MlflowRuns(MlflowPlace(remote.url, experiment="all models"))
    run = runs.log_run(
        model="late",
        name="trees",
        parameters={f"p{n}": "v" * 900 for n in range(150)},
        metrics={"log_loss": 0.3, "auc": float("nan")},
        folder=tmp_path / "files",
        curves={"train_loss": [(step, 1 / (1 + step)) for step in range(1200)]},
        tags={"lockgate.role": "candidate"},
    )
    assert (runs.problem, run is None) == (None, False)
    told = remote.get("runs/get", run_id=run)["run"]
    assert told["info"]["status"] == "FINISHED"
    assert told["info"]["run_name"] == "trees"
    assert len(told["data"]["params"]) == 150
    assert {m["key"] for m in told["data"]["metrics"]} == {"log_loss", "train_loss"}
    assert {"key": "lockgate.model", "value": "late"} in told["data"]["tags"]
    assert {"key": "lockgate.role", "value": "candidate"} in told["data"]["tags"]
    curve = remote.get("metrics/get-history", run_id=run, metric_key="train_loss", max_results="5000")["metrics"]
    assert (len(curve), curve[3]["step"], curve[3]["value"]) == (1200, 3, 0.25)
    assert [file["path"] for file in remote.get("artifacts/list", run_id=run)["files"]] == ["card.md"]
    named = remote.get("experiments/get-by-name", experiment_name="all models")["experiment"]
    assert told["info"]["experiment_id"] == named["experiment_id"]


def test_a_version_its_tags_and_its_alias_are_there_and_it_predicts_in_a_fresh_process(remote, world):
    world.route(1, world.version.id)
    did = world.mirror()
    assert (did.problem, did.could_not, did.proposals) == (None, (), ())
    model = world.version.model
    told = remote.get("registered-models/get", name=model)["registered_model"]
    assert told["aliases"] == [{"alias": "champion", "version": "1"}]
    held = remote.get("model-versions/get", name=model, version="1")["model_version"]
    tags = {tag["key"]: tag["value"] for tag in held["tags"]}
    assert tags["lockgate.version"] == world.version.id
    assert tags["lockgate.role"] == "candidate"
    assert "Held out: log_loss 0.31." in held["description"]
    assert remote.get("runs/get", run_id=held["run_id"])["run"]["data"]["metrics"][0]["value"] == 0.31
    body = frame().to_json(orient="split")
    argv = [sys.executable, "-c", ASK, remote.url, f"models:/{model}@champion"]
    answered = subprocess.run(
        argv, input=body, capture_output=True, text=True, check=False, timeout=90, env=environment()
    )
    assert answered.returncode == 0, answered.stderr
    np.testing.assert_allclose(json.loads(answered.stdout), own_answers(world), rtol=0, atol=1e-9)
    assert world.mirror() == ((), (), (), None)


def test_the_model_folder_says_what_it_takes_and_what_it_needs(remote, world, tmp_path):
    world.mirror()
    found = fetch(f"models:/{world.version.model}/1", into=tmp_path / "got", tracking_uri=remote.url)
    signature = json.loads(found.signature)
    assert [(c["name"], c["type"]) for c in json.loads(signature["inputs"])] == [
        ("wait", "double"),
        ("seats", "long"),
        ("carrier", "string"),
    ]
    assert json.loads(signature["outputs"])[0]["type"] == "double"
    assert {line.split("==")[0] for line in found.requirements} >= {"lockgate", "onnxruntime", "numpy", "pandas"}
    inner = own_version(found.folder)
    assert inner.name == world.version.id
    folder.verify(inner, world.version.id)
    assert pick(found.folder).format == "pyfunc"


def test_a_row_the_contract_refuses_is_refused_by_name_in_mlflow_too(remote, world):
    import mlflow

    world.mirror()
    rows = frame()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MLFLOW_TRACKING_URI", remote.url)
        model = mlflow.pyfunc.load_model(f"models:/{world.version.model}/1")
        rows.loc[2, "wait"] = np.nan
        with pytest.raises(Exception, match="Column 'wait' of row 2 is missing"):
            model.predict(rows)
        rows.loc[2, "wait"] = 3.0
        rows.loc[4, "seats"] = 900
        with pytest.raises(Exception, match="Column 'seats' of row 4 is above range"):
            model.predict(rows)


def test_mlflows_own_scoring_server_answers_with_the_versions_predictions(remote, world, tmp_path):
    """The application behind `mlflow models serve`, here in the same process."""
    from mlflow.pyfunc import load_model
    from mlflow.pyfunc.scoring_server import init

    world.mirror()
    found = fetch(f"models:/{world.version.model}/1", into=tmp_path / "got", tracking_uri=remote.url)
    application = httpx.ASGITransport(init(load_model(str(found.folder))))

    def invoked(body: dict[str, Any]) -> httpx.Response:
        async def post() -> httpx.Response:
            async with httpx.AsyncClient(transport=application, base_url="http://scoring") as client:
                return await client.post("/invocations", json=body)

        return asyncio.run(post())

    body = {"dataframe_split": json.loads(frame().drop(columns="more").to_json(orient="split", index=False))}
    told = invoked(body)
    assert told.status_code == 200, told.text
    np.testing.assert_allclose(told.json()["predictions"], own_answers(world), rtol=0, atol=1e-9)
    body["dataframe_split"]["data"][1][2] = None
    refused = invoked(body)
    assert refused.status_code == 400
    assert "Column 'carrier' of row 1 is missing" in refused.text


def test_an_alias_moved_in_mlflow_is_a_proposal_and_stays(remote, world):
    from mlflow import MlflowClient

    world.route(1, world.version.id)
    world.mirror()
    model = world.version.model
    client = MlflowClient(remote.url)
    source = client.get_model_version(model, "1")
    by_hand = client.create_model_version(model, source.source, run_id=source.run_id)
    client.set_registered_model_alias(model, "champion", by_hand.version)
    for _ in range(2):
        (proposal,) = world.mirror().proposals
        assert (proposal.number, proposal.version) == ("2", None)
        assert proposal.command == f"lockgate import models:/{model}/2 --model {model}"
    assert str(client.get_model_version_by_alias(model, "champion").version) == "2"


def test_a_name_that_is_not_there_is_not_found_and_leaves_nothing(remote, tmp_path):
    for uri in ("models:/nobody/1", "models:/nobody@champion", "runs:/0123/model", "models:/m-0123"):
        with pytest.raises(NotFound):
            fetch(uri, into=tmp_path / "got", tracking_uri=remote.url)
        assert not (tmp_path / "got").exists()


def test_a_server_that_takes_calls_and_never_answers_costs_some_seconds_once(monkeypatch):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(64)
        runs = MlflowRuns(MlflowPlace(f"http://127.0.0.1:{deaf.getsockname()[1]}"))
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
        start = time.monotonic()
        for _ in range(5):
            assert runs.log_run(model="late", name="x", parameters={}, metrics={}, folder=None) is None
        assert time.monotonic() - start < 15
        assert "could not be reached" in runs.problem


def test_killed_in_the_middle_everything_goes_on_and_the_next_mirror_catches_up(fitted, remote, tmp_path):
    """The last test of the file: the server is another process afterwards."""
    place = MlflowPlace(remote.url)
    runs = MlflowRuns(place)
    began = runs.log_run(model="outage", name="one", parameters={}, metrics={"a": 1.0}, folder=None)
    assert began is not None
    remote.kill()
    start = time.monotonic()
    assert runs.log_run(model="outage", name="two", parameters={}, metrics={"a": 1.0}, folder=None) is None
    assert runs.problem.startswith(f"MLflow at {remote.url} could not be reached")
    world = world_of(fitted, tmp_path, place, "outage")
    world.route(1, world.version.id)
    did = world.mirror()
    assert did.problem.startswith(f"MLflow at {remote.url} could not be reached")
    assert time.monotonic() - start < 5
    remote.start()
    did = world.mirror()
    assert did.problem is None
    assert [
        alias["alias"] for alias in remote.get("registered-models/get", name="outage")["registered_model"]["aliases"]
    ]
    assert runs.log_run(model="outage", name="three", parameters={}, metrics={"a": 1.0}, folder=None)
    assert runs.problem is None
