"""A version as MLflow calls one: a pandas frame becomes the columns that the contract means, or is refused by name."""

from __future__ import annotations

import shutil

import msgspec
import numpy as np
import pandas as pd
import pytest

from lockgate.errors import ContractError, StoreError
from lockgate.features import Pipeline, raw
from lockgate.records import Column, Contract
from lockgate.runtime import folder
from lockgate.runtime.pyfunc import Scorer, _load_pyfunc, from_frame

TIME = Column(name="at", type="time", is_nullable=True)
WHOLE = Column(name="seats", type="int", is_nullable=True)
TEXT = Column(name="carrier", type="text", is_nullable=True)
FLAG = Column(name="is_new", type="bool", is_nullable=True)


@pytest.mark.parametrize(
    "stamps",
    [
        pd.to_datetime(["2023-01-01T00:00:01", None]),
        pd.to_datetime(["2023-01-01T00:00:01Z", None]),
        pd.to_datetime(["2023-01-01T01:00:01+01:00", None]),
        ["2023-01-01T00:00:01Z", None],
    ],
    ids=["no zone", "UTC", "another zone", "text"],
)
def test_times_are_seconds_and_those_without_a_zone_are_utc(stamps):
    found = from_frame(pd.DataFrame({"at": stamps}), (TIME,))["at"]
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [1_672_531_201.0, np.nan])


def test_missing_is_missing_whatever_pandas_calls_it():
    frame = pd.DataFrame(
        {
            "seats": pd.array([1, None, 3], dtype="Int64"),
            "carrier": pd.array(["AA", None, "UA"], dtype="string"),
            "is_new": pd.array([True, None, False], dtype="boolean"),
        }
    )
    found = from_frame(frame, (WHOLE, TEXT, FLAG))
    np.testing.assert_array_equal(found["seats"], [1, np.nan, 3])
    assert found["carrier"].tolist() == ["AA", None, "UA"]
    np.testing.assert_array_equal(found["is_new"], [1, np.nan, 0])
    other = pd.DataFrame({"seats": [1.0, np.nan, 3.0], "carrier": ["AA", np.nan, "UA"], "is_new": [True, None, False]})
    again = from_frame(other, (WHOLE, TEXT, FLAG))
    np.testing.assert_array_equal(again["seats"], found["seats"])
    assert again["carrier"].tolist() == found["carrier"].tolist()
    np.testing.assert_array_equal(again["is_new"], found["is_new"])


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        (WHOLE, [1.5, 2.0], "not all of its numbers are whole"),
        (WHOLE, ["one", "two"], "the contract says int"),
        (TEXT, ["AA", 3], "3 is no text"),
        (TIME, [1_672_531_201, 2], "does not say since when"),
        (WHOLE, ["1", "2"], "text is no number"),
        (TIME, ["yesterday", "today or so"], "the contract says time"),
    ],
)
def test_a_column_of_another_type_is_refused_by_its_name(column, values, says):
    with pytest.raises(ContractError, match=says) as raised:
        from_frame(pd.DataFrame({column.name: values}), (column,))
    assert raised.value.column == column.name


def test_a_column_that_is_not_there_is_refused_by_its_name():
    with pytest.raises(ContractError, match="no column 'seats'"):
        from_frame(pd.DataFrame({"other": [1]}), (WHOLE,))


def test_several_classes_are_a_frame_with_a_column_each(predictor):
    made = predictor("v1", lambda inputs: np.array([[0.2, 0.5, 0.3]] * len(inputs["wait"])), task="multiclass")
    manifest = msgspec.structs.replace(made.manifest, classes=("low", "mid", "high"))
    several = type(made)("v1", manifest, Pipeline.of(raw("wait")), made.engine, made.engine_name)
    contract = Contract(model="late", columns=(Column(name="wait", type="float"),), target="late")
    found = Scorer(several, contract).predict(pd.DataFrame({"wait": [1.0, 2.0]}, index=[7, 9]))
    assert found.columns.tolist() == ["low", "mid", "high"]
    assert found.index.tolist() == [7, 9]
    assert found.loc[9].tolist() == [0.2, 0.5, 0.3]


def test_the_folder_is_held_to_the_id_that_it_is_named_by(fitted, tmp_path):
    made, version = fitted
    place = tmp_path / version
    shutil.copytree(made, place)
    frame = pd.DataFrame({"wait": [1.0, 9.0], "seats": [10, 20], "carrier": ["AA", "UA"]})
    low, high = _load_pyfunc(str(place)).predict(frame)
    assert low < 0.2
    assert high > 0.8
    (place / folder.PIPELINE).write_bytes((place / folder.PIPELINE).read_bytes() + b" ")
    with pytest.raises(StoreError, match=r"pipeline\.json .* has changed"):
        _load_pyfunc(str(place))
    shutil.copytree(made, tmp_path / ("0" * 64))
    with pytest.raises(StoreError, match="is not the manifest of version 000000"):
        _load_pyfunc(str(tmp_path / ("0" * 64)))
