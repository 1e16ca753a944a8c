"""The quick way never answers differently: whatever it does answer, the long way answers to the bit."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.features import Pipeline, raw
from lockgate.features.request import RequestType
from lockgate.records import Column, Contract, Manifest, Prediction, Routing
from lockgate.runtime.compile.checked import compile_checked
from lockgate.runtime.compile.engine import ONNX, compiled
from lockgate.runtime.fallback import Prompt
from lockgate.runtime.formats import engine as engine_of
from lockgate.runtime.formats import save_model
from lockgate.runtime.predictor import Predictor
from lockgate.serve.batch import from_request
from lockgate.serve.call import Caller

COLUMNS = (
    Column(name="who", type="text", is_nullable=True),
    Column(name="asked", type="time", is_nullable=True),
    Column(name="wait", type="float", low=-5.0, high=5.0),
    Column(name="seats", type="int", low=1.0, high=500.0, range_origin="declared"),
    Column(name="temp", type="float", is_nullable=True),
    Column(name="carrier", type="text", levels=("AA", "UA", ""), is_nullable=True),
    Column(name="dest", type="text", levels=("X", "Y", "Z")),
    Column(name="wet", type="bool"),
    Column(name="late", type="int", is_known_before=False),
)
CONTRACT = Contract(model="late", columns=COLUMNS, target="late", unit="who", time="asked")
INPUTS = tuple(column for column in COLUMNS if column.name in ("wait", "seats", "temp", "carrier", "dest", "wet"))
NUMBERS = (0.0, -0.0, 1.0, 3.5, -5.0, 5.0, 5.000001, 1e300, -1e39, 2**53, 2**53 + 1, 1e-320, 17, 500, 501)
odd = st.one_of(st.none(), st.sampled_from(NUMBERS), st.floats(-6, 6, width=32), st.text(max_size=2), st.booleans())
usual = st.fixed_dictionaries(
    {
        "who": st.sampled_from(["u1", "u2", "", None]),
        "asked": st.sampled_from(["2013-01-01T10:00:00Z", "2013-06-01T10:00:00.25+02:00", None]),
        "wait": st.floats(-5, 5),
        "seats": st.integers(1, 500),
        "temp": st.one_of(st.none(), st.floats(-40, 40)),
        "carrier": st.sampled_from(["AA", "UA", "", None]),
        "dest": st.sampled_from(["X", "Y", "Z"]),
        "wet": st.booleans(),
    }
)
spoilt = st.tuples(usual, st.sampled_from([column.name for column in COLUMNS[:8]]), odd).map(
    lambda parts: parts[0] | {parts[1]: parts[2]}
)
request = st.fixed_dictionaries(
    {"rows": st.lists(st.one_of(usual, usual, spoilt), min_size=1, max_size=4)},
    optional={"unit": st.sampled_from(["v1", ""])},
)


class World:
    """One compiled version behind both ways, as champion and as challenger."""

    def __init__(self, folder: Path, make: Any, lineage: Any) -> None:
        rng = np.random.default_rng(0)
        columns = {
            "wait": rng.uniform(-5, 5, 600),
            "seats": rng.integers(1, 500, 600).astype(float),
            "temp": np.where(rng.random(600) < 0.2, np.nan, rng.normal(10, 9, 600)),
            "carrier": rng.choice(np.array(["AA", "UA", "", None], dtype=object), 600),
            "dest": rng.choice(np.array(["X", "Y", "Z"], dtype=object), 600),
            "wet": (rng.random(600) < 0.3).astype(float),
        }
        target = (columns["wait"] + rng.normal(0, 2, 600) > 0).astype(float)
        pipeline = Pipeline.of(raw(*columns))
        model = make(columns, target)
        kind, loaded = save_model(folder, model)
        parity = compile_checked(loaded, engine_of(loaded, INPUTS), INPUTS, columns, folder, task="binary")
        assert parity.is_passed, parity.reason
        manifest = Manifest(
            model="late",
            name="v",
            role="candidate",
            format=kind,
            task="binary",
            lineage=lineage,
            inputs=INPUTS,
            files={},
        )
        self.predictor = Predictor("v", manifest, pipeline, compiled(folder / ONNX), "onnx")
        self.request = RequestType(CONTRACT)
        self.log: list[Any] = []
        self.routing = Routing(
            model="late",
            revision=1,
            champion="v",
            challenger="w",
            share=0.5,
            salt="s",
            baseline=None,
            constant=0.2,
            deadline_ms=10_000,
        )
        links = {"v": Prompt(self.predictor), "w": Prompt(replace(self.predictor, version="w"))}
        self.caller = Caller(CONTRACT, self.routing, links, self.log.extend)


def logistic(columns: Any, target: Any) -> Any:
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    prepared = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["wait", "seats", "temp", "wet"]),
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["carrier", "dest"]),
        ]
    )
    return make_pipeline(prepared, LogisticRegression(max_iter=500)).fit(pd.DataFrame(columns), target)


def trees(columns: Any, target: Any) -> Any:
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    coded = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepared = ColumnTransformer([("texts", coded, ["carrier", "dest"])], remainder="passthrough")
    return make_pipeline(prepared, HistGradientBoostingClassifier(max_iter=20)).fit(pd.DataFrame(columns), target)


@pytest.fixture(scope="module", params=[logistic, trees], ids=["logistic", "trees"])
def world(request: Any, tmp_path_factory: pytest.TempPathFactory, new_project: Any) -> World:
    folder = tmp_path_factory.mktemp("quick")
    return World(folder, request.param, new_project("lineage").lineage)


def facts(prediction: Prediction) -> tuple[Any, ...]:
    """All but when it was, how long it took, and an id that was drawn."""
    p = prediction
    return (p.unit, p.arm, p.version, p.served_by, p.value, p.share, p.rollout, p.failure, p.flags, p.inputs)


@settings(max_examples=300, deadline=None)
@given(sent=st.lists(request, min_size=1, max_size=3))
def test_what_the_quick_way_answers_the_long_way_answers_to_the_bit(world: World, sent: list[dict[str, Any]]) -> None:
    bodies = [json.dumps(one | {"id": f"q{number}"}).encode() for number, one in enumerate(sent)]
    plain = [world.request.plain(body) for body in bodies]
    asked = [one for one in plain if one is not None]
    caller = Caller(CONTRACT, world.routing, world.caller.served.predictors, world.log.extend)
    quick = iter(caller.answer_plain(asked) if asked else [])
    for body, one in zip(bodies, plain, strict=True):
        answered = next(quick) if one is not None else None
        if answered is None:
            continue
        rows = world.request.decode(body)
        batch = from_request(rows, CONTRACT, now_s=2e9)
        long = Caller(CONTRACT, world.routing, world.caller.served.predictors, lambda _: None).answer(batch)
        assert list(map(facts, answered)) == list(map(facts, long))
        assert [p.id for p in answered] == batch.ids
        assert [p.asked_s for p in answered if p.inputs[1] is not None] == [
            p.asked_s for p in long if p.inputs[1] is not None
        ]


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(usual, min_size=1, max_size=5))
def test_plain_rows_are_answered_the_quick_way(world: World, rows: list[dict[str, Any]]) -> None:
    asked = world.request.plain(json.dumps({"rows": rows}).encode())
    assert asked is not None
    (answered,) = world.caller.answer_plain([asked])
    assert answered is not None
    assert len(answered) == len(rows)


def test_a_request_that_spoils_the_batch_is_left_out_of_it_alone(world: World) -> None:
    good = {"who": "u", "asked": None, "wait": 1.0, "seats": 3, "temp": None, "carrier": "AA", "dest": "X", "wet": True}
    asked = [world.request.plain(json.dumps({"rows": [good], "id": name}).encode()) for name in ("a", "b", "c")]
    assert None not in asked
    caller = Caller(CONTRACT, world.routing, world.caller.served.predictors, world.log.extend)
    first, second, third = caller.answer_plain([asked[0], asked[1], asked[1]])
    assert (first is not None, second, third) == (True, None, None), (
        "two of one id in a turn: the long way counts them once"
    )
    before = len(world.log)
    assert caller.answer_plain([asked[0]]) == [None], "seen before"
    assert len(world.log) == before, "and not logged again"


def test_a_row_dated_in_the_future_is_left_to_the_long_way_which_flags_it(world: World) -> None:
    good = {"who": "u", "asked": None, "wait": 1.0, "seats": 3, "temp": None, "carrier": "AA", "dest": "X", "wet": True}
    body = json.dumps({"rows": [good, good | {"asked": "2999-01-01T00:00:00Z"}]}).encode()
    asked = world.request.plain(body)
    assert asked is not None
    caller = Caller(CONTRACT, world.routing, world.caller.served.predictors, world.log.extend)
    assert caller.answer_plain([asked]) == [None]
    batch = from_request(world.request.decode(body), CONTRACT, now_s=time.time())
    assert [answered.flags for answered in caller.answer(batch)] == [(), ("asked: in the future",)]
