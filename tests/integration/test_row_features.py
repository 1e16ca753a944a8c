"""Row, fitted and opaque features from a project's own module to a served version: trained, compiled, proved, changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import lockgate as lg
from lockgate.errors import SpecError, StoreError
from lockgate.features.contract import to_columns
from lockgate.records import Version
from lockgate.runtime import folder
from lockgate.runtime.quick import quick
from lockgate.testing import ParityBroken

CODE = """
import numpy as np
import polars as pl
from lockgate_tidework import fit

from lockgate.features import Pipeline, custom_polars, filled, frequency, levels, row, scaled


def of_rows():
    return Pipeline.of(
        row("bend", "x1 ** 2 - 1"),
        row("tide_hour", "hour(asked_at)"),
        filled("x2"),
        scaled("x2"),
        levels("colour"),
        frequency("colour"),
        row("hue_length", "len_chars(colour) / 10"),
    )


def own():
    warmth = custom_polars(f"{__name__}:warm", needs=("colour", "x2"), gives=("warm", "x2"))
    return Pipeline.of(row("bend", "x1 ** 2"), warmth)


def warm(frame):
    return frame.select(warm=(pl.col("colour") == "red").cast(pl.Float64), x2=pl.col("x2"))


def centred():
    return Pipeline.of(row("bend", "x1 ** 2"), custom_polars(f"{__name__}:off_mean", needs=("x2",), gives=("x2",)))


def off_mean(frame):
    return frame.select(pl.col("x2") - pl.col("x2").mean())


def leaky():
    return Pipeline.of(row("later", "known_at - asked_at"))


def infinite():
    return Pipeline.of(row("huge", "1e300 * exp(abs(x1) * 1000)"))
"""


@pytest.fixture(scope="module")
def shop(built: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    import shutil

    root = tmp_path_factory.mktemp("rows") / "project"
    shutil.copytree(built.root, root)
    (root / "lockgate_rowwork.py").write_text(CODE)
    return type(built)(root, dict(built.versions))


def train(shop: Any, features: str) -> Any:
    return shop.run("train", "tide", "--features", f"lockgate_rowwork:{features}", "--name", features, timeout_s=120)


def version(shop: Any, name: str) -> Version:
    return next(v for v in reversed(shop.open().wiring.records.all(Version, "tide")) if v.name == name)


@pytest.fixture(scope="module")
def trained(shop: Any) -> Version:
    told = train(shop, "of_rows")
    assert told.returncode == 0, told.stderr
    return version(shop, "of_rows")


def test_a_version_of_row_and_fitted_features_is_compiled_and_answers_the_quick_way(
    shop: Any, trained: Version
) -> None:
    assert trained.parity is not None
    assert trained.parity.is_passed, trained.parity.reason
    workspace = shop.open()
    # As a worker has it: elsewhere large batches may go to the native model, if that was faster when it was measured.
    predictor = folder.load(workspace.wiring.folders.path(trained.id), trained.id)
    contract = workspace.wiring.contract(trained.id)
    way = quick(predictor, contract.asked)
    assert way is not None
    table = shop.table(first_day=60, days=3)
    columns = to_columns(table, contract.asked)
    from lockgate.features.columns import row_tuples

    rows = row_tuples(columns, contract.asked)
    told = predictor.predict(columns)
    answered = [(way([one]), value) for one, value, flags in zip(rows, *told, strict=True) if not flags]
    assert len(answered) > 200
    assert [found for found, _ in answered] == [[value] for _, value in answered]


def test_its_features_and_answers_are_the_same_both_ways(shop: Any, trained: Version) -> None:
    found = lg.testing.assert_parity(shop.open().predictor(trained), shop.table(first_day=60, days=3))
    assert found.rows >= 500
    assert "bend" in found.features
    assert "answer" in found.features


def test_a_service_is_held_to_the_version_that_it_serves(serving: Any) -> None:
    shop, server = serving
    predictor = shop.open().predictor(shop.versions["trees"])
    table = shop.table(first_day=60, days=2).drop("known_at", "y")
    found = lg.testing.assert_parity(predictor, table, served=_client(server.url), rows=60)
    assert found.rows >= 30
    by_url = lg.testing.assert_parity(predictor, table, served=f"{server.url}/predict/tide", rows=60)
    assert by_url.rows == found.rows
    with pytest.raises(SpecError, match=r"answered none of \d+ rows.*'known_at'|answered none of \d+ rows.*known_at"):
        lg.testing.assert_parity(predictor, shop.table(), served=f"{server.url}/predict/tide", rows=30)
    wrong = _client(server.url, scale=10.0)
    with pytest.raises(ParityBroken, match=r"in a batch and .* as served") as caught:
        lg.testing.assert_parity(predictor, table, served=wrong, rows=60)
    assert "x1" in caught.value.inputs


def _client(url: str, *, scale: float = 1.0) -> Any:
    """A caller that may have a unit wrong."""
    from lockgate.errors import ContractError

    def ask(rows: Any) -> list[float | None]:
        sent = [one | {"x1": None if one["x1"] is None else one["x1"] * scale} for one in rows]
        try:
            with lg.Client(url) as client:
                return [None if one.failure else one.value for one in client.predict("tide", sent)]
        except ContractError:
            return [None]

    return ask


@pytest.mark.slow
def test_a_batch_mean_in_a_frame_a_column_of_later_and_an_infinite_feature_are_refused_by_name(shop: Any) -> None:
    for features, said in (
        ("centred", "The feature 'x2' depends on the other rows of its batch"),
        ("leaky", "'known_at' cannot be a feature of tide"),
        ("infinite", "The feature 'huge' is infinite in"),
    ):
        told = train(shop, features)
        assert told.returncode == 3
        assert said in told.stderr


@pytest.mark.slow
def test_a_definition_changed_under_a_version_is_another_hash(shop: Any) -> None:
    assert train(shop, "own").returncode == 0
    made = version(shop, "own")
    path, code = shop.home / "versions" / made.id, shop.root / "lockgate_rowwork.py"
    again = train(shop, "own")
    assert "has changed since" not in again.stderr
    assert folder.load(path, made.id).pipeline.is_fitted
    before = code.read_text()
    code.write_text(before.replace('== "red"', '!= "red"'))
    with pytest.raises(
        StoreError, match=r"was trained with another lockgate_rowwork:warm.*a changed definition is another hash"
    ):
        folder.load(path, made.id)
    told = train(shop, "own")
    assert told.returncode == 0, told.stderr
    assert f"lockgate_rowwork:own has changed since {version_before(shop, 'own').short}" in told.stderr
    code.write_text(before)
    assert folder.load(path, made.id).pipeline.definition == folder.read_pipeline(path).definition


def version_before(shop: Any, name: str) -> Version:
    return [v for v in shop.open().wiring.records.all(Version, "tide") if v.name == name][-2]


@pytest.mark.slow
def test_what_each_feature_costs_and_what_is_lost_without_it(shop: Any, trained: Version) -> None:
    told = shop.run("data", "features", trained.short, "--json", timeout_s=200)
    assert told.returncode == 0, told.stderr
    assert "trained without bend" in told.stderr, "progress is shown"
    found = json.loads(told.stdout)
    by_name = {one["name"]: one for one in found["features"]}
    assert set(by_name) == {"bend", "tide_hour", "x2", "colour", "colour_frequency", "hue_length"}
    assert found["method"] == "retrained"
    assert found["by"] == "day"
    assert found["blocks"] == 10
    # The outcome bends in x1; the hour is noise, and the colour is told three times over.
    assert by_name["bend"]["low"] > 0
    assert by_name["tide_hour"]["low"] <= 0 < by_name["tide_hour"]["high"]
    assert by_name["colour_frequency"]["low"] <= 0
    assert by_name["x2"]["missing"] == 0.0
    assert all(one["one_row_us"] > 0 and one["batch_us"] > 0 for one in found["features"])
    assert "its absence loses nothing we can see" in found["sentence"]
    assert "All 6 intervals hold together with chance 0.95." in found["sentence"]
    assert "each could go and not both" in found["sentence"]


def test_shuffling_asks_the_version_itself(shop: Any, trained: Version) -> None:
    told = shop.run("data", "features", trained.short, "--quick", timeout_s=100)
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0].startswith("shuffled on 750 held-out rows; 10 days as blocks")
    assert any(line.startswith("bend ") and " row " in line for line in lines)
    assert lines[-1] == f"next: lockgate why {trained.short}"


def test_a_model_from_elsewhere_is_shuffled_and_never_trained(shop: Any, tmp_path: Path) -> None:
    import joblib
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures

    numbers = make_pipeline(SimpleImputer(), PolynomialFeatures(2))
    texts = OneHotEncoder(handle_unknown="ignore")
    prepared = ColumnTransformer([("n", numbers, ["x1", "x2"]), ("c", texts, ["colour"])])
    frame = shop.table().select("x1", "x2", "colour", "y").to_pandas()
    model = make_pipeline(prepared, LogisticRegression(max_iter=999)).fit(frame[["x1", "x2", "colour"]], frame["y"])
    joblib.dump(model, tmp_path / "m.joblib")
    workspace = shop.open()
    made = workspace.import_(tmp_path / "m.joblib", model="tide", name="adopted")
    found = workspace.features(made, quick=True)
    by_name = {one.name: one for one in found.features}
    assert set(by_name) == {"x1", "x2", "colour"}
    assert by_name["x1"].low > by_name["colour"].low
    assert by_name["x1"].is_needed
    assert 0.05 < by_name["x2"].missing < 0.15
    with pytest.raises(SpecError, match="cannot be trained without a feature"):
        workspace.features(made)
    assert lg.testing.assert_parity(workspace.predictor(made), shop.table(), rows=80).rows >= 40
