"""Notices reach their channels: over a webhook that fails at first, into a file, once each, and never lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lockgate.errors import ConfigError, SpecError
from lockgate.records import Alarm, Entry, Evidence, Gate, Move, Notice, Override, Ruling, Spend, Verdict, encode
from lockgate.release.drill import Seen, Way, ruled
from lockgate.report.notices import notice
from lockgate.telemetry.channels import FileChannel, Webhook, channel
from lockgate.telemetry.notices import Outbox, down, read


class Receiver:
    """A real HTTP server: answers with the next of `codes`, 200 when there are none left."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.got: list[tuple[str, dict[str, Any]]] = []
        received = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                code = received.codes.pop(0) if received.codes else 200
                if code == 200:
                    received.got.append((self.headers["Idempotency-Key"], body))
                self.send_response(code)
                if code == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?token=secret"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    @property
    def ids(self) -> list[str]:
        return [key for key, _ in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join(5)


def alarm(number: int, severity: str = "page") -> Entry:
    body = Alarm(
        id=f"a{number}",
        model="tide",
        cause="degradation",
        severity=severity,
        sentence=f"Skill has fallen, {number}.",
        next="lockgate retrain tide",
        verdict=None,
        at_s=10.0,
        written_s=11.0,
    )
    return entry(number, "alarm", f"a{number}", body)


def entry(number: int, kind: Any, subject: str, body: Any) -> Entry:
    return Entry(
        number=number,
        previous="",
        digest="",
        kind=kind,
        model="tide",
        subject=subject,
        body=encode(body).decode(),
        written_s=11.0,
    )


class Ledger:
    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, severity: str = "page") -> None:
        self.entries.append(alarm(len(self.entries) + 1, severity))

    def after(self, number: int) -> list[Entry]:
        return [one for one in self.entries if one.number > number]


def outbox(folder: Path, **channels: Any) -> Outbox:
    return Outbox(folder, list(channels.items()), newest=0)


def test_a_webhook_that_fails_at_first_gets_every_notice_once_and_in_order(tmp_path: Path, receiver: Receiver):
    ledger = Ledger()
    for _ in range(3):
        ledger.add()
    receiver.codes = [500, 503, 200, 500]
    box = outbox(tmp_path, hook=Webhook(receiver.url))
    sent = [box.turn(ledger.after, notice, now_s=float(now)) for now in range(12)]
    assert receiver.ids == ["a1", "a2", "a3"]
    assert sum(sent) == 3
    assert sent[1:3] == [0, 0] or sent[0:2] == [0, 0], "it was left alone between"
    assert receiver.got[0][1]["next"] == "lockgate retrain tide"
    assert down(tmp_path, ["hook", "chat"]) == []


def test_a_channel_that_is_down_is_told_of_without_its_secret_and_holds_up_no_other(tmp_path: Path):
    ledger = Ledger()
    ledger.add()
    file = tmp_path / "alerts.jsonl"
    box = outbox(tmp_path / "state", hook=Webhook("http://127.0.0.1:9/x?token=secret"), file=FileChannel(file))
    assert box.turn(ledger.after, notice, now_s=0.0) == 1
    assert json.loads(file.read_text())["id"] == "a1"
    (state,) = down(tmp_path / "state", ["hook", "file"])
    assert "secret" not in state.name
    assert state.name == "http://127.0.0.1:9"
    assert "does not answer" in str(state.problem)
    assert [owed.notice.id for owed in state.owed] == ["a1"]


def test_it_waits_longer_each_time_and_five_minutes_at_most(tmp_path: Path):
    ledger = Ledger()
    ledger.add()
    box = outbox(tmp_path, hook=Webhook("http://127.0.0.1:9/"))
    waits, now = [], 0.0
    for _ in range(12):
        box.turn(ledger.after, notice, now_s=now)
        (state,) = down(tmp_path, ["hook", "chat"])
        waits.append(state.next_s - now)
        now = state.next_s
    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] == 300


def test_a_notice_that_is_refused_keeps_no_later_one_waiting(tmp_path: Path, receiver: Receiver):
    ledger = Ledger()
    ledger.add()
    ledger.add()
    receiver.codes = [400]
    box = outbox(tmp_path, hook=Webhook(receiver.url))
    box.turn(ledger.after, notice, now_s=0.0)
    assert receiver.ids == ["a2"]
    assert down(tmp_path, ["hook", "chat"])[0].problem == "it answered 400"
    box.turn(ledger.after, notice, now_s=5.0)
    assert receiver.ids == ["a2", "a1"]
    assert down(tmp_path, ["hook", "chat"]) == []


def test_a_redirect_is_no_delivery(tmp_path: Path, receiver: Receiver):
    ledger = Ledger()
    ledger.add()
    receiver.codes = [302]
    outbox(tmp_path, hook=Webhook(receiver.url)).turn(ledger.after, notice, now_s=0.0)
    assert receiver.ids == []
    assert len(down(tmp_path, ["hook", "chat"])[0].owed) == 1


def test_a_process_that_died_before_saying_so_writes_the_same_line_once(tmp_path: Path):
    file, ledger = tmp_path / "alerts.jsonl", Ledger()
    ledger.add()
    box = outbox(tmp_path / "state", file=FileChannel(file))
    before = {place: place.read_bytes() for place in (tmp_path / "state").iterdir()}
    box.turn(ledger.after, notice, now_s=0.0)
    for place, held in before.items():
        place.write_bytes(held)  # as if it had been killed between sending and marking
    outbox(tmp_path / "state", file=FileChannel(file)).turn(ledger.after, notice, now_s=0.0)
    assert [json.loads(line)["id"] for line in file.read_text().splitlines()] == ["a1"]


def test_a_line_torn_by_a_crash_is_closed_and_the_notice_written_whole(tmp_path: Path):
    file, ledger = tmp_path / "alerts.jsonl", Ledger()
    file.write_bytes(b'{"id":"a1","mod')
    ledger.add()
    outbox(tmp_path / "state", file=FileChannel(file)).turn(ledger.after, notice, now_s=0.0)
    lines = file.read_text().splitlines()
    assert len(lines) == 2
    assert json.loads(lines[1])["id"] == "a1"


def test_what_is_owed_is_sent_by_the_next_process(tmp_path: Path, receiver: Receiver):
    ledger = Ledger()
    ledger.add()
    receiver.codes = [500]
    outbox(tmp_path, hook=Webhook(receiver.url)).turn(ledger.after, notice, now_s=0.0)
    assert receiver.ids == []
    assert outbox(tmp_path, hook=Webhook(receiver.url)).turn(lambda _: [], notice, now_s=9.0) == 1
    assert receiver.ids == ["a1"]


def test_a_channel_whose_file_is_damaged_holds_up_no_other_and_one_that_went_is_not_told_of(tmp_path: Path):
    ledger = Ledger()
    ledger.add()
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    box = outbox(tmp_path / "state", first=FileChannel(first), gone=Webhook("http://127.0.0.1:9/"))
    box.turn(ledger.after, notice, now_s=0.0)
    assert down(tmp_path / "state", ["first"]) == []
    for place in (tmp_path / "state").glob("*.json"):
        place.write_bytes(b"{")
    ledger.add()
    box = outbox(tmp_path / "state", first=FileChannel(first), second=FileChannel(second))
    assert box.turn(ledger.after, notice, now_s=1.0) == 2
    assert [json.loads(line)["id"] for line in second.read_text().splitlines()] == ["a1", "a2"]


def test_a_new_channel_is_told_what_comes_from_now_on(tmp_path: Path, receiver: Receiver):
    ledger = Ledger()
    ledger.add()
    box = Outbox(tmp_path, [("hook", Webhook(receiver.url))], newest=1)
    ledger.add()
    box.turn(ledger.after, notice, now_s=0.0)
    assert receiver.ids == ["a2"]
    assert read(next(tmp_path.glob("*.json"))).until == 2


GATE = Gate(
    name="worth",
    question="worth",
    claim="better",
    measure="log_loss",
    method="",
    margin=0,
    alpha=0.05,
    guarantee="calibrated",
)


def verdict(ruling: Ruling) -> Entry:
    made = Verdict(
        id="v1",
        model="tide",
        ruling=ruling,
        gate=GATE,
        evidence=Evidence(),
        subject=(),
        sentence="Two arms, one share.",
        at_s=1,
        written_s=2,
    )
    return entry(1, "verdict", "v1", made)


def move(kind: Any) -> Entry:
    made = Move(
        id="m1",
        model="tide",
        kind=kind,
        to="abcdef123",
        share=0.25,
        revision=3,
        verdicts=(),
        reason="Safe at 5%.",
        at_s=1,
        written_s=2,
    )
    return entry(1, "move", "m1", made)


def test_every_move_is_told_with_its_reason_and_command():
    found = notice(move("roll_back"))
    assert found is not None
    assert (found.id, found.severity, found.next) == ("m1", "ticket", "lockgate why m1")
    assert "roll back to abcdef at 25%" in found.sentence
    assert "Safe at 5%." in found.sentence
    assert notice(move("advance")).severity == "note"
    assert notice(move("undecided")).severity == "ticket"


def test_of_verdicts_only_what_no_machine_can_act_on_is_told():
    assert notice(verdict(Ruling.VOID)) is not None
    assert [notice(verdict(r)) for r in (Ruling.PASS, Ruling.FAIL, Ruling.UNDECIDED)] == [None] * 3


def test_a_note_and_a_spend_wake_nobody():
    assert notice(alarm(1, "note")) is None
    spend = Spend(id="s1", model="tide", gate="x", alpha=0.05, at_s=1, written_s=1, by="x")
    assert notice(entry(1, "spend", "s1", spend)) is None


def override(kind: Any) -> Entry:
    made = Override(
        id="o1",
        model="tide",
        rollout="r1",
        kind=kind,
        by="ann",
        reason="the harvest",
        step="5%",
        at_s=1,
        written_s=2,
    )
    return entry(1, "override", "o1", made)


def test_a_hold_waits_for_a_person_and_says_how_it_goes_on():
    assert notice(override("hold")) == Notice(
        id="o1",
        model="tide",
        kind="override",
        severity="ticket",
        sentence="tide: r1: held at 5%, by ann: the harvest",
        next="lockgate rollout resume tide --reason ...",
        at_s=1,
        written_s=11.0,
    )
    resumed = notice(override("resume"))
    assert resumed is not None
    assert (resumed.severity, resumed.next) == ("note", "lockgate why o1")


@pytest.mark.parametrize(("took_ms", "severity"), [(200.0, "note"), (1500.0, "ticket")])
def test_a_drill_that_fails_is_for_a_person_to_look_at(took_ms: float, severity: str):
    seen = Seen(back_ms=(took_ms,), there_ms=(took_ms,), calls=9)
    made = ruled("tide", Way("b", "a"), seen, on="own", workers=1, event_s=1.0, now_s=2.0, by="ann")
    found = notice(entry(1, "drill", made.id, made))
    assert found is not None
    assert (found.severity, found.next) == (severity, f"lockgate why {made.id}")
    assert found.sentence == made.sentence


def test_a_word_that_is_no_channel_is_refused(tmp_path: Path):
    for word in ("alerts.jsonl", "file:", ""):
        with pytest.raises(ConfigError, match=r"alerts\.channels names"):
            channel(word, tmp_path)


def test_an_apprise_address_needs_its_extra(tmp_path: Path):
    if find_spec("apprise") is not None:
        pytest.skip("apprise is installed")
    with pytest.raises(SpecError, match=r"lockgate\[alerts\]"):
        channel("mailto://x:y@example.org", tmp_path)


@pytest.mark.filterwarnings("ignore:.*imghdr.*:DeprecationWarning")  # apprise 2.3 under Python 3.11 and 3.12, on import
def test_apprise_sends_where_it_is_installed_and_what_it_does_not_know_is_refused(tmp_path: Path, receiver: Receiver):
    pytest.importorskip("apprise")
    with pytest.raises(SpecError, match="does not know the address"):
        channel("nonesuch://example.org", tmp_path)
    assert channel("mailto://x:y@example.org", tmp_path).name == "mailto://example.org"
    ledger = Ledger()
    ledger.add()
    receiver.codes = [500]
    box = outbox(tmp_path, chat=channel(receiver.url.replace("http://", "json://"), tmp_path))
    assert box.turn(ledger.after, notice, now_s=0.0) == 0
    assert down(tmp_path, ["hook", "chat"])[0].problem == "apprise could not send it"
    assert box.turn(ledger.after, notice, now_s=9.0) == 1
    (_, body) = receiver.got[0]
    assert "Next: lockgate retrain tide" in body["message"]
    assert down(tmp_path, ["hook", "chat"]) == []
