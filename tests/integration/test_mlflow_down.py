"""The run tracker is a neighbour: when it is away, versions are made all the same, and it is said."""

from __future__ import annotations

import socket
from dataclasses import replace

from lockgate.records import Verdict, Version
from lockgate.store.mlflow_place import MlflowPlace
from lockgate.store.mlflow_runs import MlflowRuns
from lockgate.workspace.workspace import Workspace


def test_training_with_a_broken_tracker_makes_a_version_and_says_so(workshop):
    (workshop.home / "mlflow.db").write_bytes(b"this is no database " * 100)
    ran = workshop.run("train", "tide", "--name", "lonely")
    assert ran.returncode == 0, ran.stderr
    assert "note: MLflow at sqlite:///" in ran.stdout
    assert "could not be reached" in ran.stdout
    workspace = workshop.open()
    version = next(v for v in workspace.wiring.records.all(Version) if v.name == "lonely")
    assert version.lineage.run is None
    assert workspace.wiring.predictor(version.id).engine_name == "onnx"


def test_a_server_that_refuses_the_connection_holds_nothing_up(workshop, monkeypatch):
    with socket.socket() as taken:  # bound and not listening: a connection is refused at once
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        tracker = MlflowRuns(MlflowPlace(uri))
        workspace = Workspace(replace(workshop.open().wiring, tracker=tracker))
        made = workspace.train("tide", name="lonely")
    assert made.lineage.run is None
    assert tracker.problem.startswith(f"MLflow at {uri} could not be reached")
    assert {v.ruling for v in workspace.gate(made)} <= {"pass", "undecided"}
    assert workspace.wiring.records.all(Verdict, "tide")[-1].subject[0] == made.id


def test_with_the_tracker_there_the_run_is_named_in_the_lineage(built):
    workspace = built.open()
    version = workspace.version(built.versions["trees"])
    assert version.lineage.run
    assert workspace.wiring.tracker.problem is None
