"""Other people's clients, as they are: Triton's and MLflow's score against our server unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

ROWS: list[dict[str, Any]] = [
    {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"},
    {"wait": 9.0, "seats": 7, "carrier": "UA", "plane": "Ñ2"},
    {"wait": 1.0, "seats": 300, "carrier": "ZZ", "plane": ""},
]


@pytest.fixture(scope="module")
def values(served: Any) -> list[float]:
    """What /predict says of ROWS."""
    answer = served[1].predict(*ROWS)
    return [prediction["value"] for prediction in answer.json()["predictions"]]


@pytest.fixture(scope="module")
def triton(served: Any) -> Iterator[tuple[Any, Any]]:
    import tritonclient.http as module

    client = module.InferenceServerClient(urlsplit(served[1].url).netloc)
    yield module, client
    client.close()


def tensors(module: Any, rows: list[dict[str, Any]], **how: Any) -> list[Any]:
    arrays = {
        "wait": np.array([row["wait"] for row in rows], dtype=np.float64),
        "seats": np.array([row["seats"] for row in rows], dtype=np.int64),
        "carrier": np.array([row["carrier"] for row in rows], dtype=object),
        "plane": np.array([row["plane"] for row in rows], dtype=object),
    }
    made = []
    for name, array in arrays.items():
        tensor = module.InferInput(name, list(array.shape), module_datatype(array))
        tensor.set_data_from_numpy(array, **how)
        made.append(tensor)
    return made


def module_datatype(array: np.ndarray[Any, Any]) -> str:
    from tritonclient.utils import np_to_triton_dtype

    return np_to_triton_dtype(array.dtype)


def test_triton_scores_with_its_defaults_which_are_binary_both_ways(triton, values):
    module, client = triton
    result = client.infer("late", tensors(module, ROWS))
    assert result.as_numpy("value").tolist() == values
    assert result.as_numpy("flags").tolist() == [b"", b"", b"carrier: unseen level"]
    assert result.get_output("value")["parameters"]["binary_data_size"] == 24, "it was binary indeed"


@pytest.mark.parametrize("is_binary_in", [True, False])
@pytest.mark.parametrize("is_binary_out", [True, False])
def test_triton_scores_in_json_and_binary_either_way(triton, values, is_binary_in, is_binary_out):
    module, client = triton
    asked = [module.InferRequestedOutput(name, binary_data=is_binary_out) for name in ("id", "value")]
    name = f"t{is_binary_in}{is_binary_out}"
    result = client.infer("late", tensors(module, ROWS, binary_data=is_binary_in), outputs=asked, request_id=name)
    assert result.as_numpy("value").tolist() == values
    ids = [one.decode() if isinstance(one, bytes) else one for one in result.as_numpy("id").tolist()]
    assert ids == [f"{name}-{place}" for place in range(3)]
    assert result.get_response()["id"] == name
    assert result.as_numpy("version") is None


def test_triton_finds_server_and_model_alive_and_described(triton, served):
    _, client = triton
    project, _ = served
    version = project.fitted[1]
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("late")
    assert client.is_model_ready("late", version)
    assert not client.is_model_ready("nosuch")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    told = client.get_model_metadata("late", version)
    assert {tensor["name"]: tensor["datatype"] for tensor in told["inputs"]} == {
        "wait": "FP64",
        "seats": "INT64",
        "carrier": "BYTES",
        "plane": "BYTES",
    }
    assert version in told["versions"]


def test_triton_is_told_which_column_is_wrong(triton):
    module, client = triton
    with pytest.raises(Exception, match=r"seats.*above range"):
        client.infer("late", tensors(module, [ROWS[0] | {"seats": 501}]))


def test_a_version_named_by_the_caller_is_answered_only_where_it_gets_every_call(triton, served, values):
    module, client = triton
    project, _ = served
    assert client.infer("late", tensors(module, ROWS), project.fitted[1]).as_numpy("value").tolist() == values
    baseline = next(v for v in client.get_model_metadata("late")["versions"] if v != project.fitted[1])
    with pytest.raises(Exception, match="the router alone chooses"):
        client.infer("late", tensors(module, ROWS), baseline)


def test_mlflows_own_client_scores_frames_and_lists(served, values):
    pd = pytest.importorskip("pandas")
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    parts = urlsplit(served[1].url)
    client = ScoringServerClient(parts.hostname, parts.port)
    client.wait_server_ready(timeout=5)
    assert client.get_version()
    frame = pd.DataFrame(ROWS)
    assert client.invoke(frame)["predictions"] == values
    assert client.invoke(frame.to_dict(orient="records"))["predictions"] == values
    assert client.invoke(frame, params={"id": "m"}).get_predictions().iloc[:, 0].tolist() == values


def test_mlflows_client_writes_a_missing_number_as_nan_and_may(served):
    """A frame holds whole numbers as floats where one is missing; here `plane` may be, and `seats` only look so."""
    pd = pytest.importorskip("pandas")
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    parts = urlsplit(served[1].url)
    frame = pd.DataFrame([ROWS[0] | {"seats": 120.0, "plane": float("nan")}])
    told = ScoringServerClient(parts.hostname, parts.port).invoke(frame)
    same = served[1].predict(ROWS[0] | {"plane": None}).json()["predictions"][0]["value"]
    assert told["predictions"] == [same]


NAMES = list(ROWS[0])
LISTS = [list(row.values()) for row in ROWS]
FORMS = {
    "split": {"dataframe_split": {"columns": NAMES, "data": LISTS, "index": [0, 1, 2]}},
    "split in another order": {"dataframe_split": {"columns": NAMES[::-1], "data": [row[::-1] for row in LISTS]}},
    "records": {"dataframe_records": ROWS},
    "instances as objects": {"instances": ROWS},
    "instances as lists": {"instances": LISTS},
    "inputs by column": {"inputs": {name: [row[name] for row in ROWS] for name in NAMES}},
    "inputs by column, as a matrix": {"inputs": {name: [[row[name]] for row in ROWS] for name in NAMES}},
    "inputs as lists": {"inputs": LISTS},
    "with parameters": {"instances": ROWS, "params": {"unit": "u1"}},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_mlflow_is_answered_alike(served, values, form):
    answer = httpx.post(f"{served[1].url}/invocations", json=FORMS[form])
    assert (answer.status_code, answer.json()) == (200, {"predictions": values})


def test_csv_is_answered_alike(served, values):
    csv = "plane,wait,seats,carrier\nN1,3.5,120,AA\nÑ2,9.0,7,UA\n,1.0,300,ZZ\n"
    headers = {"Content-Type": "text/csv; charset=utf-8"}
    answer = httpx.post(f"{served[1].url}/invocations", content=csv.encode(), headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"predictions": values})


def test_the_same_rows_under_one_id_are_one_prediction_in_every_protocol(served):
    project, server = served
    row = ROWS[0]
    server.predict(row, id="both")
    server.post("/invocations/late", b"")
    tensors = [
        {"name": name, "datatype": kind, "shape": [1], "data": [row[name]]}
        for name, kind in (("wait", "FP64"), ("seats", "INT64"), ("carrier", "BYTES"), ("plane", "BYTES"))
    ]
    told = server.post("/v2/models/late/infer", json.dumps({"id": "both", "inputs": tensors}).encode())
    assert told.status_code == 200
    asked = {"instances": [row], "params": {"id": "both"}}
    again = httpx.post(f"{server.url}/invocations", json=asked)
    assert again.status_code == 200
    assert [entry.id for entry in project.log() if entry.id == "both-0"] == ["both-0"]
