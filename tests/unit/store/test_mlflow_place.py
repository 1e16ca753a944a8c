"""Where MLflow is: what the configuration means, what is printed, and how long a server that is away may hold us up."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from lockgate.errors import NotFound, SpecError, StoreError
from lockgate.records import MlflowSpec
from lockgate.store.mlflow_models import own_version, pick
from lockgate.store.mlflow_place import MlflowPlace, bounded, located, shown, ui_command


def test_left_out_it_is_a_database_in_the_workspaces_own_folder(tmp_path):
    place = MlflowPlace.of(MlflowSpec(), tmp_path, tmp_path / ".lockgate")
    assert place.uri == place.registry_uri == f"sqlite:///{tmp_path}/.lockgate/mlflow.db"
    assert place.artifacts == tmp_path / ".lockgate" / "artifacts"


def test_a_server_says_itself_where_files_go(tmp_path):
    spec = MlflowSpec(uri="http://host:5000", registry_uri="http://other:5000", experiment="all")
    place = MlflowPlace.of(spec, tmp_path, tmp_path)
    assert (place.uri, place.registry_uri) == ("http://host:5000", "http://other:5000")
    assert (place.artifacts, place.experiment) == (None, "all")


@pytest.mark.parametrize(
    ("uri", "meant"),
    [
        ("sqlite:///runs.db", "sqlite:////project/runs.db"),
        ("sqlite:////else/runs.db", "sqlite:////else/runs.db"),
        ("mlruns", "file:///project/mlruns"),
        ("file:///else/mlruns", "file:///else/mlruns"),
        ("postgresql://host/runs", "postgresql://host/runs"),
        ("databricks://profile", "databricks://profile"),
        ("databricks", "databricks"),
    ],
)
def test_a_path_is_the_projects(uri, meant):
    assert located(uri, Path("/project")) == meant


@pytest.mark.parametrize("alias", ["latest", "v3", "V12", "a b", "", "a/b"])
def test_an_alias_that_mlflow_keeps_for_itself_is_refused(alias):
    with pytest.raises(SpecError, match="MLflow takes no alias"):
        MlflowSpec(champion=alias)


def test_two_roles_cannot_share_an_alias():
    with pytest.raises(SpecError, match="cannot share the alias 'prod'"):
        MlflowSpec(champion="prod", challenger="prod")


def test_the_command_is_what_a_person_types_in_the_projects_folder():
    assert ui_command(MlflowSpec(), ".lockgate").endswith(
        "mlflow ui --backend-store-uri sqlite:///.lockgate/mlflow.db --port 5000"
    )
    assert ui_command(
        MlflowSpec(uri="sqlite:///my runs.db", registry_uri="sqlite:///r.db"), ".lockgate", 6000
    ).endswith("mlflow ui --backend-store-uri 'sqlite:///my runs.db' --registry-store-uri sqlite:///r.db --port 6000")
    assert ui_command(MlflowSpec(uri="https://me:secret@host/mlflow"), ".lockgate") == "https://me:***@host/mlflow"


def test_a_password_is_not_shown():
    assert shown("https://me:secret@host/mlflow") == "https://me:***@host/mlflow"
    assert shown("sqlite:///a.db") == "sqlite:///a.db"


def test_patience_is_bounded_for_our_own_questions_alone_and_what_a_person_set_stands(monkeypatch):
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")
    with bounded(9):
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "9"
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "4"
    assert "MLFLOW_HTTP_REQUEST_TIMEOUT" not in os.environ
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "4"


def test_a_server_whose_door_is_shut_is_known_at_once_and_its_password_is_not_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        place = MlflowPlace(f"http://me:secret@127.0.0.1:{port}")
        start = time.monotonic()
        with pytest.raises(StoreError, match=f"MLflow at http://me:\\*\\*\\*@127.0.0.1:{port} could not be reached"):
            place.ask(lambda client: client.get_run("x"))
        assert time.monotonic() - start < 1


def model(folder: Path, text: str, *files: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "MLmodel").write_text(text)
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def test_a_folder_that_brings_its_own_code_is_taken_whole(tmp_path):
    text = "flavors:\n  sklearn: {pickled_model: model.pkl, code: code, sklearn_version: 1.2}\n  python_function: {}\n"
    picked = pick(model(tmp_path, text, "model.pkl"))
    assert (picked.format, picked.file) == ("pyfunc", tmp_path)
    assert picked.library.name == "scikit-learn"


def test_a_torch_model_is_torchscript_only_where_the_archive_carries_its_code(tmp_path):
    from zipfile import ZipFile

    text = "flavors:\n  pytorch: {model_data: data, pytorch_version: 2.1}\n  python_function: {}\n"
    folder = model(tmp_path, text, "data/x")
    with ZipFile(folder / "data" / "model.pth", "w") as archive:
        archive.writestr("model/data.pkl", b"")
    assert pick(folder).format == "pyfunc"
    with ZipFile(folder / "data" / "model.pth", "w") as archive:
        archive.writestr("model/code/__torch__.py", b"")
    picked = pick(folder)
    assert (picked.format, picked.file, picked.library.version) == ("torchscript", folder / "data" / "model.pth", "2.1")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("flavors:\n  sklearn: {pickled_model: ../../secret.pkl}\n", "lies outside the folder"),
        ("flavors:\n  sklearn: {pickled_model: model.pkl}\n", "which is not there"),
        ("flavors:\n  lightgbm: {}\n", "names no file"),
        ("flavors:\n  spacy: {data: x}\n", "no flavour that Lockgate loads: spacy"),
        ("[1, 2", "cannot be read"),
        ("- a\n- b\n", "it holds a list"),
        ("flavors: 3\n", "no flavour that Lockgate loads: none"),
    ],
)
def test_an_mlmodel_that_is_wrong_is_refused_with_what_is_wrong(tmp_path, text, says):
    (tmp_path.parent / "secret.pkl").write_bytes(b"x")
    with pytest.raises(SpecError, match=says):
        pick(model(tmp_path / "model", text))


def test_mlmodel_is_read_as_data_and_runs_nothing(tmp_path):
    text = f"flavors: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n"
    with pytest.raises(SpecError, match="cannot be read"):
        pick(model(tmp_path / "model", text))
    assert not (tmp_path / "made").exists()


def test_a_folder_that_is_no_model_is_not_found(tmp_path):
    from lockgate.store.mlflow_models import fetch

    with pytest.raises(NotFound, match="has no MLmodel file"):
        fetch(str(tmp_path), into=tmp_path / "got")
    assert own_version(model(tmp_path, "flavors:\n  python_function: {loader_module: other}\n")) is None
