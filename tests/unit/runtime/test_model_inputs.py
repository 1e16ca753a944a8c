"""What a model takes: columns become a frame or a matrix as it was in training, or a sentence says why they cannot."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from lockgate.errors import PredictError, SpecError
from lockgate.features.columns import Columns
from lockgate.records import Column
from lockgate.runtime import formats
from lockgate.runtime.frames import framer

rng = np.random.default_rng(0)
N = 300
FRAME = pd.DataFrame(
    {
        "wait": rng.normal(size=N),
        "seats": rng.integers(1, 300, N),
        "carrier": rng.choice(["AA", "UA", "DL"], N),
        "remark": rng.choice(["good day", "bad rain", "fog and snow"], N),
    }
)
Y = ((FRAME["seats"] > 150) ^ (FRAME["carrier"] == "AA")).astype(int)
WAIT = Column(name="wait", type="float")
SEATS = Column(name="seats", type="int")
CARRIER = Column(name="carrier", type="text")
REMARK = Column(name="remark", type="text")


def text(values: Any) -> np.ndarray:
    out = np.empty(len(values), dtype=object)
    out[:] = list(values)
    return out


COLUMNS: Columns = {
    "wait": FRAME["wait"].to_numpy(),
    "seats": FRAME["seats"].to_numpy(float),
    "carrier": text(FRAME["carrier"]),
    "remark": text(FRAME["remark"]),
}


def test_a_frame_has_the_types_that_read_csv_would_give() -> None:
    csv = "f,i,n,b,t\n1.5,1,2,True,x\n2.5,2,,False,\n"
    import io

    read = pd.read_csv(io.StringIO(csv))
    columns: Columns = {
        "f": np.array([1.5, 2.5]),
        "i": np.array([1.0, 2.0]),
        "n": np.array([2.0, np.nan]),
        "b": np.array([1.0, 0.0]),
        "t": text(["x", None]),
    }
    order = (
        Column(name="f", type="float"),
        Column(name="i", type="int"),
        Column(name="n", type="int", is_nullable=True),
        Column(name="b", type="bool"),
        Column(name="t", type="text", is_nullable=True),
    )
    made = framer([column.name for column in order], order, {})(columns)
    pd.testing.assert_frame_equal(made, read)


def test_times_become_stamps_in_utc_to_the_microsecond() -> None:
    made = framer(["at"], [Column(name="at", type="time")], {})({"at": np.array([1356998400.123457, np.nan])})
    assert str(made["at"].dtype) == "datetime64[ns, UTC]"
    assert made["at"][0] == pd.Timestamp("2013-01-01T00:00:00.123457Z")
    assert pd.isna(made["at"][1])


def test_a_pipeline_fitted_on_a_frame_gets_one_and_answers_as_it_did_there() -> None:
    prepared = make_column_transformer(
        (StandardScaler(), ["wait", "seats"]), (OneHotEncoder(), ["carrier"]), (TfidfVectorizer(), "remark")
    )
    model = make_pipeline(prepared, LogisticRegression()).fit(FRAME, Y)
    loaded = formats.in_memory(model)
    assert (loaded.takes, loaded.needs, loaded.task) == ("frame", ("wait", "seats", "carrier", "remark"), "binary")
    engine = formats.engine(loaded, (REMARK, CARRIER, WAIT, SEATS))
    np.testing.assert_array_equal(engine(COLUMNS), model.predict_proba(FRAME)[:, 1])


def test_a_pipeline_that_begins_with_text_gets_the_one_column_of_text() -> None:
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(FRAME["remark"], Y)
    engine = formats.engine(formats.in_memory(model), (WAIT, REMARK))
    np.testing.assert_array_equal(engine(COLUMNS), model.predict_proba(FRAME["remark"])[:, 1])
    with pytest.raises(SpecError, match="one column of text, and the table has 2: 'carrier', 'remark'"):
        formats.engine(formats.in_memory(model), (CARRIER, REMARK))


@pytest.mark.parametrize("library", ["sklearn", "lightgbm", "xgboost"])
def test_categories_of_pandas_keep_the_levels_they_had_in_training(library: str) -> None:
    frame = FRAME[["wait", "carrier"]].assign(carrier=FRAME["carrier"].astype("category"))
    if library == "sklearn":
        model: Any = HistGradientBoostingClassifier(max_iter=8, categorical_features="from_dtype")
    elif library == "lightgbm":
        model = pytest.importorskip("lightgbm").LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1)
    else:
        model = pytest.importorskip("xgboost").XGBClassifier(n_estimators=8, enable_categorical=True, n_jobs=1)
    model.fit(frame, Y)
    loaded = formats.in_memory(model)
    assert loaded.categories == {"carrier": ("AA", "DL", "UA")}
    engine = formats.engine(loaded, (WAIT, CARRIER))
    np.testing.assert_array_equal(engine(COLUMNS), model.predict_proba(frame)[:, 1])
    few: Columns = {"wait": COLUMNS["wait"][:2], "carrier": text(["UA", "UA"])}  # a batch that lacks the other levels
    alike = frame.iloc[:2].assign(carrier=pd.Categorical(["UA", "UA"], categories=["AA", "DL", "UA"]))
    np.testing.assert_array_equal(engine(few), model.predict_proba(alike)[:, 1])


def test_levels_that_a_columns_type_cannot_hold_are_refused() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    frame = FRAME[["wait"]].assign(seats=pd.Categorical(FRAME["seats"] % 5))
    loaded = formats.in_memory(lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(frame, Y))
    assert loaded.categories == {"seats": (0, 1, 2, 3, 4)}
    with pytest.raises(SpecError, match="knows 'seats' by levels such as 0; the table's column is text"):
        formats.engine(loaded, (WAIT, Column(name="seats", type="text")))


def test_a_matrix_in_another_order_is_put_in_the_models_own() -> None:
    model = LogisticRegression().fit(FRAME[["wait", "seats"]], Y)
    engine = formats.engine(formats.in_memory(model), (SEATS, WAIT))
    matrix = FRAME[["seats", "wait"]].to_numpy(np.float32)
    expected = model.predict_proba(pd.DataFrame(matrix[:, ::-1], columns=["wait", "seats"]))[:, 1]
    np.testing.assert_allclose(engine(matrix), expected, rtol=1e-12)  # sums differ in the last bit by memory order


def test_columns_that_the_table_lacks_are_named_with_those_it_has_instead() -> None:
    model = LogisticRegression().fit(FRAME[["wait", "seats"]], Y)
    with pytest.raises(SpecError) as refused:
        formats.engine(formats.in_memory(model), (WAIT, Column(name="seat", type="int")))
    assert "expects 1 column that the table lacks: 'seats'" in refused.value.message
    assert "has 'seat' besides" in refused.value.message
    assert "Did you mean 'seat' for 'seats'?" in refused.value.message


def test_another_number_of_columns_is_refused_when_it_is_made_and_when_it_is_called() -> None:
    loaded = formats.in_memory(LogisticRegression().fit(FRAME[["wait", "seats"]].to_numpy(), Y))
    with pytest.raises(SpecError, match="takes 2 columns and does not say which; it was offered 1: 'wait'"):
        formats.engine(loaded, (WAIT,))
    with pytest.raises(PredictError, match=r"takes 2 columns and was given shape \(3, 5\)"):
        formats.engine(loaded, (WAIT, SEATS))(np.zeros((3, 5), dtype=np.float32))


def test_text_for_a_model_that_takes_numbers_is_refused_with_the_cure() -> None:
    loaded = formats.in_memory(LogisticRegression().fit(FRAME[["wait", "seats"]].to_numpy(), Y))
    with pytest.raises(SpecError, match=r"takes numbers, and 'carrier' holds text.*Pipeline"):
        formats.engine(loaded, (WAIT, CARRIER))


def test_a_model_made_for_another_task_is_refused() -> None:
    loaded = formats.in_memory(LogisticRegression().fit(FRAME[["wait", "seats"]].to_numpy(), Y))
    with pytest.raises(SpecError, match="made for a binary task, and this one is regression"):
        formats.engine(loaded, (WAIT, SEATS), "regression")


def test_a_statsmodels_formula_takes_the_columns_it_names() -> None:
    smf = pytest.importorskip("statsmodels.formula.api")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = smf.logit("late ~ wait + np.log(seats) + C(carrier)", FRAME.assign(late=Y)).fit(disp=0)
    loaded = formats.in_memory(results)
    assert set(loaded.needs) == {"wait", "seats", "carrier"}
    engine = formats.engine(loaded, (WAIT, SEATS, CARRIER))
    np.testing.assert_array_equal(engine(COLUMNS), np.asarray(results.predict(FRAME)))
