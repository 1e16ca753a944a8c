"""An alarm from its first call to its end: in the commands, in a mailbox, a webhook and Alertmanager, down for a while."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from lockgate.errors import Conflict
from lockgate.records import Alarm
from lockgate.store.segments import SegmentLog
from lockgate.workspace.noticing import Notices

Mood = Literal["open", "busy", "silent"]
MAIL = "from=lockgate@example.org&to=ann@example.org&mode=insecure"


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


class Mailbox:
    """An SMTP server that keeps what it is sent.

    mood: `open` takes mail; `busy` says 451, try again; `silent` holds the connection without a word until its mood changes.

    mails: what was acknowledged, in order; to: their recipients by the envelope; calls: connections of any mood.
    """

    def __init__(self, mood: Mood = "open") -> None:
        self.mood: Mood = mood
        self.mails: list[Message] = []
        self.to: list[list[str]] = []
        self.calls = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if self.mood == "silent":
                while self.mood == "silent":
                    await asyncio.sleep(0.05)
            else:
                await self._session(reader, writer)
        writer.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to: list[str] = []
        writer.write(b"220 sink ESMTP\r\n")
        while line := (await reader.readline()).decode():
            verb = line.split(":")[0].upper().strip()
            if verb == "MAIL FROM" and self.mood == "busy":
                said = b"451 try again later"
            elif verb == "DATA":
                writer.write(b"354 go on\r\n")
                text = (await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n")
                self.mails.append(message_from_bytes(text.replace(b"\r\n..", b"\r\n.")))
                self.to.append(to)
                to, said = [], b"250 kept"
            else:
                to = [] if verb == "MAIL FROM" else [*to, *([line.strip()[8:]] if verb == "RCPT TO" else [])]
                said = b"221 bye" if verb == "QUIT" else b"250 ok"
            writer.write(said + b"\r\n")
            await writer.drain()
            if verb == "QUIT":
                return

    @contextmanager
    def up(self, port: int) -> Iterator[None]:
        """Listens on the loopback, in a thread of its own."""
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(asyncio.start_server(self.talk, "127.0.0.1", port))
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(_end(server), loop).result(5)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(5)
            loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    own = asyncio.current_task()
    left = [task for task in asyncio.all_tasks() if task is not own]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def text_of(mail: Message) -> str:
    """Every part that is text, one behind another."""
    parts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    return "\n".join(part.decode() for part in parts if isinstance(part, bytes))


@contextmanager
def receiver(port: int) -> Iterator[list[tuple[str, Any]]]:
    """An HTTP server that keeps the path and JSON of every POST."""
    got: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"silenceID": "s1"}')

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield got
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def shop(built: Any, tmp_path: Path) -> Any:
    root = tmp_path / "project"
    shutil.copytree(built.root, root)
    return type(built)(root, dict(built.versions))


def told_to(shop: Any, *channels: str) -> None:
    file = shop.root / "lockgate.toml"
    file.write_text(f"{file.read_text()}\n[alerts]\nchannels = {json.dumps(channels)}\n")


def logged(workspace: Any, shop: Any, name: str, rows: int, failure: str | None) -> None:
    """Real calls of a day, logged again under ids of their own as if they had come out so."""
    found = workspace.score("tide", shop.table(first_day=41, days=1, per_day=rows), prefix=name)
    writer = SegmentLog(workspace.wiring.home / "log").writer()
    by = "constant" if failure else found[0].version
    writer.append([msgspec.structs.replace(p, id=f"{p.id}-again", failure=failure, served_by=by) for p in found])
    writer.close()


def storm(workspace: Any, shop: Any) -> str:
    logged(workspace, shop, "calm", 120, None)
    logged(workspace, shop, "storm", 80, "gone")
    (alarm,) = [one for one in workspace.tick().alarms if one.cause == "fallback"]
    return str(alarm.id)


def test_an_alarm_is_listed_acknowledged_snoozed_and_over_by_command(shop: Any) -> None:
    dead = f"http://127.0.0.1:{free_port()}/hook"
    told_to(shop, dead)
    workspace = shop.open()
    notices = Notices(workspace.wiring)
    assert shop.run("alarms").stdout.startswith("No alarm is open.")
    name = storm(workspace, shop)
    notices.turn()

    (row,) = json.loads(shop.run("status", "--json").stdout)
    assert "is down: it does not answer" in row["channels"][0]
    assert row["channels"][0].endswith("1 notice waits for it.")
    assert len(row["alarms"]) == 1

    listed = shop.run("alarms", "tide").stdout
    assert f"page  {name}  tide: fallback" in listed
    assert "lockgate rollback tide" in listed
    wrong = shop.run("alarms", "ack", f"{name}x", "--reason", "mine")
    assert wrong.returncode == 3
    assert f"Did you mean '{name}'?" in wrong.stderr
    assert shop.run("alarms", "ack", name, "--reason", " ").returncode == 3

    done = shop.run("alarms", "ack", name, "--reason", "I am at it.", "--by", "ann")
    assert done.returncode == 0, done.stderr
    assert "acknowledged; I am at it.; by ann" in shop.run("alarms").stdout
    snoozed = json.loads(shop.run("alarms", "snooze", name, "--for", "2h", "--reason", "Lunch.", "--json").stdout)
    assert snoozed["until_s"] == pytest.approx(snoozed["written_s"] + 7200)
    (life,) = workspace.alarms("tide")
    assert life.acknowledged is not None
    assert life.acknowledged.reason == "Lunch."

    logged(workspace, shop, "well", 400, None)
    (over,) = [one for one in workspace.tick().alarms if one.cause == "fallback"]
    assert "Over after" in over.sentence
    assert shop.run("alarms").stdout.startswith("No alarm is open.")
    assert over.id in shop.run("alarms", "--all").stdout
    with pytest.raises(Conflict, match="is over"):
        workspace.acknowledge(over.id, reason="late")
    assert shop.run("why", "--verify").returncode == 0
    workspace.close()


def test_a_webhook_and_alertmanager_that_are_down_for_a_while_miss_nothing_and_hold_up_nothing(shop: Any) -> None:
    hook, manager = free_port(), free_port()
    told_to(shop, f"http://127.0.0.1:{hook}/hook", f"alertmanager:http://127.0.0.1:{manager}")
    workspace = shop.open()
    Notices(workspace.wiring)
    name = storm(workspace, shop)
    began = time.monotonic()
    assert Notices(workspace.wiring).turn() == 0
    assert time.monotonic() - began < 5
    (row,) = workspace.status()
    assert len(row.channels) == 2
    workspace.tick()
    with receiver(hook) as noticed, receiver(manager) as alerted:
        give_up = time.monotonic() + 20
        later = Notices(workspace.wiring)  # another process: what is owed stands on the disk
        while not (noticed and alerted) and time.monotonic() < give_up:
            later.turn()
            time.sleep(0.2)
    assert [body["id"] for _, body in noticed] == [name]
    ((path, (alert,)),) = alerted
    assert path == "/api/v2/alerts"
    assert (alert["labels"]["alertname"], alert["labels"]["severity"]) == ("LockgateFallback", "page")
    assert alert["annotations"]["runbook"] == "lockgate rollback tide"
    assert [row.channels for row in workspace.status()] == [()]
    workspace.close()


@pytest.mark.filterwarnings("ignore:.*imghdr.*:DeprecationWarning")  # apprise 2.3 under Python 3.11 and 3.12, on import
def test_a_mailbox_that_is_down_for_a_while_gets_the_alarm_once(shop: Any) -> None:
    pytest.importorskip("apprise")
    port, box = free_port(), Mailbox()
    told_to(shop, f"mailto://127.0.0.1:{port}/?{MAIL}")
    workspace = shop.open()
    Notices(workspace.wiring)
    storm(workspace, shop)
    assert Notices(workspace.wiring).turn() == 0
    assert "is down: apprise could not send it" in workspace.status()[0].channels[0]
    with box.up(port):
        give_up = time.monotonic() + 20
        later = Notices(workspace.wiring)
        while not box.mails and time.monotonic() < give_up:
            later.turn()
            time.sleep(0.2)
        later.turn()
    (mail,) = box.mails
    assert box.to == [["<ann@example.org>"]]
    assert "ann@example.org" in str(mail["To"])
    assert "page" in str(mail["Subject"])
    assert "lockgate rollback tide" in text_of(mail)
    assert workspace.status()[0].channels == ()
    workspace.close()


@pytest.mark.filterwarnings("ignore:.*imghdr.*:DeprecationWarning")
@pytest.mark.slow
def test_a_mail_server_that_says_nothing_holds_up_neither_calls_nor_the_loop(shop: Any, until: Any) -> None:
    pytest.importorskip("apprise")
    port, box, file = free_port(), Mailbox("silent"), shop.root / "alerts.jsonl"
    told_to(shop, f"mailto://127.0.0.1:{port}/?{MAIL}&cto=90", "file:alerts.jsonl")
    with box.up(port), shop.serving() as server:
        workspace = shop.open()
        logged(workspace, shop, "calm", 120, None)
        logged(workspace, shop, "storm", 80, "gone")
        until(lambda: box.calls, "the first try of the alarm", within_s=30)
        logged(workspace, shop, "well", 400, None)
        until(lambda: len(fallbacks(workspace)) == 2, "the alarm's end", within_s=30)
        assert server.predict(shop.row()).status_code == 200
        ids = {one.id for one in fallbacks(workspace)}
        until(lambda: set(told_in(file)) >= ids, "both in the file, which stands behind the mail", within_s=10)
        assert (box.calls, box.mails) == (1, []), "all this while the first try still hangs"
        box.mood = "busy"
        until(lambda: "is down" in " ".join(workspace.status()[0].channels), "the mail, known to be down", within_s=30)
        until(lambda: box.calls > 1, "another try", within_s=30)
        assert box.mails == []
        box.mood = "open"
        until(lambda: len(box.mails) >= 2 and len(box.mails) == len(told_in(file)), "the mails", within_s=40)
        until(lambda: workspace.status()[0].channels == (), "the mail, up again", within_s=10)
        time.sleep(1.5)  # three turns more, in which nothing may come twice
    mailed = [re.findall(r"\((\w+)\)", text_of(mail))[-1] for mail in box.mails]
    assert mailed == told_in(file), "what the file was told, in its order, each once"
    assert set(mailed) >= {one.id for one in fallbacks(workspace)}
    workspace.close()


def fallbacks(workspace: Any) -> list[Alarm]:
    return [one for one in workspace.alarms_told("tide") if one.cause == "fallback"]


def told_in(file: Path) -> list[str]:
    return [json.loads(line)["id"] for line in file.read_text().splitlines()] if file.exists() else []
