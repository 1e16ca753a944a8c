"""Engines: what each answers, and that a file read back answers as what was saved."""

from __future__ import annotations

import numpy as np
import pytest

from lockgate.errors import SpecError
from lockgate.runtime import engines
from lockgate.runtime.convert import compile_checked, to_onnx
from lockgate.runtime.engines import RuleFile, load_native, rule


def matrix(rows: int = 500, seed: int = 0):
    return np.random.default_rng(seed).normal(size=(rows, 3)).astype(np.float32)


def target(x, seed: int = 1):
    noise = np.random.default_rng(seed).normal(0, 0.3, len(x))
    return ((x[:, 0] ** 2 + x[:, 1] + noise) > 0.8).astype(float)


@pytest.fixture(scope="module")
def trees():
    from lightgbm import LGBMClassifier

    x = matrix()
    return LGBMClassifier(n_estimators=20, num_leaves=7, verbose=-1, n_jobs=1).fit(x, target(x))


@pytest.fixture(scope="module")
def line():
    from sklearn.linear_model import LogisticRegression

    x = matrix()
    return LogisticRegression().fit(x, target(x))


def test_a_constant_answers_every_row_alike(tmp_path):
    engines.save_constant(tmp_path, 0.23)
    assert load_native(tmp_path, "constant")(matrix(4)).tolist() == [0.23] * 4
    assert load_native(tmp_path, "constant")(matrix(0)).shape == (0,)


RULE = RuleFile(columns=(0, 2), edges=((1.0,), (0.0, 10.0)), values=(*(n / 100 for n in range(11)), None), default=0.5)


@pytest.mark.parametrize(
    ("first", "third", "cell"),
    [
        (0.0, -1.0, 0),
        (0.0, 0.0, 1),  # an edge belongs to the bin above it
        (0.999, 9.999, 1),
        (0.0, 10.0, 2),
        (0.0, np.nan, 3),
        (1.0, -1.0, 4),
        (5.0, 5.0, 5),
        (5.0, np.inf, 6),
        (5.0, np.nan, 7),
        (np.nan, -np.inf, 8),
        (np.nan, 3.0, 9),
        (np.nan, 99.0, 10),
    ],
)
def test_a_rule_finds_the_cell_of_a_row_and_missing_has_cells_of_its_own(first, third, cell):
    row = np.array([[first, 77.0, third]], dtype=np.float32)
    assert rule(RULE)(row).tolist() == [cell / 100]


def test_a_cell_that_training_never_saw_answers_the_default():
    assert rule(RULE)(np.array([[np.nan, 0.0, np.nan]], dtype=np.float32)).tolist() == [0.5]


def test_a_rule_over_no_columns_is_its_one_value():
    assert rule(RuleFile(columns=(), edges=(), values=(0.3,), default=0.0))(matrix(3)).tolist() == [0.3] * 3


def test_a_rule_read_back_answers_as_the_one_saved(tmp_path):
    x = matrix(200)
    x[::7, 0] = np.nan
    saved = engines.save_rule(tmp_path, RULE)
    assert load_native(tmp_path, "rule")(x).tolist() == saved(x).tolist()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"values": (0.1,)}, "does not have 1 cells"),
        ({"edges": ((1.0,),)}, "does not have"),
        ({"edges": ((1.0,), (10.0, 0.0))}, "must grow"),
        ({"edges": ((1.0,), (0.0, 0.0))}, "must grow"),
    ],
)
def test_a_rule_whose_sizes_do_not_fit_is_refused(changed, said):
    import msgspec

    with pytest.raises(SpecError, match=said):
        rule(msgspec.structs.replace(RULE, **changed))


def test_the_native_file_and_the_compiled_one_agree_for_trees(trees, tmp_path):
    x = matrix(2000, seed=9)
    x[::11, 1] = np.nan
    kind, saved = engines.save_estimator(tmp_path, trees)
    assert kind == "lightgbm"
    assert compile_checked(trees, saved, x, tmp_path).is_passed
    own = trees.booster_.predict(x)
    np.testing.assert_array_equal(load_native(tmp_path, kind)(x), own)
    np.testing.assert_allclose(engines.onnx(tmp_path / engines.ONNX)(x), own, atol=1e-5)


def test_the_native_file_and_the_compiled_one_agree_for_an_estimator_of_scikit_learn(line, tmp_path):
    x = matrix(2000, seed=9)
    kind, saved = engines.save_estimator(tmp_path, line)
    assert kind == "joblib"
    assert compile_checked(line, saved, x, tmp_path).is_passed
    own = line.predict_proba(x)[:, 1]
    np.testing.assert_array_equal(load_native(tmp_path, kind)(x), own)
    np.testing.assert_allclose(engines.onnx(tmp_path / engines.ONNX)(x), own, atol=1e-5)


def test_a_regressor_answers_values_on_both_paths(tmp_path):
    from sklearn.linear_model import Ridge

    x = matrix()
    fitted = Ridge().fit(x, 100 * x[:, 0] - 3)
    kind, native = engines.save_estimator(tmp_path, fitted)
    assert to_onnx(fitted, 3, tmp_path) is None
    np.testing.assert_allclose(load_native(tmp_path, kind)(x), fitted.predict(x))
    np.testing.assert_allclose(engines.onnx(tmp_path / engines.ONNX)(x), native(x), rtol=1e-5, atol=1e-3)


def test_one_row_is_answered_as_it_is_among_many(trees, line, tmp_path):
    x = matrix(50, seed=4)
    for name, estimator in (("trees", trees), ("line", line)):
        kind, _ = engines.save_estimator(tmp_path / name, estimator)
        assert to_onnx(estimator, 3, tmp_path / name) is None
        for engine in (load_native(tmp_path / name, kind), engines.onnx(tmp_path / name / engines.ONNX)):
            many = engine(x)
            assert many.shape == (50,)
            assert many.dtype == np.float64
            np.testing.assert_allclose([engine(x[n : n + 1])[0] for n in range(50)], many, atol=1e-6)


def test_an_estimator_that_no_converter_knows_is_served_native_and_says_why(tmp_path):
    class Own:
        def predict(self, x):
            return x[:, 0].astype(np.float64)

    found = compile_checked(Own(), Own().predict, matrix(), tmp_path, is_binary=False)
    assert not found.is_passed
    assert "could not be converted" in found.reason
    assert not (tmp_path / engines.ONNX).exists()


def test_a_compiled_model_that_answers_otherwise_is_not_kept(trees, tmp_path):
    x = matrix()
    found = compile_checked(trees, lambda m: trees.booster_.predict(m) + 1e-3, x, tmp_path)
    assert not found.is_passed
    assert found.over_tolerance > 0.9
    assert not (tmp_path / engines.ONNX).exists()
