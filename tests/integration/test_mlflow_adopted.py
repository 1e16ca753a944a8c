"""A registry that plain MLflow wrote: each flavour is fetched with the framework's own file, and nothing there changes."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from lockgate.errors import NotFound, SpecError
from lockgate.store.mlflow_models import fetch, own_version, pick
from lockgate.store.mlflow_place import prepare

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = (X[:, 0] + 0.3 * RNG.normal(size=120) > 0).astype(int)


@dataclass
class Elsewhere:
    """Somebody's MLflow: a database and files, as log_model left them."""

    home: Path
    runs: dict[str, str]
    logged: dict[str, str]
    answers: dict[str, Any]

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.home / 'runs.db'}"

    def digest(self) -> str:
        """Of every byte there: the database's and the files'."""
        found = hashlib.sha256()
        for file in sorted(self.home.rglob("*")):
            if file.is_file():
                found.update(str(file.relative_to(self.home)).encode() + file.read_bytes())
        return found.hexdigest()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    """Written by a process of its own: MLflow's settings are global, and a registry is one that nobody here has open."""
    home = tmp_path_factory.mktemp("elsewhere")
    prepare(home / "runs.db")
    told = tmp_path_factory.mktemp("told") / "told.json"
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, str(home), str(told)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    assert ran.returncode == 0, ran.stderr
    return Elsewhere(home, **json.loads(told.read_text()))


def write(home: Path) -> dict[str, dict[str, Any]]:
    """Every flavour, logged as MLflow's own pages show it."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{home / 'runs.db'}")
    mlflow.create_experiment("theirs", artifact_location=(home / "files").as_uri())
    mlflow.set_experiment("theirs")
    told: dict[str, dict[str, Any]] = {"runs": {}, "logged": {}, "answers": {}}
    for name, log in LOGGERS.items():
        with mlflow.start_run() as run:
            info, answers = log()
        told["runs"][name], told["logged"][name] = run.info.run_id, info.model_id
        told["answers"][name] = np.asarray(answers).tolist()
    client = mlflow.MlflowClient()
    client.set_registered_model_alias("churn", "champion", "1")
    client.set_model_version_tag("churn", "1", "team", "growth")
    return told


def _sklearn(serialization_format: str) -> Callable[[], tuple[Any, Any]]:
    def log() -> tuple[Any, Any]:
        import mlflow
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format=serialization_format,
            registered_model_name="churn",
            pip_requirements=["scikit-learn"],
            signature=mlflow.models.infer_signature(X, Y),
        )
        return info, model.predict_proba(X)[:, 1]

    return log


def _lightgbm(is_booster: bool) -> Callable[[], tuple[Any, Any]]:
    def log() -> tuple[Any, Any]:
        import mlflow
        from lightgbm import LGBMClassifier

        model = LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(X, Y)
        logged = model.booster_ if is_booster else model
        kind = {} if is_booster else {"serialization_format": "cloudpickle"}
        info = mlflow.lightgbm.log_model(logged, name="model", pip_requirements=["lightgbm"], **kind)
        return info, model.booster_.predict(X)

    return log


def _xgboost() -> tuple[Any, Any]:
    import mlflow
    import xgboost

    model = xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(X, Y)
    return mlflow.xgboost.log_model(model, name="model", pip_requirements=["xgboost"]), model.predict_proba(X)[:, 1]


def _catboost() -> tuple[Any, Any]:
    import catboost
    import mlflow

    model = catboost.CatBoostClassifier(iterations=5, verbose=0, thread_count=1, allow_writing_files=False).fit(X, Y)
    return mlflow.catboost.log_model(model, name="model", pip_requirements=["catboost"]), model.predict_proba(X)[:, 1]


def _onnx() -> tuple[Any, Any]:
    import mlflow
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(X.astype(np.float32), Y)
    compiled = to_onnx(model, X[:1].astype(np.float32), options={"zipmap": False})
    info = mlflow.onnx.log_model(compiled, name="model", pip_requirements=["onnxruntime"])
    return info, model.predict_proba(X.astype(np.float32))[:, 1]


def _statsmodels() -> tuple[Any, Any]:
    import mlflow
    import statsmodels.api as sm

    model = sm.GLM(Y, X, family=sm.families.Binomial()).fit()
    return mlflow.statsmodels.log_model(model, name="model", pip_requirements=["statsmodels"]), model.predict(X)


def _pyfunc() -> tuple[Any, Any]:
    import mlflow

    class Doubles(mlflow.pyfunc.PythonModel):
        def predict(self, model_input: list[list[float]]):
            return np.asarray(model_input)[:, 0] * 2

    return mlflow.pyfunc.log_model(name="model", python_model=Doubles(), pip_requirements=["numpy"]), X[:, 0] * 2


LOGGERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "sklearn": _sklearn("cloudpickle"),
    "sklearn skops": _sklearn("skops"),
    "lightgbm": _lightgbm(is_booster=True),
    "lightgbm estimator": _lightgbm(is_booster=False),
    "xgboost": _xgboost,
    "catboost": _catboost,
    "onnx": _onnx,
    "statsmodels": _statsmodels,
    "pyfunc": _pyfunc,
}


def _skops(path: Path) -> Any:
    import skops.io

    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path)).predict_proba(X)[:, 1]


def _booster(path: Path) -> Any:
    import lightgbm

    return lightgbm.Booster(model_file=str(path)).predict(X)


def _pickled(path: Path) -> Any:
    return pickle.loads(path.read_bytes()).predict_proba(X)[:, 1]


def _xgb(path: Path) -> Any:
    import xgboost

    model = xgboost.Booster()
    model.load_model(path)
    return model.predict(xgboost.DMatrix(X))


def _cb(path: Path) -> Any:
    import catboost

    return catboost.CatBoostClassifier().load_model(str(path)).predict_proba(X)[:, 1]


def _session(path: Path) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes())
    return session.run(None, {session.get_inputs()[0].name: X.astype(np.float32)})[1][:, 1]


def _whole(path: Path) -> Any:
    import mlflow

    return mlflow.pyfunc.load_model(str(path)).predict(X.tolist())


@pytest.mark.parametrize(
    ("name", "format_", "library", "answer"),
    [
        ("sklearn", "joblib", "scikit-learn", lambda path: joblib.load(path).predict_proba(X)[:, 1]),
        ("sklearn skops", "skops", "scikit-learn", _skops),
        ("lightgbm", "lightgbm", "lightgbm", _booster),
        ("lightgbm estimator", "joblib", "lightgbm", _pickled),
        ("xgboost", "xgboost", "xgboost", _xgb),
        ("catboost", "catboost", "catboost", _cb),
        ("onnx", "onnx", "onnx", _session),
        ("statsmodels", "joblib", "statsmodels", lambda p: pickle.loads(p.read_bytes()).predict(X)),
        ("pyfunc", "pyfunc", None, _whole),
    ],
)
def test_each_flavour_gives_the_frameworks_own_file_which_answers_the_same(
    elsewhere, tmp_path, name, format_, library, answer
):
    before = elsewhere.digest()
    found = fetch(f"runs:/{elsewhere.runs[name]}/model", into=tmp_path / "got", tracking_uri=elsewhere.uri)
    picked = pick(found.folder)
    assert picked.format == format_
    assert (picked.library and picked.library.name) == library
    assert picked.library is None or picked.library.version
    assert found.run == elsewhere.runs[name]
    assert {library.name for library in found.libraries} >= {"mlflow", "python"}
    assert own_version(found.folder) is None
    np.testing.assert_allclose(answer(picked.file), elsewhere.answers[name], atol=1e-5)
    assert elsewhere.digest() == before


def test_an_alias_is_resolved_once_to_what_it_names_now(elsewhere, tmp_path):
    before = elsewhere.digest()
    found = fetch("models:/churn@champion", into=tmp_path / "got", tracking_uri=elsewhere.uri)
    assert (found.uri, found.model, found.number, found.alias) == ("models:/churn/1", "churn", "1", "champion")
    assert found.run == elsewhere.runs["sklearn"]
    assert found.tags == {"team": "growth"}
    assert json.loads(json.loads(found.signature)["inputs"])[0]["tensor-spec"]["shape"] == [-1, 3]
    assert {line.split("==")[0] for line in found.requirements} == {"mlflow", "scikit-learn"}
    newest = fetch("models:/churn/latest", into=tmp_path / "newest", tracking_uri=elsewhere.uri)
    assert (newest.uri, newest.model_id) == ("models:/churn/2", elsewhere.logged["sklearn skops"])
    assert elsewhere.digest() == before


def test_a_logged_model_is_fetched_by_its_own_name_and_a_folder_by_its_path(elsewhere, tmp_path):
    before = elsewhere.digest()
    logged = fetch(f"models:/{elsewhere.logged['onnx']}", into=tmp_path / "got", tracking_uri=elsewhere.uri)
    assert logged.model_id == elsewhere.logged["onnx"]
    assert logged.run == elsewhere.runs["onnx"]
    again = fetch(str(logged.folder), into=tmp_path / "again")
    assert again.flavors == logged.flavors
    assert again.run == elsewhere.runs["onnx"]
    assert pick(again.folder).file.read_bytes() == pick(logged.folder).file.read_bytes()
    assert elsewhere.digest() == before


@pytest.mark.parametrize("uri", ["models:/churn", "models:/churn/1/2", "runs:/abc", "models:/@x", "models:/a@"])
def test_a_name_that_is_none_is_refused_with_those_that_are(elsewhere, tmp_path, uri):
    with pytest.raises(SpecError, match="models:/NAME/3"):
        fetch(uri, into=tmp_path / "got", tracking_uri=elsewhere.uri)


def test_no_database_is_made_where_there_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(NotFound, match=r"no MLflow database at mlflow\.db"):
        fetch("models:/churn/1", into=tmp_path / "got")
    assert list(tmp_path.iterdir()) == []


def test_the_environment_says_where_mlflow_is(elsewhere, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", elsewhere.uri)
    assert fetch("models:/churn/1", into=tmp_path / "got").number == "1"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(write(Path(sys.argv[1]))))
