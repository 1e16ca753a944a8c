"""Versions made again, carried to another workspace, and adopted from elsewhere; each says the same of its own rows."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lockgate.errors import LockgateError, NotFound, SpecError, StoreError
from lockgate.features.contract import to_columns
from lockgate.records import Verdict, Version
from lockgate.workspace.creating import create
from lockgate.workspace.workspace import Workspace

COMMAND = [sys.executable, "-W", "ignore", "-m", "lockgate"]


def empty(root: Path) -> Workspace:
    """A workspace that has never seen a table."""
    create(root, '[model.other]\ntarget = "y"\n')
    return Workspace.open(root)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=300, check=False)


def test_a_version_exported_here_and_imported_in_an_empty_workspace_predicts_the_same(workshop, tmp_path):
    home, away = workshop.open(), empty(tmp_path / "away")
    home.export(workshop.versions["trees"], tmp_path / "trees.lockgate")
    brought = away.import_(tmp_path / "trees.lockgate")
    assert brought.id == workshop.versions["trees"]
    columns = to_columns(workshop.table(first_day=50, days=3), home.wiring.contract(brought.id).asked)
    one, other = (w.wiring.predictor(brought.id).predict(columns).values for w in (home, away))
    assert np.ptp(one) > 0.3
    np.testing.assert_array_equal(one, other)


def test_its_baselines_and_its_verdicts_travel_with_it(workshop, tmp_path):
    home, away = workshop.open(), empty(tmp_path / "away")
    home.export(workshop.versions["trees"], tmp_path / "trees.lockgate")
    version = away.import_(tmp_path / "trees.lockgate")
    while version.baseline is not None:
        version = away.version(version.baseline)
    assert version.name == "majority"
    mine = {v.id for v in away.wiring.records.all(Verdict)}
    assert mine
    assert mine <= {v.id for v in home.wiring.records.all(Verdict)}
    assert away.report(workshop.versions["trees"]) == home.report(workshop.versions["trees"])


def test_the_same_archive_again_changes_nothing(workshop, tmp_path):
    away = empty(tmp_path / "away")
    workshop.open().export(workshop.versions["trees"], tmp_path / "trees.lockgate")
    away.import_(tmp_path / "trees.lockgate")
    before = len(away.wiring.records.all(Version)), len(away.wiring.records.entries())
    away.import_(tmp_path / "trees.lockgate")
    assert (len(away.wiring.records.all(Version)), len(away.wiring.records.entries())) == before


@pytest.mark.parametrize("place", ["native/model.txt", "model.onnx", "pipeline.json", "sample.json", "manifest.json"])
def test_an_archive_with_one_changed_byte_is_refused_and_nothing_is_kept(workshop, tmp_path, place):
    away = empty(tmp_path / "away")
    workshop.open().export(workshop.versions["trees"], tmp_path / "trees.lockgate")
    with zipfile.ZipFile(tmp_path / "trees.lockgate") as held, zipfile.ZipFile(tmp_path / "bad", "w") as made:
        for name in held.namelist():
            body = bytearray(held.read(name))
            if name == f"versions/{workshop.versions['trees']}/{place}":
                body[len(body) // 2] ^= 1
            made.writestr(name, bytes(body))
    with pytest.raises(StoreError, match=place):
        away.import_(tmp_path / "bad")
    assert away.wiring.records.all(Version) == []
    assert not list((tmp_path / "away" / ".lockgate" / "versions").glob("*"))


def test_made_again_a_version_answers_its_own_rows_the_same(workshop):
    done = run("train", "tide", "--same-as", workshop.versions["trees"], "-C", str(workshop.root))
    assert done.returncode == 0, done.stderr
    assert "answers 100 rows as trees-" in done.stdout
    assert "the largest difference is 0.0e+00" in done.stdout
    assert "not as it was" not in done.stdout
    assert "next: lockgate gate trees-" in done.stdout


def test_changed_code_is_named_when_a_version_is_made_again(workshop):
    code = workshop.root / "lockgate_tidework.py"
    code.write_text(code.read_text().replace("n_estimators=60", "n_estimators=6"))
    done = run("train", "tide", "--same-as", workshop.versions["trees"], "-C", str(workshop.root))
    assert done.returncode == 1, done.stderr
    assert "answers 100 rows otherwise" in done.stdout
    assert "lockgate_tidework.py has changed" in done.stdout


def test_a_version_made_from_files_nobody_committed_takes_no_traffic_unless_asked(workshop):
    git = ["git", "-C", str(workshop.root), "-c", "user.name=n", "-c", "user.email=e"]
    (workshop.root / ".gitignore").write_text(".lockgate/\n__pycache__/\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], check=True)
    workspace = workshop.open()
    clean = workspace.train("tide", name="clean")
    (workshop.root / "note.txt").write_text("not committed")
    dirty = workspace.train("tide", name="dirty")
    assert (clean.lineage.is_dirty, dirty.lineage.is_dirty) == (False, True)
    workspace.gate(dirty)
    with pytest.raises(SpecError, match="nobody can make it again"):
        workspace.rollout(dirty)
    with pytest.raises(LockgateError) as refused:
        workspace.rollout(dirty, dirty=True)  # the gate, or the plan, may refuse it: the tree no longer does
    assert "commit" not in str(refused.value)


def test_two_workspaces_that_share_a_registry_hold_the_same_version(workshop, tmp_path):
    """Nothing is exported: the version comes out of MLflow, with the baselines behind it."""
    home = workshop.open()
    assert home.mirror().problem is None
    shared = home.wiring.home / "mlflow.db"
    create(tmp_path / "away", f'[mlflow]\nuri = "sqlite:///{shared}"\n[model.tide]\ntarget = "y"\n')
    away = Workspace.open(tmp_path / "away")
    number = next(
        number
        for number, tags in home.wiring.registry.read("tide").versions.items()
        if tags["lockgate.version"] == workshop.versions["trees"]
    )
    brought = away.import_(f"models:/tide/{number}")
    assert brought == home.version(workshop.versions["trees"])
    assert away.version(brought.baseline).role == "baseline"
    columns = to_columns(workshop.table(first_day=50, days=3), home.wiring.contract(brought.id).asked)
    one, other = (w.wiring.predictor(brought.id).predict(columns).values for w in (home, away))
    np.testing.assert_array_equal(one, other)


FILES = {
    "joblib": "theirs.joblib",
    "pickle": "theirs.pkl",
    "skops": "theirs.skops",
    "onnx": "theirs.onnx",
    "lightgbm": "theirs.txt",
    "xgboost": "theirs.ubj",
    "catboost": "theirs.cbm",
    "torchscript": "theirs.pt",
}


SHORT = ("joblib", "onnx", "xgboost")


@pytest.mark.parametrize(
    "kind", [kind if kind in SHORT else pytest.param(kind, marks=pytest.mark.slow) for kind in FILES]
)
def test_a_model_fitted_elsewhere_becomes_a_version_beside_its_baselines(workshop, tmp_path, kind):
    if kind == "torchscript":
        pytest.importorskip(
            "torch", reason="torch is not installed: only its CPU build is wanted, and no pin can name it"
        )
    file = tmp_path / FILES[kind]
    answer = fitted(workshop.table(first_day=0, days=40), file, kind)
    workspace = workshop.open()
    columns = ("x1", "x2") if kind == "torchscript" else ()  # the only file here that names no columns
    made = workspace.import_(file, model="tide", columns=columns)
    manifest = workspace.wiring.predictor(made.id).manifest
    assert (manifest.format, manifest.is_foreign) == ({"pickle": "joblib"}.get(kind, kind), True)
    assert made.lineage.train == f"imported from {file}"
    assert workspace.version(made.baseline).role == "baseline"
    rows = workshop.table(first_day=50, days=3)
    values = workspace.wiring.predictor(made.id).predict(to_columns(rows, workspace.contract("tide").asked)).values
    np.testing.assert_allclose(values, answer(rows), atol=1e-5)
    assert workspace.gate(made)
    assert workspace.report(made).best in {"rule", "logistic", "majority", "last_period"}


def test_a_registry_written_by_plain_mlflow_is_adopted_as_it_is(workshop, tmp_path):
    registry = tmp_path / "theirs.db"
    code = f"""
import mlflow, numpy as np, pandas as pd, sys
from sklearn.linear_model import LogisticRegression
mlflow.set_tracking_uri("sqlite:///{registry}")
mlflow.set_experiment(experiment_id=mlflow.create_experiment("e", artifact_location="{(tmp_path / "files").as_uri()}"))
rows = pd.read_parquet("{tmp_path / "rows.parquet"}")
model = LogisticRegression().fit(rows[["x1"]], rows["y"])
with mlflow.start_run():
    mlflow.sklearn.log_model(model, name="m", registered_model_name="risk", pip_requirements=["scikit-learn"],
                             serialization_format="cloudpickle")
mlflow.MlflowClient().set_registered_model_alias("risk", "live", 1)
print(model.coef_[0, 0], model.intercept_[0])
"""
    workshop.table(first_day=0, days=40).select("x1", "y").drop_nulls().write_parquet(tmp_path / "rows.parquet")
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert told.returncode == 0, told.stderr
    slope, level = map(float, told.stdout.split()[-2:])
    file = workshop.root / "lockgate.toml"
    file.write_text(f'[mlflow]\nuri = "sqlite:///{registry}"\n' + file.read_text())
    workspace = workshop.open()
    made = workspace.import_("models:/risk@live", model="tide")
    rows = workshop.table(first_day=50, days=3)
    values = workspace.wiring.predictor(made.id).predict(to_columns(rows, workspace.contract("tide").asked)).values
    np.testing.assert_allclose(values, 1 / (1 + np.exp(-(slope * rows["x1"].to_numpy() + level))), atol=1e-5)
    assert made.name == "risk"


def test_a_model_for_nobodys_task_is_asked_whose_it_is(workshop, tmp_path):
    create(tmp_path / "two", '[model.a]\ntarget = "y"\n[model.b]\ntarget = "y"\n')
    fitted(workshop.table(first_day=0, days=10), tmp_path / "theirs.joblib", "joblib")
    with pytest.raises(SpecError, match="--model a or b"):
        Workspace.open(tmp_path / "two").import_(tmp_path / "theirs.joblib")


def test_a_model_without_a_table_is_told_to_bring_one(workshop, tmp_path):
    fitted(workshop.table(first_day=0, days=10), tmp_path / "theirs.joblib", "joblib")
    with pytest.raises(NotFound, match="has no data yet"):
        empty(tmp_path / "away").import_(tmp_path / "theirs.joblib")


def test_the_commands_say_what_they_did_and_what_comes_next(workshop, tmp_path):
    empty(tmp_path / "away")
    done = run("export", workshop.versions["trees"], str(tmp_path / "t.lockgate"), "-C", str(workshop.root))
    assert done.returncode == 0, done.stderr
    assert "next: lockgate import" in done.stdout
    done = run("import", str(tmp_path / "t.lockgate"), "-C", str(tmp_path / "away"), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["id"] == workshop.versions["trees"]
    missing = run("import", str(tmp_path / "nothing.joblib"), "-C", str(tmp_path / "away"))
    assert missing.returncode == 3
    assert "There is no model" in missing.stderr or "has no data yet" in missing.stderr


def fitted(table, file: Path, kind: str):
    """A model as somebody else would save it, in its library's own words; what it says of a table's rows."""
    rows = table.drop_nulls("y").drop_nulls("x2")
    frame, y = rows.select("x1", "x2").to_pandas(), rows["y"].to_numpy()
    maker = {"lightgbm": of_lightgbm, "xgboost": of_xgboost, "catboost": of_catboost, "torchscript": of_torch}
    return maker.get(kind, of_sklearn)(frame, y, file, kind)


def of_sklearn(frame, y, file, kind):
    import pickle

    import joblib
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    last = LogisticRegression() if kind == "onnx" else RandomForestClassifier(20, random_state=0)
    model = make_pipeline(SimpleImputer(), last).fit(frame, y)
    if kind == "joblib":
        joblib.dump(model, file)
    elif kind == "pickle":
        file.write_bytes(pickle.dumps(model))
    elif kind == "skops":
        from skops.io import dump

        dump(model, file)
    else:
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType

        names = [(name, FloatTensorType([None, 1])) for name in frame.columns]
        file.write_bytes(to_onnx(model, initial_types=names).SerializeToString())
    return lambda table: model.predict_proba(table.select("x1", "x2").to_pandas())[:, 1]


def of_lightgbm(frame, y, file, _kind):
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1).fit(frame, y)
    model.booster_.save_model(str(file))
    return lambda table: model.predict_proba(table.select("x1", "x2").to_pandas())[:, 1]


def of_xgboost(frame, y, file, _kind):
    from xgboost import XGBClassifier

    model = XGBClassifier(n_estimators=20, n_jobs=1).fit(frame, y)
    model.save_model(file)
    return lambda table: model.predict_proba(table.select("x1", "x2").to_pandas())[:, 1]


def of_catboost(frame, y, file, _kind):
    from catboost import CatBoostClassifier

    model = CatBoostClassifier(iterations=20, thread_count=1, verbose=False, allow_writing_files=False).fit(frame, y)
    model.save_model(str(file))
    return lambda table: model.predict_proba(table.select("x1", "x2").to_pandas())[:, 1]


def of_torch(frame, y, file, _kind):
    import torch

    torch.manual_seed(0)
    x, wanted = torch.tensor(frame.to_numpy("float32")), torch.tensor(y.astype("float32"))

    class Filled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(2, 1)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(self.linear(torch.nan_to_num(rows))).flatten()

    net = Filled()
    best = torch.optim.Adam(net.parameters(), lr=0.1)
    for _ in range(50):
        best.zero_grad()
        torch.nn.functional.binary_cross_entropy(net(x), wanted).backward()
        best.step()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch deprecates the format that people have files in
        torch.jit.script(net).save(str(file))
    return lambda table: net(torch.tensor(table.select("x1", "x2").to_pandas().to_numpy("float32"))).detach().numpy()
