"""`lockgate serve` over a trained workspace: calls, outcomes, refusals, pages, and an end under load that cuts nobody."""

from __future__ import annotations

import json
import threading
import time

import httpx
import pytest

from lockgate.records import Outcome, Prediction

ROW = {"boat": "b1", "asked_at": "2023-12-30T10:00:00Z", "x1": 0.4, "x2": 1.5, "colour": "red"}


def body(**changed) -> bytes:
    return json.dumps({"rows": [ROW | changed]}).encode()


def raw(column: str, literal: str) -> bytes:
    return body(**{column: "@"}).replace(b'"@"', literal.encode())


def without(column: str) -> bytes:
    return json.dumps({"rows": [{name: value for name, value in ROW.items() if name != column}]}).encode()


def test_one_row_and_many_rows_get_the_same_answers(serving):
    shop, server = serving
    rows = [shop.row(boat=f"m{n}", x1=n / 10) for n in range(50)]
    many = server.predict(*rows)
    assert many.status_code == 200
    together = [p["value"] for p in many.json()["predictions"]]
    alone = [server.predict(row).json()["predictions"][0]["value"] for row in rows]
    assert together == alone
    assert max(together) - min(together) > 0.2
    assert {p["version"] for p in many.json()["predictions"]} == {shop.versions["trees"]}


def test_what_is_served_is_what_the_workspace_itself_predicts(serving, built):
    from lockgate.features.contract import to_columns

    shop, server = serving
    workspace = built.open()
    table = shop.table(first_day=70, days=1, per_day=20)
    here = workspace.wiring.predictor(shop.versions["trees"]).predict(
        to_columns(table, workspace.contract("tide").asked)
    )
    rows = [
        {**row, "asked_at": row["asked_at"].isoformat()}
        for row in table.select("boat", "asked_at", "x1", "x2", "colour").to_dicts()
    ]
    assert [p["value"] for p in server.predict(*rows).json()["predictions"]] == here.values.tolist()


def test_the_same_request_id_gets_the_same_predictions_and_one_line_each(serving):
    shop, server = serving
    first = server.predict(ROW, ROW | {"boat": "b2"}, id="twice")
    assert first.json() == server.predict(ROW, ROW | {"boat": "b2"}, id="twice").json()
    logged = [entry.id for entry in shop.log() if entry.id.startswith("twice-")]
    assert logged == ["twice-0", "twice-1"]


def test_the_log_keeps_who_was_asked_when(serving):
    shop, server = serving
    server.predict(ROW | {"x2": None}, id="kept")
    (entry,) = (e for e in shop.log() if isinstance(e, Prediction) and e.id == "kept-0")
    assert (entry.unit, entry.asked_s) == ("b1", 1703930400.0)
    assert None in entry.inputs


@pytest.mark.parametrize(
    ("sent", "status", "column"),
    [
        pytest.param(b'{"rows": [', 400, None, id="cut JSON"),
        pytest.param(b"", 400, None, id="empty body"),
        pytest.param(raw("x1", "NaN"), 400, None, id="NaN"),
        pytest.param(b"[1]", 422, None, id="not an object"),
        pytest.param(b'{"rows": []}', 422, None, id="empty rows"),
        pytest.param(without("x1"), 422, "x1", id="missing key"),
        pytest.param(body(x9=1), 422, "x9", id="extra key"),
        pytest.param(body(y=1), 422, "y", id="the outcome"),
        pytest.param(body(known_at="2023-12-30T10:00:00Z"), 422, "known_at", id="known only after"),
        pytest.param(body(x1=[1]), 422, "x1", id="wrong type"),
        pytest.param(body(x1="0.4"), 422, "x1", id="number as string"),
        pytest.param(body(x1=None), 422, "x1", id="null where none may be"),
        pytest.param(raw("x1", "1e400"), 422, "x1", id="1e400"),
        pytest.param(body(colour=3), 422, "colour", id="number for a category"),
        pytest.param(body(asked_at="2023-12-30T10:00:00"), 422, "asked_at", id="time without a zone"),
        pytest.param(body(asked_at=1703930400), 422, "asked_at", id="number for a time"),
    ],
)
def test_a_body_that_cannot_be_used_has_its_status_and_names_its_column(serving, sent, status, column):
    _, server = serving
    answer = server.post("/predict/tide", sent)
    error = answer.json()["error"]
    assert (answer.status_code, error.get("column")) == (status, column), answer.text
    assert error["message"].endswith((".", "`", "?"))


def test_too_much_the_unknown_and_the_wrong_method_are_refused(serving):
    _, server = serving
    assert server.post("/predict/tide", b" " * (11 * 2**20)).status_code == 413
    unknown = server.post("/predict/tyde", body())
    assert (unknown.status_code, "'tide'" in unknown.json()["error"]["message"]) == (404, True)
    assert server.client.get(f"{server.url}/predict/tide").status_code == 405


def test_a_colour_never_seen_is_answered_with_a_flag(serving):
    _, server = serving
    answer = server.predict(ROW | {"colour": "mauve"})
    (told,) = answer.json()["predictions"]
    assert answer.status_code == 200
    assert "colour: unseen level" in told["flags"]
    assert 0 < told["value"] < 1
    assert told["failure"] is None


def test_outcomes_are_accepted_and_logged(serving):
    shop, server = serving
    sent = b'{"outcomes": [{"id": "b-0", "value": 1, "at": "2023-12-30T14:00:00+02:00"}]}'
    answer = server.post("/outcomes/tide", sent)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
    (kept,) = (e for e in shop.log() if isinstance(e, Outcome) and e.id == "b-0")
    assert (kept.value, kept.at_s) == (1.0, 1703937600.0)


@pytest.mark.parametrize(
    ("sent", "status", "field"),
    [
        (b'{"outcomes": [{"id": "bad-0", "value": 0.5}]}', 422, "value"),
        (b'{"outcomes": [{"id": "bad-0", "value": "1"}]}', 422, "value"),
        (b'{"outcomes": [{"id": "bad-0", "value": 1, "at": "2023-12-30T14:00:00"}]}', 422, "at"),
        (b'{"outcomes": [{"id": "bad-0", "value": 1}, {"id": "bad-1", "value": 2}]}', 422, "value"),
        (b"{", 400, None),
    ],
)
def test_outcomes_that_cannot_be_are_refused_whole(serving, sent, status, field):
    shop, server = serving
    answer = server.post("/outcomes/tide", sent)
    assert (answer.status_code, answer.json()["error"].get("column")) == (status, field)
    assert not [entry for entry in shop.log() if entry.id.startswith("bad-")]


def test_readiness_and_metadata_tell_what_is_served(serving):
    shop, server = serving
    ready = server.client.get(f"{server.url}/readyz").json()
    assert (ready["ready"], ready["models"], ready["revisions"]) == (True, ["tide"], {"tide": 1})
    assert ready["pid"] in server.state["workers"]
    told = server.client.get(f"{server.url}/models/tide").json()
    assert told["champion"] == shop.versions["trees"]
    columns = {column["name"]: column for column in told["columns"]}
    assert list(columns) == list(ROW)
    assert columns["x2"]["is_nullable"]
    assert columns["colour"]["levels"] == ["blue", "green", "red"]


def test_the_page_now_and_its_rows_name_the_champion(serving, until):
    shop, server = serving
    short = f"trees-{shop.versions['trees'][:6]}"
    page = server.client.get(f"{server.pages}/")
    assert (page.status_code, short in page.text) == (200, True)
    (row,) = server.client.get(f"{server.pages}/api/now").json()
    assert (row["model"], row["state"], row["traffic"][0]["version"]) == ("tide", "serving", short)
    assert row["traffic"][0]["share"] == 1.0


def test_calls_reach_the_page_by_way_of_the_loop(serving, until):
    _, server = serving
    server.predict(ROW | {"boat": "seen"})
    until(lambda: server.client.get(f"{server.pages}/api/now").json()[0]["calls"] > 0, "calls on the page")


def test_sigterm_under_load_cuts_no_call_and_exits_0(workshop):
    """What is cut is told by the log: a line without an answer. Calls that come too late are sent away unheard."""
    answered: dict[str, int] = {}
    sent_away: list[float] = []

    def load(name: int, url: str) -> None:
        with httpx.Client(timeout=15, trust_env=False) as client:
            place = 0
            while True:  # until it is sent away: a server that has gone refuses everybody
                asked = f"c{name}-{place}"
                began = time.monotonic()
                try:
                    answer = client.post(f"{url}/predict/tide", json={"rows": [ROW] * 20, "id": asked})
                except httpx.TransportError:
                    sent_away.append(began)
                    return
                answered[asked] = answer.status_code
                place += 1

    with workshop.serving() as server:
        threads = [threading.Thread(target=load, args=(name, server.url)) for name in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(1.0)
        before = len(answered)
        asked_to_stop = time.monotonic()
        server.process.terminate()
        code = server.process.wait(25)
        for thread in threads:
            thread.join(20)
    assert code == 0
    assert before > 20
    assert len(answered) > before
    assert set(answered.values()) == {200}
    logged = [e.id.rpartition("-")[0] for e in workshop.log() if isinstance(e, Prediction)]
    assert sorted(logged) == sorted(name for name in answered for _ in range(20))
    # Readiness is off for half a second first, and whoever asks in that time is answered still.
    assert len(sent_away) == 4
    assert min(sent_away) - asked_to_stop > 0.4
    assert not (workshop.home / "server.json").exists()
