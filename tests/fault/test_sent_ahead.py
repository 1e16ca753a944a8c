"""Requests behind others on one connection, and lengths without end: each is answered or refused, and no place is lost."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}
BODY = json.dumps({"rows": [ROW]}).encode()
HEAD = b"POST /predict/late HTTP/1.1\r\nHost: localhost\r\n"
GOOD = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
ENDLESS = HEAD + b"Content-Length: " + b"0" * 5000 + b"%d\r\n\r\n" % len(BODY) + BODY
TOKEN = "a" * 40


class Target:
    """A worker behind its supervisor, and what is asked of it."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.port = int(server.url.rpartition(":")[2])
        self.worker = server.state()["workers"][0]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5.0)

    def say(self, *parts: bytes, wanted: int = 1, pause_s: float = 0.0) -> bytes:
        """What comes back, until the server closes; or, once as many answers came as are wanted, says no more."""
        heard = b""
        with self.connect() as line, contextlib.suppress(OSError):
            for part in parts:
                line.sendall(part)
                time.sleep(pause_s)
            while more := line.recv(65536):
                heard += more
                line.settimeout(5.0 if len(statuses(heard)) < wanted else 0.2)
        return heard

    def open_sockets(self) -> int:
        return len(self.server.sockets(self.worker))


def statuses(heard: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", heard)]


@pytest.fixture(scope="module")
def target(new_project: Any) -> Iterator[Target]:
    project = new_project("ahead")
    project.publish(project.add_fitted())
    with project.serving(options=["--limits", "[40, 2, 3, 3]"]) as server:
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
    assert statuses(target.say(GOOD)) == [200]


@pytest.mark.parametrize("before", [1, 2, 5])
@pytest.mark.parametrize("sent", [b"zz\r\n", b"5\r\n{"], ids=["malformed", "never whole"])
def test_a_body_that_cannot_be_read_costs_those_before_it_nothing(target, sent, before):
    slow = GOOD.replace(b"Host", b"Content-Type: APPLICATION/JSON\r\nHost")
    for good in (GOOD, slow):
        heard = target.say(good * before + HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + sent, wanted=before)
        assert statuses(heard) == [200] * before


def test_no_body_is_held_of_who_may_not_come_in_whatever_came_before_it(guarded):
    """Behind a probe, which needs no token, and with a head that came in two pieces."""
    head = HEAD + b"Content-Length: 9000000\r\n\r\n"
    for first in (HEALTH + head + b" " * 1000, head[:-4]):
        with guarded.connect() as line:
            line.sendall(first)
            time.sleep(0.1)
            line.sendall(head[-4:] + b" " * 1000 if first == head[:-4] else b" " * 1000)
            heard = b""
            with contextlib.suppress(TimeoutError):
                while 401 not in statuses(heard):
                    heard += line.recv(65536)
            assert 401 in statuses(heard), "at once, and not when nine megabytes have come"


def test_whoever_expects_to_be_told_to_go_on_is_told_so_behind_another(target):
    head = HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    with target.connect() as line:
        line.sendall(GOOD + head)
        heard = b""
        while statuses(heard) != [200, 100]:
            heard += line.recv(65536)
        line.sendall(BODY)
        while statuses(heard) != [200, 100, 200]:
            heard += line.recv(65536)
