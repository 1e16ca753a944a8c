"""Each framework trains, registers, loads in a fresh process and predicts the same; for every task, on real tables."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lockgate.features.contract import to_columns
from lockgate.records import Version
from lockgate.workspace.workspace import Workspace

TOML = """
[model.tumour]
target = "malignant"
[model.sugar]
task = "regression"
target = "progression"
[model.car]
task = "multiclass"
target = "class"
[model.car.gate]
holdout = "30%"
"""
CODE = '''
import numpy as np


def forest(table, features):
    """A scikit-learn Pipeline that prepares its own frame, text and missing values too."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = features.frame(table)
    prepared = make_column_transformer(
        (SimpleImputer(), make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    )
    kind = RandomForestRegressor if features.task == "regression" else RandomForestClassifier
    return make_pipeline(prepared, kind(n_estimators=20, random_state=0)).fit(frame, features.target(table))


def linear(table, features):
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    last = Ridge() if features.task == "regression" else LogisticRegression(max_iter=500)
    return make_pipeline(StandardScaler(), last).fit(features.frame(table), features.target(table))


def words(table, features):
    """Text through its own pipeline: what a car is called tells what it is."""
    from sklearn.compose import make_column_transformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    prepared = make_column_transformer((TfidfVectorizer(), "model"), (StandardScaler(), ["displ", "year"]))
    return make_pipeline(prepared, LogisticRegression(max_iter=500)).fit(features.frame(table), features.target(table))


def lightgbm(table, features):
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMRegressor if features.task == "regression" else LGBMClassifier
    frame = features.frame(table).select_dtypes("number")
    return kind(n_estimators=20, n_jobs=1, verbose=-1, random_state=0).fit(frame, features.target(table))


def xgboost(table, features):
    from xgboost import XGBClassifier, XGBRegressor

    kind = XGBRegressor if features.task == "regression" else XGBClassifier
    frame = features.frame(table).select_dtypes("number")
    return kind(n_estimators=20, n_jobs=1, random_state=0).fit(frame, features.target(table))


def catboost(table, features):
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostRegressor if features.task == "regression" else CatBoostClassifier
    made = kind(iterations=20, thread_count=1, verbose=False, random_seed=0, allow_writing_files=False)
    return made.fit(features.frame(table).select_dtypes("number"), features.target(table))


def statsmodels(table, features):
    import statsmodels.api as sm

    frame = features.frame(table).iloc[:, 4:8]  # of small numbers, so that nothing wants scaling
    kind = sm.OLS if features.task == "regression" else sm.Logit
    settings = {} if features.task == "regression" else {"disp": 0}
    return kind(features.target(table), frame).fit(**settings)


class Nearest:
    """Anything that predicts: the mean outcome of the five nearest rows."""

    def __init__(self, frame, y):
        self.feature_names_in_ = np.array(frame.columns, dtype=object)
        self._x, self._y = frame.to_numpy(dtype=float), y

    def predict(self, frame):
        given = frame[list(self.feature_names_in_)].to_numpy(dtype=float)
        return np.array([self._y[np.argsort(((self._x - row) ** 2).sum(axis=1))[:5]].mean() for row in given])


def nearest(table, features):
    return Nearest(features.frame(table), features.target(table))


def torch(table, features):
    import torch as t

    t.manual_seed(0)
    frame = features.frame(table)
    x = t.tensor(((frame - frame.mean()) / frame.std()).to_numpy(dtype="float32"))
    y = t.tensor(features.target(table).astype("float32"))
    net = t.nn.Sequential(t.nn.Linear(x.shape[1], 8), t.nn.ReLU(), t.nn.Linear(8, 1), t.nn.Flatten(0))
    best = t.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(50):
        best.zero_grad()
        t.nn.functional.mse_loss(net(x), y).backward()
        best.step()
    return net.eval()
'''
ASK = """
import json, sys
from pathlib import Path
import polars as pl
from lockgate.features.contract import to_columns
from lockgate.runtime import folder
sys.path.insert(0, sys.argv[4])
path, version, table = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
columns = to_columns(pl.read_parquet(table), folder.read_contract(path).asked)
for prefer in (True, False):
    found = folder.load(path, version, prefer_onnx=prefer)
    print(json.dumps([found.engine_name, found.predict(columns).values.tolist()]))
"""


def tables() -> dict[str, pl.DataFrame]:
    from plotnine.data import mpg
    from sklearn.datasets import load_breast_cancer, load_diabetes

    tumour, sugar = load_breast_cancer(as_frame=True).frame, load_diabetes(as_frame=True).frame
    cars = pl.from_pandas(
        mpg.astype({"class": str, "manufacturer": str, "model": str, "trans": str, "drv": str, "fl": str})
    )
    return {
        "tumour": pl.from_pandas(tumour.rename(columns={"target": "malignant"})),
        "sugar": pl.from_pandas(sugar.rename(columns={"target": "progression"})),
        "car": pl.concat([cars, cars.sample(fraction=1.0, seed=1)]),
    }


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("frameworks")
    (root / "lockgate.toml").write_text(TOML)
    (root / "lockgate_frameworks.py").write_text(CODE)
    workspace = Workspace.open(root)
    for model, table in tables().items():
        workspace.data(model, table)
    return workspace


def answers_elsewhere(workspace: Workspace, version: Version, rows: Path) -> list[tuple[str, np.ndarray]]:
    home = workspace.wiring.home / "versions" / version.id
    argv = [sys.executable, "-W", "ignore", "-c", ASK, str(home), version.id, str(rows), str(workspace.wiring.project)]
    told = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stderr
    return [(name, np.array(values)) for name, values in map(json.loads, told.stdout.splitlines())]


CASES = [
    ("tumour", "linear"),
    ("tumour", "xgboost"),
    ("sugar", "catboost"),
    ("sugar", "statsmodels"),
    ("sugar", "torch"),
    ("car", "words"),
    ("car", "lightgbm"),
]
SLOW = [
    ("tumour", "forest"),
    ("tumour", "lightgbm"),
    ("tumour", "catboost"),
    ("tumour", "statsmodels"),
    ("sugar", "forest"),
    ("sugar", "lightgbm"),
    ("sugar", "xgboost"),
    ("sugar", "nearest"),
    ("car", "forest"),
    ("car", "xgboost"),
    ("car", "catboost"),
]


@pytest.mark.parametrize(
    ("model", "framework"), [*CASES, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)]
)
def test_a_framework_trains_registers_and_answers_the_same_in_a_fresh_process(shop, tmp_path, model, framework):
    if framework == "torch" and importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed: only its CPU build is wanted, and no pin can name it")
    version = shop.train(model, train_with=f"lockgate_frameworks:{framework}", name=framework)
    assert shop.version(version.short) == version
    table = tables()[model].head(60)
    table.write_parquet(tmp_path / "rows.parquet")
    here = shop.wiring.predictor(version.id)
    values = here.predict(to_columns(table, shop.wiring.contract(version.id).asked)).values
    assert np.ptp(values, axis=0).max() > 0.05
    (name, served), (native, own) = answers_elsewhere(shop, version, tmp_path / "rows.parquet")
    assert name == here.engine_name
    np.testing.assert_array_equal(served, values)
    assert native != "onnx"
    np.testing.assert_allclose(own, values, rtol=1e-4, atol=1e-5)


def test_every_version_stands_on_baselines_that_came_before_it(shop):
    version = shop.train("tumour", train_with="lockgate_frameworks:linear", name="again")
    chain = [version]
    while chain[-1].baseline:
        chain.append(shop.version(chain[-1].baseline))
    assert chain[-1].name == "majority"
    assert {"rule", "logistic"} & {made.name for made in chain[1:]}
    assert all(made.role == "baseline" for made in chain[1:])


def test_a_version_that_loses_to_a_baseline_is_told_so_plainly_in_its_report(shop):
    """On these tumours a logistic regression is hard to beat."""
    version = shop.train("tumour", train_with="lockgate_frameworks:forest", name="reported")
    found = shop.report(version)
    assert found.ruling == "fail"
    assert found.sentence.startswith(f"{version.short} loses to a baseline, logistic")
    assert {rival.name for rival in found.rivals} == {"majority", "rule", "logistic"}
    assert found.benchmark == version.benchmark
    assert len(version.curve) == 2
