"""Alertmanager is told what is open, again and again, and each end once; what happened while it was down is not lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from lockgate.errors import ConfigError
from lockgate.records import Acknowledgement, Alarm, Entry, encode
from lockgate.telemetry.alertmanager import AGAIN_S, HOLDS_S, AlertBox, down
from lockgate.telemetry.channels import refuse_unknown


class Manager:
    """A real HTTP server with the addresses of Alertmanager's v2; `is_down` answers 503."""

    def __init__(self) -> None:
        self.is_down = False
        self.told: list[list[dict[str, Any]]] = []
        self.silences: dict[str, dict[str, Any]] = {}
        manager = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if manager.is_down:
                    self.answer(503, {})
                elif self.path == "/api/v2/alerts":
                    manager.told.append(body)
                    self.answer(200, None)
                elif self.path == "/api/v2/silences":
                    name = body.get("id") or f"s{len(manager.silences) + 1}"
                    manager.silences[name] = body
                    self.answer(200, {"silenceID": name})
                else:
                    self.answer(404, {})

            def do_DELETE(self) -> None:
                gone = manager.silences.pop(self.path.rpartition("/")[2], None)
                self.answer(200 if gone is not None else 404, {})

            def answer(self, code: int, body: Any) -> None:
                self.send_response(code)
                self.end_headers()
                if body is not None:
                    self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.word = f"alertmanager:http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def take(self) -> list[list[dict[str, Any]]]:
        found, self.told = self.told, []
        return found


@pytest.fixture
def manager() -> Iterator[Manager]:
    made = Manager()
    made.thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join(5)


class Ledger:
    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def alarm(self, name: str, at_s: float, **more: Any) -> None:
        given = {"model": "tide", "cause": "drift", "severity": "ticket", "about": "depth", "verdict": None}
        given |= {"sentence": f"{name} is so.", "next": "lockgate why v1", "at_s": 0.0, "written_s": at_s}
        self._add("alarm", Alarm(id=name, **(given | more)))

    def said(self, alarm: str, at_s: float, until_s: float | None = None, by: str = "ann") -> None:
        given = {"model": "tide", "alarm": alarm, "by": by, "reason": "I am at it.", "until_s": until_s}
        self._add("acknowledgement", Acknowledgement(id=f"k{at_s}", at_s=0.0, written_s=at_s, **given))

    def _add(self, kind: Any, body: Any) -> None:
        number = len(self.entries) + 1
        self.entries.append(
            Entry(
                number=number,
                previous="",
                digest="",
                kind=kind,
                model="tide",
                subject=body.id,
                body=encode(body).decode(),
                written_s=body.written_s,
            )
        )

    def after(self, number: int) -> list[Entry]:
        return [one for one in self.entries if one.number > number]


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_what_is_open_is_told_with_its_labels_and_again_before_alertmanager_forgets_it(
    tmp_path: Path, manager: Manager
):
    ledger, box = Ledger(), AlertBox(tmp_path, manager.word, newest=0)
    ledger.alarm("a1", 100.0)
    ledger.alarm("a2", 100.0, severity="note")
    assert box.turn(ledger.after, now_s=101.0) == 1
    ((alert,),) = manager.take()
    assert alert["labels"] == {
        "alertname": "LockgateDrift",
        "severity": "ticket",
        "model": "tide",
        "cause": "drift",
        "about": "depth",
    }
    assert alert["annotations"] == {"summary": "a1 is so.", "runbook": "lockgate why v1", "alarm": "a1"}
    assert (seconds(alert["startsAt"]), seconds(alert["endsAt"])) == (100.0, 101.0 + HOLDS_S)
    assert [box.turn(ledger.after, now_s=101.0 + late) for late in (1.0, 30.0, AGAIN_S, AGAIN_S + 1)] == [0, 0, 1, 0]
    assert AGAIN_S * 3 < HOLDS_S, "two that are lost do no harm"


def test_what_is_over_is_told_as_resolved_once(tmp_path: Path, manager: Manager):
    ledger, box = Ledger(), AlertBox(tmp_path, manager.word, newest=0)
    ledger.alarm("a1", 100.0)
    box.turn(ledger.after, now_s=100.0)
    manager.take()
    ledger.alarm("a1-over", 900.0, severity="note", of="a1", is_over=True)
    box.turn(ledger.after, now_s=1000.0)
    ((alert,),) = manager.take()
    assert seconds(alert["endsAt"]) == 900.0
    assert box.turn(ledger.after, now_s=5000.0) == 0
    assert manager.take() == []


def test_what_opened_and_ended_while_it_was_down_is_fired_and_then_resolved(tmp_path: Path, manager: Manager):
    manager.is_down = True
    ledger = Ledger()
    AlertBox(tmp_path, manager.word, newest=0)
    ledger.alarm("a1", 100.0)
    ledger.alarm("a1-over", 160.0, severity="note", of="a1", is_over=True)
    ledger.alarm("a2", 170.0, about="age")
    assert AlertBox(tmp_path, manager.word, newest=0).turn(ledger.after, now_s=180.0) == 0
    (state,) = down(tmp_path, [manager.word, "file:x"])
    assert (state.problem, state.waiting, state.name) == ("it answered 503", 2, manager.word)
    manager.is_down = False
    box = AlertBox(tmp_path, manager.word, newest=99)
    assert box.turn(ledger.after, now_s=180.5) == 0, "it is left alone for a while"
    assert box.turn(ledger.after, now_s=185.0) == 2
    (fired,) = manager.take()
    assert all(seconds(alert["endsAt"]) == 185.0 + HOLDS_S for alert in fired)
    assert down(tmp_path, [manager.word]) == []
    box.turn(ledger.after, now_s=185.0 + AGAIN_S)
    (later,) = manager.take()
    assert {alert["annotations"]["alarm"]: seconds(alert["endsAt"]) for alert in later} == {
        "a1": 160.0,
        "a2": 185.0 + AGAIN_S + HOLDS_S,
    }


def test_what_gets_graver_is_another_alert_and_the_lesser_one_is_resolved(tmp_path: Path, manager: Manager):
    ledger, box = Ledger(), AlertBox(tmp_path, manager.word, newest=0)
    ledger.alarm("a1", 100.0, cause="log", about="")
    box.turn(ledger.after, now_s=100.0)
    ledger.alarm("a1-page", 200.0, cause="log", about="", severity="page", of="a1")
    manager.take()
    box.turn(ledger.after, now_s=201.0)
    (told,) = manager.take()
    ends = {alert["labels"]["severity"]: seconds(alert["endsAt"]) for alert in told}
    assert ends == {"ticket": 200.0, "page": 201.0 + HOLDS_S}
    assert "about" not in told[0]["labels"]


def test_an_acknowledged_alarm_is_silenced_by_name_until_it_is_over(tmp_path: Path, manager: Manager):
    ledger, box = Ledger(), AlertBox(tmp_path, manager.word, newest=0)
    ledger.alarm("a1", 100.0)
    box.turn(ledger.after, now_s=100.0)
    ledger.said("a1", 110.0, until_s=7310.0)
    box.turn(ledger.after, now_s=111.0)
    ((name, silence),) = manager.silences.items()
    assert (silence["createdBy"], silence["comment"], seconds(silence["endsAt"])) == ("ann", "I am at it.", 7310.0)
    assert {one["name"]: one["value"] for one in silence["matchers"]}["about"] == "depth"
    ledger.said("a1", 120.0, by="bob")
    box.turn(ledger.after, now_s=121.0)
    assert [(key, one["createdBy"]) for key, one in manager.silences.items()] == [(name, "bob")]
    ledger.alarm("a1-over", 900.0, severity="note", of="a1", is_over=True)
    box.turn(ledger.after, now_s=1000.0)
    assert manager.silences == {}, "the same cause may open anew"


def test_a_snooze_that_ran_out_while_it_was_down_is_told_nobody(tmp_path: Path, manager: Manager):
    ledger, box = Ledger(), AlertBox(tmp_path, manager.word, newest=0)
    ledger.alarm("a1", 100.0)
    ledger.said("a1", 110.0, until_s=120.0)
    assert box.turn(ledger.after, now_s=130.0) == 1
    assert manager.silences == {}


@pytest.mark.parametrize("word", ["alertmanager:", "alertmanager:host:9093", "alertmanager:ftp://host"])
def test_an_address_that_is_no_alertmanager_is_refused(word: str):
    with pytest.raises(ConfigError, match=r"alerts\.channels names"):
        refuse_unknown(word)
    refuse_unknown("alertmanager:http://am:9093")
