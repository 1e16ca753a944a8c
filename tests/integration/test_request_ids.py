"""A request's id: taken or made, told back on every answer, and found again in the lines of log."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest

from lockgate.telemetry.request_id import LONGEST

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}
ID = "X-Request-Id"
QUESTIONS = [
    ("POST", "/predict/late", json.dumps({"rows": [ROW]}), 200),
    ("POST", "/predict/late", "no JSON", 400),
    ("POST", "/predict/late", json.dumps({"rows": [{}]}), 422),
    ("POST", "/predict/nothing", json.dumps({"rows": [ROW]}), 404),
    ("POST", "/v2/models/late/infer", "{}", 422),
    ("POST", "/invocations", "{}", 415),
    ("GET", "/nothing", None, 404),
    ("GET", "/predict/late", None, 405),
    ("GET", "/healthz", None, 200),
    ("GET", "/metrics", None, 200),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), QUESTIONS, ids=lambda value: str(value)[:24])
def test_every_answer_tells_the_id_it_was_asked_with(served, method, path, body, status):
    _, server = served
    answer = server.client.request(method, f"{server.url}{path}", content=body, headers={ID: "shop/7:a"})
    assert (answer.status_code, answer.headers.get_list(ID)) == (status, ["shop/7:a"])


@pytest.mark.parametrize("given", ["", "a b", 'a"b', "é", "a" * (LONGEST + 1), "<script>"])
def test_an_id_that_is_not_safe_to_write_is_replaced(served, given):
    _, server = served
    answer = server.client.get(f"{server.url}/healthz", headers={ID: given.encode()})
    assert answer.status_code == 200
    assert answer.headers[ID] != given
    assert 0 < len(answer.headers[ID]) <= LONGEST


def test_made_ids_differ(served):
    _, server = served
    assert len({server.get("/healthz").headers[ID] for _ in range(20)}) == 20


def test_the_header_is_not_the_key_that_makes_a_retry_count_once(served):
    _, server = served
    answers = [
        server.client.post(f"{server.url}/predict/late", json={"rows": [ROW]}, headers={ID: "same"}) for _ in range(2)
    ]
    first, second = (answer.json()["predictions"][0]["id"] for answer in answers)
    assert first != second
    assert "same" not in first


def lines(project: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project.root / "stderr").read_text().splitlines()]


def test_lines_of_log_are_json_and_name_the_request(project, until):
    project.publish(project.add_constant("first", 0.1))
    with project.serving(LOCKGATE_LOG_LEVEL="debug") as server:
        pid = server.state()["workers"][0]
        server.client.post(f"{server.url}/predict/late", content=b"no JSON", headers={ID: "shop-1"})
        until(lambda: "shop-1" in (project.root / "stderr").read_text(), "the line")
    (line,) = [line for line in lines(project) if line.get("request_id") == "shop-1"]
    assert (line["level"], line["logger"], line["pid"]) == ("debug", "lockgate.server", pid)
    assert line["message"].startswith("Refused, malformed: ")


def test_the_supervisor_says_which_worker_ended_and_how(project, until):
    project.publish(project.add_constant("first", 0.1))
    with project.serving() as server:
        pid = server.state()["workers"][0]
        until(lambda: server.get("/healthz").status_code == 200, "the worker")
        time.sleep(1)  # what dies at once is not replaced at once
        os.kill(pid, signal.SIGKILL)
        until(lambda: server.state()["workers"][0] != pid, "the replacement")
    (line,) = [line for line in lines(project) if line["logger"] == "lockgate.supervisor"]
    assert line["message"] == f"The process {pid} ended with -9; another takes its place."


def test_text_is_written_where_it_is_asked_for(project, until):
    project.publish(project.add_constant("first", 0.1))
    with project.serving(LOCKGATE_LOG="text", LOCKGATE_LOG_LEVEL="debug") as server:
        server.client.post(f"{server.url}/predict/late", content=b"no JSON", headers={ID: "shop-2"})
        until(lambda: "[shop-2]" in (project.root / "stderr").read_text(), "the line")
