"""Versions as training seals them: refused where changed, the same in every process and on both paths."""

from __future__ import annotations

import json
import subprocess
import sys

import msgspec
import numpy as np
import pytest

from lockgate.errors import SpecError, StoreError
from lockgate.features.contract import to_columns
from lockgate.records import Dataset, Version
from lockgate.runtime import folder
from lockgate.runtime.compile.parity import parity

ASK = """
import json, sys
from pathlib import Path
from lockgate.features.contract import to_columns
from lockgate.runtime import folder
import polars as pl
path, version, table = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
columns = to_columns(pl.read_parquet(table), folder.read_contract(path).asked)
print(json.dumps(folder.load(path, version).predict(columns).values.tolist()))
"""


@pytest.mark.parametrize("name", ["native/model.txt", "model.onnx", "pipeline.json", "manifest.json", "parity.json"])
def test_a_file_changed_by_one_byte_is_refused_by_its_name(workshop, name):
    version = workshop.versions["trees"]
    path = workshop.home / "versions" / version
    held = bytearray((path / name).read_bytes())
    place = held.index(b"1") if b"1" in held else len(held) // 2
    held[place] = ord("2")
    (path / name).write_bytes(bytes(held))
    with pytest.raises(StoreError, match=name):
        folder.load(path, version)


def test_a_missing_file_and_one_too_many_are_refused_by_name(workshop):
    version = workshop.versions["trees"]
    path = workshop.home / "versions" / version
    (path / "extra.py").write_text("print()")
    with pytest.raises(StoreError, match=r"extra\.py .* is not in the manifest"):
        folder.load(path, version)
    (path / "extra.py").unlink()
    (path / "model.onnx").unlink()
    with pytest.raises(StoreError, match=r"model\.onnx .* is missing"):
        folder.load(path, version)


def test_another_versions_folder_is_not_taken_for_this_one(workshop):
    path = workshop.home / "versions" / workshop.versions["rival"]
    with pytest.raises(StoreError, match="is not the manifest of version"):
        folder.load(path, workshop.versions["trees"])


def test_a_fresh_process_predicts_the_same(built, tmp_path):
    version = built.versions["trees"]
    path = built.home / "versions" / version
    table = built.table(first_day=50, days=2)
    table.write_parquet(tmp_path / "t.parquet")
    argv = [sys.executable, "-c", ASK, str(path), version, str(tmp_path / "t.parquet")]
    told = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    columns = to_columns(table, folder.read_contract(path).asked)
    here = folder.load(path, version).predict(columns).values
    assert np.ptp(here) > 0.3
    assert json.loads(told.stdout) == here.tolist()


@pytest.mark.parametrize("name", ["trees", "rival"])
def test_the_compiled_path_answers_as_the_native_one_on_rows_never_trained_on(built, name):
    version = built.versions[name]
    path = built.home / "versions" / version
    native, compiled = folder.load(path, version, prefer_onnx=False), folder.load(path, version)
    assert (native.engine_name, compiled.engine_name) == ("lightgbm", "onnx")
    columns = to_columns(built.table(first_day=60, days=20), folder.read_contract(path).asked)
    matrix = native.pipeline.transform(columns)
    assert np.isnan(matrix).any()
    found = parity(native.engine, compiled.engine, matrix)
    assert found.is_passed, found.reason
    assert found.rows == 1500
    np.testing.assert_allclose(native.predict(columns).values, compiled.predict(columns).values, atol=1e-5)


def test_what_the_register_says_of_parity_is_what_is_served(built):
    workspace = built.open()
    for version in workspace.wiring.records.all(Version):
        if version.parity is not None:
            path = built.home / "versions" / version.id
            assert (folder.load(path, version.id).engine_name == "onnx") == version.parity.is_passed
            assert (path / "model.onnx").exists() == version.parity.is_passed


def test_the_register_says_how_parity_went(built):
    workspace = built.open()
    version = workspace.wiring.records.get(Version, built.versions["trees"])
    assert version.parity.is_passed
    assert version.parity.flips == 0
    assert version.parity.rows > 750  # the held-out rows, and those at split boundaries


def test_training_again_makes_the_same_answers(workshop):
    workspace = workshop.open()
    again = workspace.train("tide", name="again")
    columns = to_columns(workshop.table(first_day=50, days=2), workspace.contract("tide").asked)
    one, other = (workspace.wiring.predictor(v).predict(columns).values for v in (workshop.versions["trees"], again.id))
    np.testing.assert_array_equal(one, other)


def test_a_rollout_whose_traffic_nobody_knows_starts_only_when_asked_for_all_the_same(workshop):
    """Before the first day has closed, and without a dataset that spans one, no plan can be made."""
    workspace = workshop.open()
    workspace.gate(workshop.versions["rival"])
    (newest,) = workspace.wiring.records.all(Dataset, "tide")
    timeless = msgspec.structs.replace(
        newest, ref=msgspec.structs.replace(newest.ref, version=newest.ref.version + 1), since_s=None, until_s=None
    )
    workspace.wiring.records.write(timeless)
    with pytest.raises(SpecError, match=r"Nothing says how many calls a day tide gets.*--anyway"):
        workspace.rollout(workshop.versions["rival"], by="the tests")
    assert workspace.rollout(workshop.versions["rival"], by="the tests", anyway=True).kind == "start"


def test_a_large_batch_goes_to_the_native_model_where_that_was_found_to_be_faster(built):
    version = built.versions["trees"]
    path = built.home / "versions" / version
    both = folder.load(path, version, native_from_rows=1000)
    native, compiled = folder.load(path, version, prefer_onnx=False), folder.load(path, version)
    columns = to_columns(built.table(first_day=60, days=20), folder.read_contract(path).asked)
    few = {name: values[:999] for name, values in columns.items()}
    np.testing.assert_array_equal(both.predict(columns).values, native.predict(columns).values)
    np.testing.assert_array_equal(both.predict(few).values, compiled.predict(few).values)
    assert (both.predict(few).values != native.predict(few).values).any(), "the two do not round alike"


def test_a_version_keeps_the_profile_of_its_inputs_and_of_what_it_said(built):
    workspace = built.open()
    profile = workspace.wiring.profile(built.versions["trees"])
    contract = workspace.wiring.contract(built.versions["trees"])
    assert {column.name for column in profile.columns if column.role == "input"} == {c.name for c in contract.asked}
    said = profile.column("prediction", "prediction")
    assert said is not None
    assert said.moments is not None
    assert said.rows == said.moments.n > 50
    assert 0.0 <= said.moments.low < said.moments.high <= 1.0
    assert sum(profile.importance.values()) == pytest.approx(1.0)
    assert set(profile.importance) <= {column.name for column in contract.asked}
    assert profile.time == contract.time
    assert profile.since_s < profile.until_s
