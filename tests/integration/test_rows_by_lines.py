"""NDJSON on /predict: an answer a line, a bad row spoils its own alone, and the answers stream."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

from lockgate.records import Prediction
from lockgate.server.lines import STRETCH

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}
LINES = {"Content-Type": "application/x-ndjson"}


def ask(server: Any, body: bytes, query: str = "") -> httpx.Response:
    return server.client.post(f"{server.url}/predict/late{query}", content=body, headers=LINES)


def told(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


def line(**changed: Any) -> bytes:
    return json.dumps(ROW | changed).encode() + b"\n"


def test_each_row_has_its_line_and_the_same_answer_as_alone(served):
    _, server = served
    found = told(ask(server, b"".join(line(wait=n / 100) for n in range(600)), "?id=many&unit=u7"))
    assert [one["id"] for one in found] == [f"many-{n}" for n in range(600)]
    alone = server.predict(ROW | {"wait": 5.99}).json()["predictions"][0]["value"]
    assert found[599]["value"] == alone
    assert {p.unit for p in served[0].log() if isinstance(p, Prediction) and p.id.startswith("many-")} == {"u7"}


BAD = [
    (b"{", "malformed", None),
    (b"7", "contract", None),
    (b"[]", "contract", None),
    (b"null", "contract", None),
    (b"{}", "contract", "wait"),
    (line(wait="3.5").strip(), "contract", "wait"),
    (line(seats=501).strip(), "contract", "seats"),
    (line(extra=1).strip(), "contract", "extra"),
    (line(wait="@").strip().replace(b'"@"', b"NaN"), "malformed", None),
    (line(wait="@").strip().replace(b'"@"', b"1e400"), "contract", "wait"),
    (line(seats="@").strip().replace(b'"@"', b"9" * 5000), "contract", "seats"),
    (line().strip() + b"," + line().strip(), "malformed", None),
    (b"[" * 5000, "malformed", None),
    (b'{"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "\xff"}', "malformed", None),
]


def test_bad_rows_get_error_lines_of_their_own_and_fail_no_neighbour(served):
    _, server = served
    body = b"".join(line(wait=1.0) + bad + b"\n" for bad, _, _ in BAD) + line(wait=2.0)
    found = told(ask(server, body, "?id=mixed"))
    assert len(found) == 2 * len(BAD) + 1
    for place, (bad, code, column) in enumerate(BAD):
        wrong = found[2 * place + 1]
        assert wrong["line"] == 2 * place + 1
        assert (wrong["error"]["code"], wrong["error"].get("column")) == (code, column), bad[:80]
    good = found[::2]
    assert [one["id"] for one in good] == [f"mixed-{n}" for n in range(0, 2 * len(BAD) + 1, 2)]
    assert {one["failure"] for one in good} == {None}


def test_a_retry_of_lines_under_the_same_id_counts_once(served):
    project, server = served
    body = line(wait=1.0) + b"{\n" + line(wait=2.0) * 300
    first, again = (ask(server, body, "?id=twice").content for _ in range(2))
    assert first == again
    logged = [entry.id for entry in project.log() if entry.id.startswith("twice-")]
    assert len(logged) == len(set(logged)) == 301


def test_other_rows_under_the_same_id_are_conflicts_line_by_line(served):
    _, server = served
    assert told(ask(server, line(wait=1.0), "?id=once"))[0]["failure"] is None
    (found,) = told(ask(server, line(wait=2.0), "?id=once"))
    assert found["error"]["code"] == "conflict"


def test_blank_lines_and_a_missing_last_newline_are_nothing(served):
    _, server = served
    found = told(ask(server, b"\n" + line() + b"\r\n \n" + line().strip(), "?id=blank"))
    assert [one["id"] for one in found] == ["blank-1", "blank-4"]


@pytest.mark.parametrize(("body", "query", "status"), [(b"", "", 422), (b"\n \n", "", 422), (line(), "?ident=1", 400)])
def test_no_rows_and_unknown_words_are_refused_whole(served, body, query, status):
    assert ask(served[1], body, query).status_code == status


def test_too_many_rows_are_413(served):
    assert ask(served[1], b"1\n" * 100_001).status_code == 413


def test_the_first_answers_leave_while_the_last_rows_wait(project):
    """The model takes a second a stretch; the first line is there before the last could be."""
    project.publish(project.add_constant("slow", 0.9, "slow"), deadline_ms=5000.0)
    body = line() * (2 * STRETCH)
    with project.serving() as server:
        url = f"{server.url}/predict/late"
        with httpx.stream("POST", url, content=body, headers=LINES, timeout=20) as answer:
            times = [time.monotonic() for _ in answer.iter_lines()]
    assert len(times) == 2 * STRETCH
    assert times[-1] - times[0] > 0.7
