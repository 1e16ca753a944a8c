"""`lockgate check` on real tables with models as people make them: verdicts, exit codes, and figures as scikit-learn's."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn import datasets, metrics
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lockgate.records import Report

EXIT = {"pass": 0, "fail": 1, "undecided": 2}


class Ran(NamedTuple):
    code: int
    report: Report
    values: dict[str, float]


class Bench(NamedTuple):
    """A folder with a model and a table of rows that it never saw; answers: the model's own to them."""

    folder: Path
    model: str
    held: pd.DataFrame
    target: str
    answers: Any

    def check(self, *more: str) -> Ran:
        ran = command(self.folder, "check", self.model, "holdout.csv", "--target", self.target, "--json", *more)
        report = msgspec.json.decode(ran.stdout, type=Report)
        return Ran(ran.returncode, report, {score.metric: score.value for score in report.scores})


def command(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lockgate", *argv],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def halves(table: pd.DataFrame, target: str, *, is_stratified: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    classes = table[target] if is_stratified else None
    learnt, held = train_test_split(table, test_size=0.5, random_state=0, stratify=classes)
    return learnt, held


def best_of(report: Report) -> float:
    """The chosen metric of the best baseline."""
    rival = next(item for item in report.rivals if item.name == report.best)
    return next(score.value for score in rival.scores if score.metric == report.proposal.metric)


@pytest.fixture(scope="module")
def cancer(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    from xgboost import XGBClassifier

    folder = tmp_path_factory.mktemp("cancer")
    table = datasets.load_breast_cancer(as_frame=True).frame.rename(columns={"target": "benign"})
    learnt, held = halves(table, "benign", is_stratified=True)
    model = XGBClassifier(n_estimators=60, random_state=0, n_jobs=1)
    model.fit(learnt.drop(columns="benign"), learnt.benign)
    model.save_model(folder / "model.ubj")
    held.to_csv(folder / "holdout.csv", index=False)
    return Bench(folder, "model.ubj", held, "benign", model.predict_proba(held.drop(columns="benign"))[:, 1])


@pytest.fixture(scope="module")
def housing(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Texan cities by month: learnt until 2011 and frozen, checked on what came after; prices rose meanwhile."""
    from lightgbm import LGBMRegressor

    folder = tmp_path_factory.mktemp("housing")
    spec = importlib.util.find_spec("plotnine")
    assert spec is not None
    assert spec.submodule_search_locations
    table = pd.read_csv(Path(spec.submodule_search_locations[0]) / "data" / "txhousing.csv").dropna(subset=["median"])
    stamps = pd.to_datetime(table[["year", "month"]].assign(day=1)).dt.strftime("%Y-%m-%d")
    table = table.assign(date=stamps).drop(columns=["sales", "volume"])
    learnt, held = table[table.year < 2012], table[table.year >= 2012]
    inputs = ["city", "year", "month", "listings", "inventory"]
    cities = pd.CategoricalDtype(sorted(table.city.unique()))
    model = LGBMRegressor(n_estimators=200, learning_rate=0.05, random_state=0, n_jobs=1, verbose=-1)
    model.fit(learnt[inputs].astype({"city": cities}), learnt["median"])
    model.booster_.save_model(folder / "model.txt")
    held.to_csv(folder / "holdout.csv", index=False)
    return Bench(folder, "model.txt", held, "median", model.predict(held[inputs].astype({"city": cities})))


def test_a_model_that_beats_every_baseline_exits_0(tmp_path):
    table = datasets.load_digits(as_frame=True).frame
    learnt, held = halves(table, "target", is_stratified=True)
    smooth = Nystroem(gamma=6e-4, n_components=400, random_state=0)
    model = make_pipeline(smooth, LogisticRegression(C=100, max_iter=1000))
    model.fit(learnt.drop(columns="target"), learnt.target)
    joblib.dump(model, tmp_path / "digits.joblib")
    held.to_csv(tmp_path / "holdout.csv", index=False)
    chances = model.predict_proba(held.drop(columns="target"))

    ran = Bench(tmp_path, "digits.joblib", held, "target", chances).check()

    assert (ran.code, ran.report.ruling) == (0, "pass")
    assert ran.report.classes == tuple("0123456789")
    assert ran.values["log_loss"] == pytest.approx(metrics.log_loss(held.target, chances), abs=1e-6)
    assert ran.values["accuracy"] == pytest.approx(metrics.accuracy_score(held.target, chances.argmax(axis=1)))
    assert ran.values["macro_auc"] == pytest.approx(metrics.roc_auc_score(held.target, chances, multi_class="ovr"))
    assert ran.values["log_loss"] < best_of(ran.report)


def test_a_model_of_shuffled_labels_exits_1(tmp_path):
    table = datasets.load_breast_cancer(as_frame=True).frame
    learnt, held = halves(table, "target", is_stratified=True)
    told = np.random.default_rng(0).permutation(learnt.target)
    model = RandomForestClassifier(50, random_state=0).fit(learnt.drop(columns="target"), told)
    joblib.dump(model, tmp_path / "shuffled.joblib")
    held.to_csv(tmp_path / "holdout.csv", index=False)

    ran = Bench(tmp_path, "shuffled.joblib", held, "target", None).check()

    assert (ran.code, ran.report.ruling) == (1, "fail")
    assert ran.report.best == "logistic"
    assert ran.values["roc_auc"] < 0.75
    assert ran.values["log_loss"] > best_of(ran.report)
    assert "logistic" in ran.report.sentence


def test_the_figures_of_a_classifier_are_those_of_scikit_learn(cancer):
    ran = cancer.check()
    outcome, chance = cancer.held.benign, cancer.answers

    assert ran.code == EXIT[ran.report.ruling]
    assert (ran.report.task, ran.report.tested, ran.report.classes) == ("binary", len(outcome), ("0", "1"))
    assert ran.values["log_loss"] == pytest.approx(metrics.log_loss(outcome, chance.astype(float)), abs=1e-6)
    assert ran.values["brier"] == pytest.approx(metrics.brier_score_loss(outcome, chance), abs=1e-6)
    assert ran.values["roc_auc"] == pytest.approx(metrics.roc_auc_score(outcome, chance))
    assert ran.values["average_precision"] == pytest.approx(metrics.average_precision_score(outcome, chance))
    assert ran.values["f1"] == pytest.approx(metrics.f1_score(outcome, chance >= 0.5))


def test_every_score_lies_within_its_interval_and_the_constant_says_nothing(cancer):
    report = cancer.check().report
    known = [score for score in report.scores if score.low is not None and score.high is not None]
    assert len(known) >= 4
    assert all(score.low <= score.value <= score.high for score in known)
    constant = next(rival for rival in report.rivals if rival.name == "majority")
    auc = next(score.value for score in constant.scores if score.metric == "roc_auc")
    # Each fold has its own share of 1, so that a constant may stray from 0.5, and by little.
    assert auc == pytest.approx(0.5, abs=0.03)


def test_a_regression_is_judged_in_its_own_units(tmp_path):
    table = datasets.load_diabetes(as_frame=True, scaled=False).frame
    learnt, held = halves(table, "target", is_stratified=False)
    model = make_pipeline(StandardScaler(), RidgeCV()).fit(learnt.drop(columns="target"), learnt.target)
    joblib.dump(model, tmp_path / "ridge.joblib")
    held.to_csv(tmp_path / "holdout.csv", index=False)
    answers = model.predict(held.drop(columns="target"))

    ran = Bench(tmp_path, "ridge.joblib", held, "target", answers).check()

    # The best baseline is a ridge regression too: nobody can tell the two apart on 221 rows.
    assert (ran.code, ran.report.ruling, ran.report.best) == (2, "undecided", "ridge")
    assert ran.report.proposal.metric == "absolute_error"
    assert ran.values["absolute_error"] == pytest.approx(metrics.mean_absolute_error(held.target, answers))
    assert ran.values["rmse"] == pytest.approx(metrics.root_mean_squared_error(held.target, answers))
    assert ran.values["r2"] == pytest.approx(metrics.r2_score(held.target, answers))


def test_a_frozen_model_of_a_drifting_table_loses_to_what_was_last_seen(housing):
    ran = housing.check()
    report = ran.report
    tested = housing.held.date > "2014-02-01"

    assert (ran.code, report.ruling, report.contract.time) == (1, "fail", "date")
    assert report.tested == int(tested.sum()) < report.rows == len(housing.held)
    held, answers = housing.held["median"][tested], housing.answers[tested]
    assert ran.values["absolute_error"] == pytest.approx(metrics.mean_absolute_error(held, answers), rel=1e-6)
    last = next(rival for rival in report.rivals if rival.name == "last_period")
    assert last.scores[0].value < ran.values["absolute_error"]
    assert not [finding for finding in report.findings if finding.kind in ("leak", "future_column")]


def test_rows_that_were_trained_on_are_named_and_left_out_of_every_figure(cancer):
    table = datasets.load_breast_cancer(as_frame=True).frame.rename(columns={"target": "benign"})
    learnt, held = halves(table, "benign", is_stratified=True)
    pd.concat([learnt, held.head(40)]).to_csv(cancer.folder / "learnt.csv", index=False)

    ran = cancer.check("--trained-on", "learnt.csv")
    report = ran.report

    assert report.tested == len(held) - 40
    assert ran.values["roc_auc"] == pytest.approx(metrics.roc_auc_score(held.benign[40:], cancer.answers[40:]))
    copies = [finding for finding in report.findings if finding.kind == "duplicates"]
    assert len(copies) == 1
    assert "40 of 285" in copies[0].sentence


def test_the_outcome_among_the_columns_is_called_a_leak(cancer):
    noise = np.random.default_rng(0).normal(0, 0.01, len(cancer.held))
    cancer.held.assign(result=cancer.held.benign + noise).to_csv(cancer.folder / "leaky.csv", index=False)
    ran = command(cancer.folder, "check", cancer.model, "leaky.csv", "--target", "benign", "--json")
    report = msgspec.json.decode(ran.stdout, type=Report)
    assert "result" in [finding.column for finding in report.findings if finding.kind == "leak"]


def test_a_table_in_float32_is_asked_as_it_is_and_the_cast_is_named(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame((rng.integers(0, 400, (4000, 3)) / 7).astype("float32"), columns=["a", "b", "c"])
    table = table.assign(y=(table.a + rng.normal(0, 10, 4000) > 28).astype(int))
    learnt, held = halves(table, "y", is_stratified=True)
    model = make_pipeline(StandardScaler(), HistGradientBoostingClassifier(random_state=0))
    model.fit(learnt.drop(columns="y"), learnt.y)
    chance = model.predict_proba(held.drop(columns="y"))[:, 1]
    wide = model.predict_proba(held.drop(columns="y").astype("float64"))[:, 1]
    assert (chance != wide).any()  # the trap is there
    joblib.dump(model, tmp_path / "model.joblib")
    held.to_parquet(tmp_path / "holdout.parquet", index=False)

    ran = command(tmp_path, "check", "model.joblib", "holdout.parquet", "--target", "y", "--json")

    report = msgspec.json.decode(ran.stdout, type=Report)
    values = {score.metric: score.value for score in report.scores}
    assert values["log_loss"] == pytest.approx(metrics.log_loss(held.y, chance), abs=1e-9)
    assert [finding for finding in report.findings if "are float32" in finding.sentence and finding.grade == "warn"]


def test_what_cannot_be_checked_exits_3_with_a_sentence_and_the_cure(cancer):
    ran = command(cancer.folder, "check", cancer.model, "holdout.csv", "--target", "malignant", "--json")
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "There is no column 'malignant'" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_person_reads_the_verdict_first_and_the_next_step_last(cancer):
    ran = command(cancer.folder, "check", cancer.model, "holdout.csv", "--target", "benign")
    lines = [line for line in ran.stdout.splitlines() if line.strip()]
    assert lines[0].split()[0] in ("PASS", "FAIL", "UNDECIDED")
    assert "model.ubj" in lines[0]
    assert [line for line in lines if line.startswith("next: ")]
    assert str(cancer.folder) not in ran.stdout
