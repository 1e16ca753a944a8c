"""A served model that raises, hangs, answers nonsense, allocates without end, kills its process or holds the interpreter:
answers keep coming, each says who gave it and why, and the worker is as well as before.
"""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from lockgate.features import Pipeline, numeric
from lockgate.features.pipeline import observed
from lockgate.records import ServeSpec, digest
from lockgate.runtime.bounded_child import memory_mb
from lockgate.runtime.folder import CONTRACT, PIPELINE, put, seal
from lockgate.runtime.formats import save_model
from lockgate.store.folders import Folders
from lockgate.store.serving_file import Serving, ServingFile

ROW: dict[str, Any] = {"wait": 1.0, "seats": 120, "carrier": "AA", "plane": "N1"}
MEMORY_MB = 400
SOON_S = 12.0  # a child is replaced two seconds after it was made at the earliest, and then it loads


@pytest.fixture(scope="module")
def fragile(new_project: Any) -> Iterator[tuple[Any, Any]]:
    """A champion whose own step does what a row asks for, a baseline behind it, one worker."""
    project = new_project("fragile")
    ServingFile(project.home).publish({"late": Serving(serve=ServeSpec(memory_mb=MEMORY_MB))})
    champion, baseline = project.add_constant("champion", 0.7, "by_wait"), project.add_constant("base", 0.4)
    project.publish(champion, baseline=baseline, deadline_ms=250.0)
    with project.serving() as server:
        yield (champion, baseline), server


def answered(server: Any, wait: float) -> dict[str, Any]:
    told = server.predict(ROW | {"wait": wait})
    assert told.status_code == 200, told.text
    (prediction,) = told.json()["predictions"]
    return prediction


def until_well(server: Any, champion: str) -> None:
    give_up = time.monotonic() + SOON_S
    while answered(server, 1.0)["served_by"] != champion:
        assert time.monotonic() < give_up, "the champion did not come back"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("wait", "reasons"),
    [
        pytest.param(6.0, {"raised"}, id="raises"),
        pytest.param(9.0, {"shape"}, id="a row too many"),
        pytest.param(7.0, {"late"}, id="hangs"),
        pytest.param(20.0, {"late", "gone"}, id="allocates without end"),
        pytest.param(30.0, {"gone"}, id="kills its process"),
        pytest.param(40.0, {"late"}, id="holds the interpreter"),
    ],
)
def test_answers_keep_coming_and_each_is_labelled(fragile: Any, wait: float, reasons: set[str]) -> None:
    (champion, baseline), server = fragile
    until_well(server, champion)
    (worker,) = server.state()["workers"]
    broken = answered(server, wait)
    assert (broken["served_by"], broken["value"], broken["version"]) == (baseline, 0.4, champion)
    assert broken["failure"] in reasons
    for _ in range(20):
        began = time.monotonic()
        told = answered(server, 1.0)
        assert time.monotonic() - began < 2.0
        assert told["served_by"] in (champion, baseline)
        assert (told["failure"] is None) == (told["served_by"] == champion)
    began = time.monotonic()
    assert server.get("/healthz").status_code == 200
    assert time.monotonic() - began < 1.0
    until_well(server, champion)
    assert server.state()["workers"] == [worker]
    assert memory_mb(worker) < MEMORY_MB, "what the model allocated, the worker never held"


@pytest.mark.parametrize(
    ("coefficients", "reason"),
    [
        pytest.param(np.array([np.nan]), "non_finite", id="NaN"),
        pytest.param(np.array([[1.0], [2.0]]), "shape", id="two columns"),
        pytest.param(np.array([1e9]), "out_of_range", id="no chance"),
    ],
)
def test_an_answer_that_is_none_is_replaced_and_named(project: Any, coefficients: np.ndarray, reason: str) -> None:
    """A real scikit-learn model, answering from its child."""
    champion = native(project, coefficients)
    baseline = project.add_constant("base", 0.4)
    project.publish(champion, baseline=baseline)
    with project.serving() as server:
        for wait in (1.0, 2.0):
            told = answered(server, wait)
            assert (told["version"], told["served_by"], told["failure"]) == (champion, baseline, reason)


def native(project: Any, coefficients: np.ndarray) -> str:
    """A linear model whose coefficients went wrong after it was fitted."""
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    model.coef_ = coefficients
    folder = project.root / "new"
    pipeline = Pipeline.of(numeric("wait"))
    kind, _ = save_model(folder, model)
    put(folder, CONTRACT, project.contract)
    put(folder, PIPELINE, pipeline)
    more = {"role": "candidate", "format": kind, "task": "binary", "lineage": project.lineage}
    inputs = observed(pipeline.names, np.array([[0.0], [10.0]], dtype=np.float32))
    version = digest(seal(folder, model="late", name="native", inputs=inputs, **more))
    Folders(project.home / "versions").add(version, folder)
    return version


def test_neighbours_in_one_batch_are_answered_by_the_champion(fragile: Any) -> None:
    """Calls that queued up are scored together; one that raises is found, and the others keep their answers."""
    (champion, baseline), server = fragile
    until_well(server, champion)
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        told = list(pool.map(lambda n: answered(server, 6.0 if n % 8 == 0 else 1.0), range(240)))
    for number, prediction in enumerate(told):
        wanted = (baseline, "raised") if number % 8 == 0 else (champion, None)
        assert (prediction["served_by"], prediction["failure"]) == wanted


def test_a_request_of_many_rows_is_answered_row_by_row(fragile: Any) -> None:
    (champion, baseline), server = fragile
    until_well(server, champion)
    told = server.predict(*(ROW | {"wait": 1.0} for _ in range(2000)))
    assert {p["served_by"] for p in told.json()["predictions"]} <= {champion, baseline}
    assert len(told.json()["predictions"]) == 2000


def test_what_lockgate_toml_may_say_of_it_is_held_to_sense() -> None:
    from lockgate.errors import SpecError

    with pytest.raises(SpecError, match="at least 64"):
        ServeSpec(memory_mb=1)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"native": "thread"}, ServeSpec)
