"""Sixteen kinds of bad input, in every protocol: no 500, the column named, and every status one that the document tells."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}
NAMES = list(ROW)
KINDS = {"wait": "FP64", "seats": "INT64", "carrier": "BYTES", "plane": "BYTES"}


class Protocol(NamedTuple):
    """path: as the OpenAPI document has it. body: a row's text, from its columns' literals."""

    path: str
    media_type: str
    body: Callable[[dict[str, str]], str]


def objects(literals: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{name}": {literal}' for name, literal in literals.items()) + "}"


def lists(literals: dict[str, str]) -> str:
    return "[" + ", ".join(literals.values()) + "]"


def v2(literals: dict[str, str]) -> str:
    kinds = KINDS | dict.fromkeys(literals.keys() - KINDS.keys(), "FP64")
    tensors = [
        f'{{"name": "{name}", "datatype": "{kinds[name]}", "shape": [1], "data": [{literal}]}}'
        for name, literal in literals.items()
    ]
    return f'{{"inputs": [{", ".join(tensors)}]}}'


def split(literals: dict[str, str]) -> str:
    return f'{{"dataframe_split": {{"columns": {json.dumps(list(literals))}, "data": [{lists(literals)}]}}}}'


def columns(literals: dict[str, str]) -> str:
    return '{"inputs": {' + ", ".join(f'"{name}": [{literal}]' for name, literal in literals.items()) + "}}"


JSON = "application/json"
PROTOCOLS = {
    "predict": Protocol("/predict/late", JSON, lambda row: f'{{"rows": [{objects(row)}]}}'),
    "v2": Protocol("/v2/models/late/infer", JSON, v2),
    "split": Protocol("/invocations", JSON, split),
    "records": Protocol("/invocations", JSON, lambda row: f'{{"dataframe_records": [{objects(row)}]}}'),
    "instances": Protocol("/invocations/late", JSON, lambda row: f'{{"instances": [{objects(row)}]}}'),
    "inputs": Protocol("/invocations", JSON, columns),
}


@pytest.fixture(scope="module")
def face(served: Any) -> Iterator[httpx.Client]:
    """A worker process, asked at its door."""
    with httpx.Client(base_url=served[1].url, timeout=10) as client:
        yield client


@pytest.fixture(scope="module")
def document(face: httpx.Client) -> dict[str, Any]:
    return face.get("/openapi.json").json()


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    return PROTOCOLS[request.param]


def literals(**changed: str) -> dict[str, str]:
    return {name: json.dumps(value) for name, value in ROW.items()} | changed


def ask(
    face: httpx.Client, document: dict[str, Any], protocol: Protocol, body: bytes | str, kind: str | None = None
) -> Any:
    """The answer, once its status is one of those that the document has for the path."""
    headers = {"Content-Type": kind or protocol.media_type}
    answer = face.post(protocol.path, content=body, headers=headers)
    assert str(answer.status_code) in document["paths"][protocol.path]["post"]["responses"], answer.text
    return answer


def test_a_whole_row_is_answered(face, document, protocol):
    answer = ask(face, document, protocol, protocol.body(literals()))
    assert answer.status_code == 200, answer.text
    value = face.post("/predict/late", json={"rows": [ROW]}).json()["predictions"][0]["value"]
    assert repr(value) in answer.text


BREAKS = [
    pytest.param("wait", '"3.5"', id="number as string"),
    pytest.param("wait", "null", id="null"),
    pytest.param("wait", "1e400", id="1e400"),
    pytest.param("wait", "-1e400", id="minus 1e400"),
    pytest.param("wait", "true", id="wrong type"),
    pytest.param("wait", "[[1]]", id="nested"),
    pytest.param("wait", "{}", id="an object"),
    pytest.param("seats", "120.5", id="a fraction for a whole number"),
    pytest.param("seats", "501", id="outside a person's range"),
    pytest.param("seats", "-1", id="below it"),
    pytest.param("seats", "9" * 5000, id="an integer of 5000 digits"),
    pytest.param("carrier", "3", id="number for a category"),
    pytest.param("carrier", "null", id="no category"),
    pytest.param("nosuch", "1.0", id="extra"),
    pytest.param("late", "1.0", id="the outcome itself"),
]


@pytest.mark.parametrize(("column", "literal"), BREAKS)
def test_a_value_that_cannot_be_is_refused_naming_its_column(face, document, protocol, column, literal):
    answer = ask(face, document, protocol, protocol.body(literals(**{column: literal})))
    if answer.status_code == 400 and len(literal) == 5000 and protocol.path.startswith("/invocations"):
        return  # Python's own reader, which such digits are sent to, says that they are no JSON
    assert answer.status_code == 422, answer.text
    told = answer.json()
    error = told["error"] if isinstance(told.get("error"), dict) else told
    assert error["column"] == column


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_what_json_has_no_word_for_is_refused(face, document, protocol, literal):
    answer = ask(face, document, protocol, protocol.body(literals(wait=literal)))
    if protocol.path.startswith(
        "/invocations"
    ):  # MLflow's clients write a missing number so; this column may not miss any
        assert (answer.status_code, answer.json()["column"]) == (422, "wait"), answer.text
    else:
        assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("column", NAMES)
def test_a_missing_column_is_named(face, document, protocol, column):
    row = literals()
    del row[column]
    answer = ask(face, document, protocol, protocol.body(row))
    assert answer.status_code == 422, answer.text
    assert f"`{column}`" in answer.text


def test_an_unseen_category_is_answered(face, document, protocol):
    answer = ask(face, document, protocol, protocol.body(literals(carrier='"ZZ"')))
    assert answer.status_code == 200, answer.text
    if not protocol.path.startswith("/invocations"):
        assert "carrier: unseen level" in answer.text


SHAPES = [
    pytest.param(b"", 400, id="empty body"),
    pytest.param(b"{", 400, id="malformed"),
    pytest.param(b"\xff\xfe{}", 400, id="not UTF-8"),
    pytest.param(b"[]", 422, id="not an object"),
    pytest.param(b"7", 422, id="a number"),
    pytest.param(b"null", 422, id="null"),
    pytest.param(b"{}", 422, id="nothing in it"),
    pytest.param(b'{"' + b"[" * 5000, 400, id="cut in a name"),
]


@pytest.mark.parametrize(("body", "status"), SHAPES)
def test_what_is_no_request_is_refused(face, document, protocol, body, status):
    assert ask(face, document, protocol, body).status_code == status


@pytest.mark.parametrize(
    "key", ["rows", "inputs", "instances", "dataframe_split", "dataframe_records", "params", "outputs"]
)
@pytest.mark.parametrize(
    "held", ["[]", "{}", "null", "7", '"x"', "[7]", "[[]]", "[null]", "[{}]", '{"a": 1}', "[" * 5000]
)
def test_what_the_envelope_cannot_hold_is_refused(face, document, protocol, key, held):
    answer = ask(face, document, protocol, f'{{"{key}": {held}}}')
    assert answer.status_code in (400, 422), answer.text


def test_a_body_of_ten_mebibytes_is_413(face, document, protocol):
    assert ask(face, document, protocol, b" " * (10 * 2**20 + 1)).status_code == 413


def test_one_that_comes_in_chunks_and_says_no_length_is_413_too(face, document, protocol):
    pieces = (b" " * 2**20 for _ in range(11))
    answer = face.post(protocol.path, content=pieces, headers={"Content-Type": protocol.media_type})
    assert answer.status_code == 413, answer.text


EMPTY = {
    "predict": '{"rows": []}',
    "v2": json.dumps({"inputs": [{"name": n, "datatype": k, "shape": [0], "data": []} for n, k in KINDS.items()]}),
    "split": json.dumps({"dataframe_split": {"columns": NAMES, "data": []}}),
    "records": '{"dataframe_records": []}',
    "instances": '{"instances": []}',
    "inputs": json.dumps({"inputs": {name: [] for name in NAMES}}),
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_request_of_no_rows_is_refused(face, document, name):
    answer = ask(face, document, PROTOCOLS[name], EMPTY[name])
    assert answer.status_code == 422, answer.text


def test_a_bad_row_among_good_ones_refuses_the_request_and_is_named(face, document):
    good, bad = objects(literals()), objects(literals(wait='"x"'))
    answer = ask(face, document, PROTOCOLS["predict"], f'{{"rows": [{good}, {good}, {bad}, {good}]}}')
    assert (answer.status_code, answer.json()["error"]["column"]) == (422, "wait")
    assert "2" in answer.json()["error"]["message"], "the row's number"


@pytest.mark.parametrize(("column", "literal"), BREAKS)
def test_in_lines_the_bad_value_spoils_its_own_line_alone(face, column, literal):
    lines = "\n".join([objects(literals()), objects(literals(**{column: literal})), objects(literals())])
    answer = face.post("/predict/late", content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200, answer.text
    first, told, last = (json.loads(line) for line in answer.text.splitlines())
    assert first["value"] == last["value"]
    assert (told["line"], told["error"]["column"]) == (1, column), told


def test_a_packed_body_is_415(face, protocol):
    answer = face.post(protocol.path, content=b"x", headers={"Content-Encoding": "gzip", "Content-Type": JSON})
    assert answer.status_code == 415


def test_another_kind_of_body_never_fails_us(face, document, protocol):
    for kind in (
        "text/plain",
        "application/xml",
        "multipart/form-data",
        "text/csv",
        "application/x-ndjson",
        "nonsense",
    ):
        if protocol.path.startswith("/predict") and kind.endswith("ndjson"):
            continue  # it has lines of its own, tested beside them
        assert ask(face, document, protocol, protocol.body(literals()), kind).status_code in (200, 400, 415, 422)


def test_half_a_surrogate_pair_is_refused(face, document, protocol):
    assert ask(face, document, protocol, protocol.body(literals(carrier='"\\ud800"'))).status_code in (400, 422)


def test_half_a_surrogate_pair_beside_a_nan_is_refused(face, document, protocol):
    """A NaN sends MLflow's body to a second reader, which must be no laxer."""
    assert ask(face, document, protocol, protocol.body(literals(wait="NaN", carrier='"\\ud800"'))).status_code == 400


CSV = [
    pytest.param("wait,seats,carrier,plane\nx,120,AA,N1\n", 422, "wait", id="wrong type"),
    pytest.param("wait,seats,carrier,plane\n,120,AA,N1\n", 422, "wait", id="empty"),
    pytest.param("wait,seats,carrier,plane\n3.5,120.5,AA,N1\n", 422, "seats", id="a fraction"),
    pytest.param("wait,seats,carrier,plane\ninf,120,AA,N1\n", 422, "wait", id="infinity"),
    pytest.param("wait,seats,carrier,plane\nnan,120,AA,N1\n", 422, "wait", id="NaN"),
    pytest.param("wait,seats,carrier,plane\n1e400,120,AA,N1\n", 422, "wait", id="1e400"),
    pytest.param("wait,seats,carrier,plane\n3.5,501,AA,N1\n", 422, "seats", id="out of range"),
    pytest.param("wait,seats,carrier\n3.5,120,AA\n", 422, "plane", id="missing"),
    pytest.param("wait,seats,carrier,plane,x\n3.5,120,AA,N1,1\n", 422, "x", id="extra"),
    pytest.param("wait,wait,carrier,plane\n3.5,120,AA,N1\n", 422, "wait", id="twice"),
    pytest.param("wait,seats,carrier,plane\n3.5,120\n", 422, None, id="short row"),
    pytest.param("wait,seats,carrier,plane\n", 422, None, id="no rows"),
    pytest.param("", 422, None, id="empty body"),
    pytest.param('wait,seats,carrier,plane\n3.5,120,"AA,N1\n', 400, None, id="open quote"),
    pytest.param(b"wait,seats,carrier,plane\n3.5,120,\xff,N1\n", 400, None, id="not UTF-8"),
    pytest.param("wait,seats,carrier,plane\n3.5,120," + "x" * 200_000 + ",N1\n", 400, None, id="a cell without end"),
]


@pytest.mark.parametrize(("body", "status", "column"), CSV)
def test_bad_csv_is_refused_naming_the_column(face, document, body, status, column):
    answer = ask(face, document, PROTOCOLS["split"], body, "text/csv")
    assert (answer.status_code, answer.json().get("column")) == (status, column), answer.text


def tensor(**changed: Any) -> dict[str, Any]:
    return {"name": "wait", "datatype": "FP64", "shape": [1], "data": [3.5]} | changed


def binary(size: int = 8, **changed: Any) -> dict[str, Any]:
    return {"name": "wait", "datatype": "FP64", "shape": [1], "parameters": {"binary_data_size": size}} | changed


OTHERS = [
    {"name": "seats", "datatype": "INT64", "shape": [1], "data": [120]},
    {"name": "carrier", "datatype": "BYTES", "shape": [1], "data": ["AA"]},
    {"name": "plane", "datatype": "BYTES", "shape": [1], "data": [None]},
]
WAIT = struct.pack("<d", 3.5)
TENSORS = [
    pytest.param(tensor(datatype="FP8"), b"", 422, id="unknown datatype"),
    pytest.param(tensor(shape=[2]), b"", 422, id="shape larger than the data"),
    pytest.param(tensor(shape=[1, 2]), b"", 422, id="two wide"),
    pytest.param(tensor(shape=[]), b"", 422, id="no shape"),
    pytest.param(tensor(shape=[-1]), b"", 422, id="negative shape"),
    pytest.param(tensor(shape=[2**40]), b"", 422, id="endless shape"),
    pytest.param(tensor(data=[1, 2]), b"", 422, id="more data than shape"),
    pytest.param(tensor(shape=[2], data=[1.0, 2.0]), b"", 422, id="more rows than its neighbours"),
    pytest.param(tensor(datatype="INT8", data=[300]), b"", 422, id="beyond its datatype"),
    pytest.param(tensor(datatype="INT8", data=[1.5]), b"", 422, id="not of its datatype"),
    pytest.param(tensor(datatype="BYTES", data=["3.5"]), b"", 422, id="text for a number"),
    pytest.param(tensor(datatype="BOOL", data=[True]), b"", 422, id="bool for a number"),
    pytest.param(tensor(name="seats"), b"", 422, id="twice"),
    pytest.param(tensor(extra=1), b"", 422, id="unknown key"),
    pytest.param(tensor(parameters={"binary_data_size": 8}), WAIT, 422, id="data and bytes"),
    pytest.param(tensor(data=None), b"", 422, id="neither"),
    pytest.param(binary(), b"", 422, id="bytes missing"),
    pytest.param(binary(), WAIT[:7], 422, id="a byte too few"),
    pytest.param(binary(), WAIT + b"x", 400, id="a byte too many"),
    pytest.param(binary(4), WAIT[:4], 422, id="another width"),
    pytest.param(binary(2**62), WAIT, 422, id="endless bytes"),
    pytest.param(binary(-1), WAIT, 422, id="negative bytes"),
    pytest.param(binary(shape=[2**31]), WAIT, 422, id="rows that are not there"),
    pytest.param(binary(), struct.pack("<d", float("inf")), 422, id="infinity"),
    pytest.param(binary(), struct.pack("<d", float("nan")), 422, id="NaN"),
    pytest.param(binary(1, datatype="BOOL"), b"\x02", 422, id="a bool of two"),
    pytest.param(binary(7, datatype="BYTES"), b"\x09\0\0\0abc", 422, id="text cut"),
    pytest.param(binary(3, datatype="BYTES"), b"\x09\0\0", 422, id="length cut"),
    pytest.param(binary(5, datatype="BYTES"), b"\x01\0\0\0\xff", 422, id="not UTF-8"),
    pytest.param(binary(8, datatype="BYTES"), b"\x04\0\0\0three"[:8], 422, id="text as bytes for a number"),
]


@pytest.mark.parametrize(("wait", "tail", "status"), TENSORS)
def test_a_bad_tensor_is_refused(face, document, wait, tail, status):
    head = json.dumps({"inputs": [wait, *OTHERS]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = face.post("/v2/models/late/infer", content=head + tail, headers=headers)
    assert answer.status_code == status, answer.text
    assert isinstance(answer.json()["error"], str)


@pytest.mark.parametrize(
    "header", ["", "x", "-1", "1e3", "99999999999999999999999", "0" * 5000, "\u0663".encode(), "0", "5"]
)
def test_a_header_length_that_cannot_be_is_refused(face, header):
    head = json.dumps({"inputs": [tensor(), *OTHERS]}).encode()
    answer = face.post("/v2/models/late/infer", content=head, headers={"Inference-Header-Content-Length": header})
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    "more",
    [
        {"outputs": [{"name": "valu"}]},
        {"outputs": [{"name": "value", "parameters": {"classification": 1}}]},
        {"parameters": {"priority": 3}},
        {"parameters": {"unit": 7}},
        {"id": 7},
        {"model": "late"},
    ],
)
def test_a_request_for_what_there_is_not_is_refused(face, more):
    assert face.post("/v2/models/late/infer", json={"inputs": [tensor(), *OTHERS]} | more).status_code == 422


@pytest.mark.parametrize(
    "path", ["", "/ready", "/infer", "/versions/nosuch", "/versions/nosuch/ready", "/versions/x/infer"]
)
def test_a_model_or_version_that_is_not_served_is_404_in_the_protocols_words(face, path):
    model = "late" if "versions" in path else "lat"
    answer = face.request("POST" if path.endswith("infer") else "GET", f"/v2/models/{model}{path}")
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("There is no")


@pytest.mark.parametrize("params", [False, 0, "", [], {"temperature": 1}, {"unit": 7}, {"id": ["x"]}])
def test_mlflow_parameters_that_are_none_of_ours_are_refused(face, params):
    answer = face.post("/invocations", json={"instances": [ROW], "params": params})
    assert (answer.status_code, answer.json()["error_code"]) == (422, "BAD_REQUEST"), answer.text
