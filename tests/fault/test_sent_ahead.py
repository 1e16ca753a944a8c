"""Requests behind others on one connection, and lengths without end: each is answered or refused, and no place is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from test_hostile_clients import BODY, CHUNKED, GOOD, HEAD, Target, statuses

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
ENDLESS = HEAD + b"Content-Length: " + b"0" * 5000 + b"%d\r\n\r\n" % len(BODY) + BODY
TOKEN = "a" * 40


@pytest.fixture(scope="module")
def target(new_project: Any) -> Iterator[Target]:
    project = new_project("ahead")
    project.publish(project.add_fitted())
    with project.serving(options=["--limits", "[40, 2, 3, 3]"], LOCKGATE_TOKEN="") as server:
        yield Target(server)


@pytest.fixture(scope="module")
def guarded(new_project: Any) -> Iterator[Target]:
    """It asks for a token, which nobody here has."""
    project = new_project("guarded")
    project.publish(project.add_fitted())
    with project.serving(options=["--limits", "[100, 5, 5, 5]"], LOCKGATE_TOKEN=TOKEN) as server:
        yield Target(server)


@pytest.mark.parametrize("path", [b"/predict/late", b"/outcomes/late", b"/invocations"])
def test_a_length_of_thousands_of_digits_is_refused_in_words(target, path):
    sent = ENDLESS.replace(b"/predict/late", path)
    for parts in ([sent], [sent[:-20], sent[-20:]]):
        heard = target.say(*parts, pause_s=0.05)
        assert statuses(heard) == [400]
        assert b"Content-Length" in heard


def test_a_length_of_thousands_of_digits_behind_a_good_request_costs_that_nothing(target):
    assert statuses(target.say(GOOD + ENDLESS)) == [200]


def test_lengths_without_end_take_no_place(target, until):
    until(lambda: target.open_sockets() < 10, "the connections before to be closed")
    before = target.open_sockets()
    for _ in range(45):
        with target.connect() as line:
            line.sendall(ENDLESS)
    until(lambda: target.open_sockets() <= before, "their places to be free again", within_s=3.0)
    target.ask(3)
