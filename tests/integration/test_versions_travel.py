"""Versions made again, carried to another workspace, and adopted from elsewhere; each says the same of its own rows."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lockgate.errors import LockgateError, NotFound, SpecError, StoreError
from lockgate.features.contract import to_columns
from lockgate.records import Verdict, Version
from lockgate.workspace.workspace import Workspace, create

COMMAND = [sys.executable, "-W", "ignore", "-m", "lockgate"]


def empty(root: Path) -> Workspace:
    """A workspace that has never seen a table."""
    create(root, '[model.other]\ntarget = "y"\n')
    return Workspace.open(root)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=300)


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


@pytest.mark.parametrize("format", ["joblib", "lightgbm"])
def test_a_model_fitted_elsewhere_becomes_a_version_beside_its_baselines(workshop, tmp_path, format):
    file = tmp_path / {"joblib": "theirs.joblib", "lightgbm": "theirs.txt"}[format]
    table = workshop.table(first_day=0, days=40)
    fitted(table, file, format)
    workspace = workshop.open()
    made = workspace.import_(file, model="tide")
    manifest = workspace.wiring.predictor(made.id).manifest
    assert (manifest.format, manifest.is_foreign, manifest.library.name) == (
        format,
        True,
        {"joblib": "scikit-learn", "lightgbm": "lightgbm"}[format],
    )
    assert made.lineage.train == f"imported from {file}"
    assert workspace.version(made.baseline).role == "baseline"
    rows = workshop.table(first_day=50, days=3)
    values = workspace.wiring.predictor(made.id).predict(to_columns(rows, workspace.contract("tide").asked)).values
    np.testing.assert_allclose(values, theirs(file, format, rows), atol=1e-5)
    assert workspace.gate(made)


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


def fitted(table, file: Path, format: str) -> None:
    """A model as somebody else would save it: on a pandas frame, with the library's own words."""
    import joblib
    from lightgbm import LGBMClassifier
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    rows = table.drop_nulls("y")
    frame, y = rows.select("x1", "x2").to_pandas(), rows["y"].to_numpy()
    if format == "joblib":
        joblib.dump(make_pipeline(SimpleImputer(), RandomForestClassifier(20, random_state=0)).fit(frame, y), file)
    else:
        LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1).fit(frame, y).booster_.save_model(str(file))


def theirs(file: Path, format: str, table) -> np.ndarray:
    import joblib
    from lightgbm import Booster

    frame = table.select("x1", "x2").to_pandas()
    if format == "joblib":
        return joblib.load(file).predict_proba(frame)[:, 1]
    return Booster(model_file=str(file)).predict(frame)
