"""Worker processes on loopback: what they answer, what they refuse, and what the log then holds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lockgate.records import Outcome, Prediction

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}


def body(**changed: Any) -> bytes:
    return json.dumps({"rows": [ROW | changed]}).encode()


def raw(column: str, literal: str) -> bytes:
    """The row with one value written as it stands, also where JSON has no such value."""
    return body(**{column: "@"}).replace(b'"@"', literal.encode())


def without(column: str) -> bytes:
    return json.dumps({"rows": [{name: value for name, value in ROW.items() if name != column}]}).encode()


def test_a_call_is_answered_by_the_champion_and_logged(served):
    project, server = served
    answer = server.predict(ROW, ROW | {"wait": 9.0}, id="first", unit="u1")
    assert answer.status_code == 200
    near, far = answer.json()["predictions"]
    assert (near["id"], far["id"]) == ("first-0", "first-1")
    assert near["version"] == near["served_by"] == project.fitted[1]
    assert near["failure"] is None
    assert near["flags"] == []
    assert 0 < near["value"] < 0.5 < far["value"] < 1
    logged = [entry for entry in project.log() if isinstance(entry, Prediction) and entry.id.startswith("first-")]
    assert [(p.id, p.unit, p.value) for p in logged] == [
        ("first-0", "u1", near["value"]),
        ("first-1", "u1", far["value"]),
    ]
    assert logged[0].inputs == (3.5, 120, "AA", "N1")


def test_the_same_request_id_is_answered_alike_and_logged_once(served):
    project, server = served
    answers = [server.predict(ROW, id="again").json() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert [e.id for e in project.log() if e.id == "again-0"] == ["again-0"]


def test_a_request_id_used_for_other_rows_is_a_conflict(served):
    _, server = served
    assert server.predict(ROW, id="mixed").status_code == 200
    answer = server.predict(ROW | {"wait": 9.5}, id="mixed")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")


def test_an_empty_request_id_is_no_id(served):
    _, server = served
    first, other = server.predict(ROW, id=""), server.predict(ROW | {"wait": 9.0}, id="")
    assert first.json()["predictions"][0]["id"] != other.json()["predictions"][0]["id"]
    assert first.json()["predictions"][0]["value"] != other.json()["predictions"][0]["value"]


@pytest.mark.parametrize(
    ("sent", "flag"),
    [
        (body(carrier="ZZ"), "carrier: unseen level"),
        (body(wait=11.0), "wait: above range"),
        (body(wait=-1), "wait: below range"),
    ],
)
def test_what_the_training_table_never_saw_is_answered_and_flagged(served, sent, flag):
    _, server = served
    answer = server.post("/predict/late", sent)
    assert answer.status_code == 200
    assert flag in answer.json()["predictions"][0]["flags"]


@pytest.mark.parametrize(
    ("sent", "column"),
    [
        pytest.param(b"[]", None, id="not an object"),
        pytest.param(b"null", None, id="null"),
        pytest.param(b'"rows"', None, id="a string"),
        pytest.param(b"{}", "rows", id="no rows"),
        pytest.param(b'{"rows": []}', None, id="empty rows"),
        pytest.param(b'{"rows": [7]}', None, id="row not an object"),
        pytest.param(b'{"rows": {}, "x": 1}', None, id="rows not a list"),
        pytest.param(without("wait"), "wait", id="missing"),
        pytest.param(body(extra=1), "extra", id="extra"),
        pytest.param(body(late=1), "late", id="the outcome itself"),
        pytest.param(body(wait="3.5"), "wait", id="number as string"),
        pytest.param(body(wait=None), "wait", id="null number"),
        pytest.param(body(wait=True), "wait", id="bool for a number"),
        pytest.param(body(wait=[1]), "wait", id="list for a number"),
        pytest.param(body(seats=1.5), "seats", id="float for an int"),
        pytest.param(body(carrier=3), "carrier", id="number for a category"),
        pytest.param(body(carrier=None), "carrier", id="null category"),
        pytest.param(body(seats=501), "seats", id="outside a person's range"),
        pytest.param(raw("wait", "1e400"), "wait", id="1e400"),
        pytest.param(raw("wait", "-1e400"), "wait", id="-1e400"),
        pytest.param(raw("seats", "1e400"), "seats", id="1e400 for an int"),
        pytest.param(raw("wait", "1" + "0" * 400), "wait", id="a float of 400 digits"),
        pytest.param(raw("seats", "9" * 5000), "seats", id="an int of 5000 digits"),
    ],
)
def test_a_row_that_breaks_the_contract_is_422_naming_the_column(served, sent, column):
    _, server = served
    answer = server.post("/predict/late", sent)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error.get("column")) == (422, "contract", column), answer.text
    assert error["message"]


def test_an_int_beyond_what_an_array_holds_is_the_clients_mistake(served):
    _, server = served
    answer = server.post("/predict/late", raw("seats", "1" + "0" * 400))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "contract")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"rows=1", id="a form"),
        pytest.param(raw("wait", "NaN"), id="NaN"),
        pytest.param(raw("wait", "Infinity"), id="Infinity"),
        pytest.param(raw("carrier", '"\\ud800"'), id="half a surrogate pair"),
        pytest.param(raw("carrier", '"?"').replace(b"?", b"\xff"), id="not UTF-8"),
        pytest.param(body() + b"x", id="something behind"),
    ],
)
def test_what_is_no_json_is_400(served, sent):
    _, server = served
    answer = server.post("/predict/late", sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed"), answer.text


def test_a_body_over_ten_mebibytes_is_413_with_and_without_a_length(served):
    _, server = served
    big = b" " * (10 * 2**20 + 1)
    declared = server.post("/predict/late", big)
    chunked = server.client.post(
        f"{server.url}/predict/late", content=(big[i : i + 65536] for i in range(0, len(big), 65536))
    )
    for answer in (declared, chunked):
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_unknown_names_and_methods_are_refused_in_words(served):
    _, server = served
    unknown = server.post("/predict/lat", body())
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
    assert "late" in unknown.json()["error"]["message"]
    assert server.post("/outcomes/lat", b"{}").status_code == 404
    assert server.get("/models/lat").status_code == 404
    nowhere = server.get("/nowhere")
    assert (nowhere.status_code, nowhere.json()["error"]["code"]) == (404, "not_found")
    method = server.get("/predict/late")
    assert (method.status_code, method.json()["error"]["code"], method.headers["allow"]) == (405, "method", "POST")


def test_the_metadata_says_what_a_request_takes(served):
    project, server = served
    told = server.get("/models/late").json()
    columns = {column["name"]: column for column in told["columns"]}
    assert list(columns) == list(ROW)
    assert columns["carrier"]["levels"] == ["AA", "UA"]
    assert (columns["seats"]["type"], columns["seats"]["low"], columns["seats"]["high"]) == ("int", 1, 500)
    assert columns["plane"]["is_nullable"] is True
    assert (told["champion"], told["challenger"], told["share"], told["revision"]) == (project.fitted[1], None, 0.0, 1)
    assert told["arms"] == {}


def test_outcomes_are_kept_with_the_time_they_came_true(served):
    project, server = served
    told = b'{"outcomes": [{"id": "o-0", "value": 1, "at": "2013-04-02T10:00:00Z"}, {"id": "o-1", "value": 0}]}'
    answer = server.post("/outcomes/late", told)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 2})
    first, second = (e for e in project.log() if isinstance(e, Outcome))
    assert (first.id, first.value, first.at_s) == ("o-0", 1.0, 1364896800.0)
    assert second.at_s == second.received_s


@pytest.mark.parametrize(
    ("sent", "status", "column"),
    [
        (b'{"outcomes": [{"id": "a", "value": 2}]}', 422, "value"),
        (b'{"outcomes": [{"id": "a", "value": 1e400}]}', 422, "value"),
        (b'{"outcomes": [{"id": "a", "value": 1, "at": "2013-04-02T10:00:00"}]}', 422, "at"),
        (b'{"outcomes": [{"value": 1}]}', 422, "id"),
        (b"[]", 422, "outcomes"),
        (b'{"outcomes": [{"id": "a", "value": NaN}]}', 400, None),
        (b"", 400, None),
    ],
)
def test_what_cannot_be_an_outcome_is_refused(served, sent, status, column):
    _, server = served
    answer = server.post("/outcomes/late", sent)
    assert (answer.status_code, answer.json()["error"].get("column")) == (status, column), answer.text
