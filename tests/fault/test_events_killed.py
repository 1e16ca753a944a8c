"""Event intake killed at random moments: what was acknowledged is there, and nothing is there twice."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lockgate.records import Event
from lockgate.server.client import Client
from lockgate.store.event_store import EventStore

WRITER = """
import sys
from pathlib import Path
from lockgate.records import Event
from lockgate.store.event_store import EventStore

store, first = EventStore(Path(sys.argv[1])), int(sys.argv[2])
while True:
    batch = [Event(n, n + 1, n, (n, n + 1, "JFK", n / 7)) for n in range(first, first + 17)]
    store.add("landings", batch)
    print(first, flush=True)     # only once it is safe
    first += 17
"""


def killed_after(file: Path, first: int, seconds: float) -> list[int]:
    """The batches that a writer acknowledged before it was killed, by their first event."""
    argv = [sys.executable, "-c", WRITER, str(file), str(first)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        begun = process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        told = [begun, *process.stdout.read().splitlines()]
    return [int(line) for line in told if line.strip()]


def rounds(file: Path, times: int) -> None:
    chance = random.Random(11)
    acknowledged: list[int] = []
    for number in range(times):
        own = killed_after(file, number * 1_000_000, chance.random() * 0.15)
        assert own, "the writer must have begun"
        acknowledged += own
        # What a client does that heard nothing: it sends the last again, and the one after it.
        store = EventStore(file)
        held = {event.id for event in store.read("landings")[0]}
        for first in own:
            assert held.issuperset(range(first, first + 17)), "an acknowledged event is lost"
        store.close()
    found = EventStore(file).read("landings")[0]
    ids = [event.id for event in found]
    assert len(ids) == len(set(ids)), "an event is there twice"
    batches = {
        number - number % 1_000_000 + (number % 1_000_000) // 17 * 17 for number in ids if isinstance(number, int)
    }
    assert len(ids) == 17 * len(batches), "a batch is there in part"
    assert batches.issuperset(acknowledged)
    assert len(batches) - len(acknowledged) <= times, (
        "more than what was in hand is there without having been acknowledged"
    )
    with closing(sqlite3.connect(file)) as looking:
        assert looking.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_writer_that_is_killed_loses_nothing_it_acknowledged_and_doubles_nothing(tmp_path: Path) -> None:
    rounds(tmp_path / "events.db", 4)


@pytest.mark.slow
def test_twenty_kills_at_random_moments_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    rounds(tmp_path / "events.db", 20)


def test_a_batch_that_is_sent_again_after_a_kill_is_kept_once(tmp_path: Path) -> None:
    file = tmp_path / "events.db"
    (first, *_) = killed_after(file, 0, 0.0)
    again = [Event(n, n + 1, n, (n, n + 1, "JFK", n / 7)) for n in range(first, first + 17)]
    taken = EventStore(file).add("landings", again)
    assert (taken.kept, taken.known_before) == (0, 17)


def until_replaced(server: Any, victim: int) -> None:
    deadline = time.monotonic() + 20
    while victim in server.state["workers"]:
        assert time.monotonic() < deadline, "the supervisor puts another in its place"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_worker_that_is_killed_while_it_takes_events_in_loses_none_that_it_acknowledged(
    built, tide_project, tmp_path
) -> None:
    """A real server of two workers, one of them killed again and again; the client sends again what it heard nothing of."""
    own = type(built)(tmp_path / "project", dict(built.versions))
    shutil.copytree(built.root, own.root)
    toml = own.root / "lockgate.toml"
    source = '\n[source.landings]\nkey = "id"\ntime = "at"\ncolumns = { id = "int", at = "time", late = "float" }\n'
    toml.write_text(toml.read_text() + source)
    chance, sent, killed = random.Random(5), 0, set[int]()
    with own.serving(workers=2) as server, Client(server.url) as client:
        for _ in range(20):
            until = time.monotonic() + 0.05 + chance.random() * 0.2
            while time.monotonic() < until:
                events = [{"id": sent + n, "at": "2024-01-01T00:00:00Z", "late": n / 3} for n in range(5)]
                client.events("landings", events)
                sent += 5
            victim = chance.choice([pid for pid in server.state["workers"] if pid not in killed])
            killed.add(victim)
            timer = threading.Timer(chance.random() * 0.05, os.kill, (victim, signal.SIGKILL))
            timer.start()
            client.events(
                "landings", [{"id": sent + n, "at": "2024-01-01T00:00:00Z", "late": None} for n in range(300)]
            )
            sent += 300
            timer.join()
            until_replaced(server, victim)
    assert len(killed) == 20
    ids = [event.id for event in EventStore(own.home / "events.db").read("landings")[0]]
    assert sorted(ids) == list(range(sent))
