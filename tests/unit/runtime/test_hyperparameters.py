"""Hyper-parameters: what each framework says of a fitted estimator, as bounded text."""

from __future__ import annotations

import numpy as np
import pytest

from lockgate.runtime.hyperparameters import parameters_of

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)


def test_a_pipelines_parts_are_told_by_name_and_the_parts_themselves_are_not():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = parameters_of(make_pipeline(StandardScaler(), LogisticRegression(C=0.5)))
    assert found["logisticregression__C"] == "0.5"
    assert found["standardscaler__with_mean"] == "True"
    assert not {"steps", "logisticregression", "standardscaler"} & set(found)


def test_lightgbm_tells_the_same_by_estimator_and_by_booster():
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(num_leaves=5, n_estimators=3, verbose=-1, n_jobs=1).fit(X, Y)
    assert parameters_of(model)["num_leaves"] == "5"
    assert parameters_of(model.booster_)["num_leaves"] == "5"


def test_xgboost_tells_what_was_set_and_a_booster_its_whole_configuration():
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(max_depth=2, n_estimators=3, n_jobs=1).fit(X, Y)
    assert parameters_of(model)["max_depth"] == "2"
    assert parameters_of(model.get_booster())["max_depth"] == "2"


def test_catboost_tells_the_defaults_it_used_as_well():
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoostClassifier(iterations=3, depth=2, verbose=0, thread_count=1, allow_writing_files=False)
    model.fit(X, Y)
    found = parameters_of(model)
    assert (found["depth"], found["iterations"]) == ("2", "3")
    assert "l2_leaf_reg" in found


def test_long_values_and_many_of_them_are_bounded():
    from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier

    found = parameters_of(HistGradientBoostingClassifier(categorical_features=list(range(1000))))
    assert len(found["categorical_features"]) == 500
    assert found["categorical_features"].endswith(" ...")
    many = VotingClassifier([(f"m{i}", HistGradientBoostingClassifier()) for i in range(40)])
    assert len(parameters_of(many)) == 200


def test_what_says_nothing_gives_nothing_and_what_raises_is_named():
    class Broken:
        def get_params(self, **_: bool) -> dict[str, str]:
            raise RuntimeError("no")

    assert parameters_of(lambda x: x) == {}
    assert parameters_of(Broken()) == {"parameters": "cannot be read: RuntimeError('no')"}
