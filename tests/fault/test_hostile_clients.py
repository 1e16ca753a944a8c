"""Hostile clients on real sockets against a real worker: what they send gives no 500, and nobody beside them waits."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}
BODY = json.dumps({"rows": [ROW]}).encode()
HEAD = b"POST /predict/late HTTP/1.1\r\nHost: localhost\r\n"
GOOD = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LIMITS = {"connections": 400, "head_s": 2, "body_s": 3, "idle_s": 5}
QUIET_S = 0.1
ESTABLISHED = 1
IN_TIME_S = 4.0  # under attack, on busy cores; beside nobody it is some 20 ms


class Target:
    """A worker behind its supervisor, and what is asked of it."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.url = server.url
        self.port = int(server.url.rpartition(":")[2])
        self.worker = server.state()["workers"][0]

    def connect(self, timeout_s: float = 5.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def say(self, *parts: bytes, wanted: int = 1, pause_s: float = 0.0, closes_its_half: bool = False) -> bytes:
        """What comes back, until the server closes; or, once as many answers came as are wanted, says no more."""
        heard = b""
        with self.connect() as line, contextlib.suppress(OSError):
            with contextlib.suppress(OSError):  # the server may have had enough, and said so
                for part in parts:
                    line.sendall(part)
                    time.sleep(pause_s)
                if closes_its_half:
                    line.shutdown(socket.SHUT_WR)
            line.settimeout(5.0 if wanted else QUIET_S)
            while more := line.recv(65536):
                heard += more
                line.settimeout(5.0 if len(statuses(heard)) < wanted else QUIET_S)
        return heard

    def open_sockets(self) -> int:
        return len(self.server.sockets(self.worker))

    def holds(self, line: socket.socket) -> bool:
        """Whether the worker has the other end of this connection open, whatever becomes of others meanwhile."""
        port = f":{line.getsockname()[1]:04X}"
        known = [row.split() for row in Path(f"/proc/{self.worker}/net/tcp").read_text().splitlines()[1:]]
        return any(f"socket:[{row[9]}]" in self.server.sockets(self.worker) for row in known if row[2].endswith(port))

    def memory_mb(self) -> float:
        pages = int(Path(f"/proc/{self.worker}/statm").read_text().split()[1])
        return pages * 4096 / 2**20

    def ask(self, times: int = 20) -> list[float]:
        """Innocent calls, each on a connection of its own: all are answered. Their seconds."""
        took: list[float] = []
        for _ in range(times):
            began = time.monotonic()
            answer = httpx.post(f"{self.url}/predict/late", content=BODY, timeout=IN_TIME_S)
            took.append(time.monotonic() - began)
            assert answer.status_code == 200, answer.text
            assert answer.json()["predictions"][0]["failure"] is None
        return took


@pytest.fixture(scope="module")
def target(new_project: Any) -> Iterator[Target]:
    project = new_project("hostile")
    project.publish(project.add_fitted())
    with project.serving(options=["--limits", json.dumps(list(LIMITS.values()))]) as server:
        yield Target(server)


def statuses(heard: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", heard) if code != b"100"]


class Attack:
    """Many connections that each say a first thing, then dribble a little every quarter of a second."""

    def __init__(self, target: Target, count: int, first: bytes, drop: bytes = b"") -> None:
        self._lines: list[socket.socket] = []
        for _ in range(count):
            line = target.connect()
            line.setblocking(False)
            with contextlib.suppress(OSError):
                line.send(first)
            self._lines.append(line)
        self._drop = drop
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._dribble, daemon=True)
        self._thread.start()

    def _dribble(self) -> None:
        while not self._is_over.wait(0.25):
            for line in self._lines if self._drop else ():
                with contextlib.suppress(OSError):
                    line.send(self._drop)

    def still_open(self) -> int:
        return sum(_is_open(line) for line in self._lines)

    def answers(self) -> set[int]:
        """What those that were closed had been told. Ends the attack."""
        self.end()
        told: set[int] = set()
        for line in self._lines:
            with contextlib.suppress(OSError):
                told |= set(statuses(line.recv(65536)))
            line.close()
        return told

    def end(self) -> None:
        self._is_over.set()
        self._thread.join()

    def __enter__(self) -> Attack:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        for line in self._lines:
            line.close()


def _is_open(line: socket.socket) -> bool:
    """As the kernel has it: a line that was closed over there may still hold what was said before."""
    return line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED


ATTACKS = [
    pytest.param(HEAD, b"X: y\r\n", {408, 503}, id="heads that never end"),
    pytest.param(HEAD + b"Content-Length: 100000\r\n\r\n{", b" ", {408, 503}, id="bodies that never end"),
    pytest.param(CHUNKED, b"1\r\n \r\n", {408, 503}, id="chunks that never end", marks=pytest.mark.slow),
    pytest.param(CHUNKED, b"1;", {400, 408, 503}, id="chunk extensions that never end", marks=pytest.mark.slow),
    pytest.param(b"", b"\r\n", {408, 503}, id="blank lines", marks=pytest.mark.slow),
    pytest.param(
        HEAD + b"Expect: 100-continue\r\nContent-Length: 9000\r\n\r\n",
        b" ",
        {408, 503},
        id="expecting",
        marks=pytest.mark.slow,
    ),
    pytest.param(b"", b"", set(), id="nothing at all", marks=pytest.mark.slow),
    pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"", {200}, id="one question, then nothing"),
    pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n", {200, 408}, id="one question, then blank lines"),
]


@pytest.mark.parametrize(("first", "drop", "told"), ATTACKS)
def test_five_hundred_slow_connections_stop_nobody_and_are_closed(target, until, first, drop, told):
    with Attack(target, 500, first, drop) as attack:
        took = target.ask()
        assert attack.still_open() <= LIMITS["connections"], "more than there may be"
        until(lambda: attack.still_open() == 0, "the slow ones to be closed", within_s=LIMITS["idle_s"] + 6)
        took += target.ask(5)
        assert attack.answers() <= told
    assert statistics.median(took) < IN_TIME_S / 4


def test_two_thousand_connections_leave_room_for_the_next(target):
    with Attack(target, 2000, b"") as attack:
        target.ask()
        assert attack.still_open() <= LIMITS["connections"]
    assert target.memory_mb() < 400


def test_a_caller_that_was_answered_is_not_closed_for_newcomers_that_ask_nothing(target):
    with httpx.Client(base_url=target.url, timeout=IN_TIME_S) as caller:
        assert caller.post("/predict/late", content=BODY).status_code == 200
        with Attack(target, 600, b"", b""), target.connect() as other:
            for _ in range(5):
                assert caller.post("/predict/late", content=BODY).status_code == 200
                time.sleep(0.2)
            other.sendall(GOOD)
            assert statuses(other.recv(65536)) == [200]
        # Without a connection of its own that lasted, httpx would have opened another: it has one, and it is the first.
        pool = caller._transport._pool  # type: ignore[attr-defined] # httpx keeps it to itself
        assert len(pool.connections) == 1


BOMBS = [
    pytest.param([b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 8_000_000], 431, id="a header of eight megabytes"),
    pytest.param([b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n"], 431, id="a header over the bound"),
    pytest.param([b"GET /healthz HTTP/1.1\r\n" + b"X: a\r\n" * 20_000 + b"\r\n"], 431, id="twenty thousand headers"),
    pytest.param([b"GET /healthz HTTP/1.1\r\n" + b"X: a\r\n" * 101 + b"\r\n"], 431, id="a header too many"),
    pytest.param([b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n\r\n"], 431, id="a line of a megabyte"),
    pytest.param(
        [b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 30_000, b"a" * 3_000 + b"\r\n\r\n"], 431, id="in two pieces"
    ),
    pytest.param([b"G" * 100_000], 400, id="a method without end"),
]


@pytest.mark.parametrize(("parts", "status"), BOMBS)
def test_a_head_without_measure_is_refused(target, parts, status):
    before = target.memory_mb()
    with ThreadPoolExecutor(8) as crowd:
        heard = list(crowd.map(lambda _: target.say(*parts), range(24)))
    told = {code for one in heard for code in statuses(one)}
    assert told <= {status}, told
    assert told, "some of the senders hear why"
    assert target.memory_mb() < before + 60
    target.ask(3)


def test_a_header_that_never_ends_takes_no_memory(target):
    before = target.memory_mb()
    with target.connect() as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            line.sendall(b"a" * 100_000_000)
    assert target.memory_mb() < before + 20


LENGTHS = [
    pytest.param(b"Content-Length: -1", 400, id="negative"),
    pytest.param(b"Content-Length: many", 400, id="text"),
    pytest.param(b"Content-Length: +5", 400, id="with a sign"),
    pytest.param(b"Content-Length: 0x40", 400, id="hexadecimal"),
    pytest.param(b"Content-Length: 99999999999999999999999", 400, id="beyond any number"),
    pytest.param(b"Content-Length: 9000000000000000000", 413, id="huge"),
    pytest.param(b"Content-Length: " + b"0" * 5000 + b"%d" % len(BODY), 400, id="of five thousand digits"),
    pytest.param(b"Content-Length: 64\r\nContent-Length: 64", 400, id="twice"),
    pytest.param(b"Content-Length: 64\r\nContent-Length: 3", 400, id="two of them"),
    pytest.param(b"Content-Length: 64, 64", 400, id="a list"),
    pytest.param(b"Content-Length: 64\r\nTransfer-Encoding: chunked", 400, id="and chunked"),
    pytest.param(b"Transfer-Encoding: gzip", 400, id="a coding that is none"),
    pytest.param(b"Transfer-Encoding: chunked, gzip", 400, id="chunked not last"),
    pytest.param(b"Transfer-Encoding: xchunked", 400, id="nearly chunked"),
]


@pytest.mark.parametrize(("header", "status"), LENGTHS)
def test_a_length_that_cannot_be_is_refused(target, header, status):
    assert statuses(target.say(HEAD + header + b"\r\n\r\n" + BODY)) == [status]


def in_chunks(*chunks: bytes, after: bytes = b"0\r\n\r\n") -> bytes:
    return CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + after


def of_types(*types: bytes) -> bytes:
    """A good request that says more than once what it holds: the first counts."""
    told = b"".join(b"Content-Type: %b\r\n" % kind for kind in types)
    return HEAD + told + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


ODD = [
    pytest.param(in_chunks(BODY), [200], id="chunked"),
    pytest.param(in_chunks(*(BODY[place : place + 1] for place in range(len(BODY)))), [200], id="a byte a chunk"),
    pytest.param(
        CHUNKED + b"%x;" % len(BODY) + b"x" * 100_000 + b"\r\n" + BODY + b"\r\n0\r\n\r\n", [200], id="extension"
    ),
    pytest.param(CHUNKED + b"1;" + b"x" * 25_000_000, [413], id="an extension of 25 megabytes"),
    pytest.param(CHUNKED + b"fffffffffffffffff\r\n" + BODY, [400], id="a chunk without end"),
    pytest.param(CHUNKED + b"zz\r\n" + BODY, [400], id="no chunk"),
    pytest.param(in_chunks(BODY, after=b"0\r\nAuthorization: Bearer x\r\n\r\n"), [200], id="a trailer"),
    pytest.param(HEAD + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", [], id="expects, and sends nothing"),
    pytest.param(b"GET /models/%zz%e HTTP/1.1\r\nHost: x\r\n\r\n", [404], id="bad percent"),
    pytest.param(b"GET /models/%00 HTTP/1.1\r\nHost: x\r\n\r\n", [404], id="a null byte, escaped"),
    pytest.param(b"GET /models/%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n", [404], id="no UTF-8, escaped"),
    pytest.param(b"GET /models/%2e%2e%2f%2e%2e HTTP/1.1\r\nHost: x\r\n\r\n", [404], id="upwards"),
    pytest.param(b"GET /models/\x00 HTTP/1.1\r\nHost: x\r\n\r\n", [400], id="a null byte"),
    pytest.param(b"GET /models/\xff HTTP/1.1\r\nHost: x\r\n\r\n", [400], id="no UTF-8"),
    pytest.param("GET /models/é HTTP/1.1\r\nHost: x\r\n\r\n".encode(), [400], id="UTF-8 as it is"),
    pytest.param(b"GET /healthz HTTP/1.1\r\nX: a\x00b\r\n\r\n", [400], id="a null byte in a header"),
    pytest.param(b"GET /healthz HTTP/1.1\r\nX: a\r\n b\r\n\r\n", [400], id="a folded header"),
    pytest.param(b"GET /healthz HTTP/1.1\r\nX : a\r\n\r\n", [400], id="a space before the colon"),
    pytest.param(b"GET /healthz HTTP/1.1\nHost: x\n\n", [400], id="bare line feeds"),
    pytest.param(b"GET /healthz HTTP/3.7\r\n\r\n", [400], id="a version of no time"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500, [400], id="TLS"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400], id="HTTP/2"),
    pytest.param(b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n", [400], id="CONNECT"),
    pytest.param(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", [404], id="a star"),
    pytest.param(b"FOO /healthz HTTP/1.1\r\nHost: x\r\n\r\n", [400], id="a method of no list"),
    pytest.param(HEAD + b"Content-Type: \xff\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY, [200], id="odd type"),
    pytest.param(of_types(b"application/json; charset=utf-16", b"application/json"), [415], id="two types, a bad one"),
    pytest.param(of_types(b"application/json", b"application/json; charset=utf-16"), [200], id="two types, a good one"),
    pytest.param(GOOD + b"\r\n\r\n" + GOOD, [200, 200], id="blank lines between"),
    pytest.param(GOOD * 50, [200] * 50, id="fifty asked ahead"),
    pytest.param(GOOD + b"\x00garbage\r\n\r\n", [200], id="a good one, then garbage"),
    pytest.param(GOOD[:-5], [], id="cut within the body"),
]


@pytest.mark.parametrize(("sent", "told"), ODD)
def test_odd_requests_are_answered_or_refused_and_never_fail_us(target, sent, told):
    assert statuses(target.say(sent, wanted=len(told))) == told


@pytest.mark.parametrize("sent", [GOOD, in_chunks(BODY), GOOD + GOOD], ids=["whole", "chunked", "two"])
def test_a_request_cut_anywhere_is_understood_as_when_it_is_whole(target, sent):
    answers = sent.count(b"POST")
    cuts = [(sent[:place], sent[place:], b"") for place in range(1, len(sent), 7)]
    with ThreadPoolExecutor(16) as crowd:
        heard = list(crowd.map(lambda cut: target.say(*cut, wanted=answers, pause_s=0.01), cuts))
    assert [statuses(one) for one in heard] == [[200] * answers] * len(cuts)


def test_a_connection_goes_on_after_a_body_that_was_too_large(target):
    """What is left of the body belongs to no head after it."""
    large = HEAD + b"Content-Length: %d\r\n\r\n" % (11 * 2**20) + b" " * (11 * 2**20)
    assert statuses(target.say(large + GOOD, wanted=2)) == [413, 200]
    assert statuses(target.say(large, GOOD[:50], GOOD[50:], wanted=2, pause_s=0.05)) == [413, 200]
    loose = GOOD.replace(b"Length: %d" % len(BODY), b"Length: %d" % (len(BODY) + 300_000)) + b" " * 300_000
    assert statuses(target.say(loose + GOOD[:50], GOOD[50:], wanted=2, pause_s=0.05)) == [200, 200]
    assert statuses(target.say(loose * 5 + GOOD, wanted=6)) == [200] * 6


def test_a_caller_that_closes_its_half_is_answered(target):
    assert statuses(target.say(GOOD, closes_its_half=True)) == [200]
    assert statuses(target.say(GOOD[:-5], closes_its_half=True)) == []


@pytest.mark.parametrize("offer", [b"h2c", b"websocket", b"nonsense"])
def test_an_offer_of_another_protocol_is_passed_over_and_the_body_is_read(target, offer):
    """As Java's own client asks: each of its first requests offers HTTP/2."""
    headers = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\nHTTP2-Settings: AAMAAABkAAQ\r\n" % offer
    asked = HEAD + headers + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    assert statuses(target.say(asked)) == [200]
    assert statuses(target.say(asked * 3, wanted=3)) == [200, 200, 200]
    assert statuses(target.say(asked[:60], asked[60:-9], asked[-9:], pause_s=0.01)) == [200]


def test_requests_sent_ahead_without_end_take_no_memory(target):
    before = target.memory_mb()
    with target.connect() as line, contextlib.suppress(OSError):
        line.settimeout(0.2)
        give_up = time.monotonic() + 3
        while time.monotonic() < give_up:
            with contextlib.suppress(TimeoutError):
                line.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2000)
    assert target.memory_mb() < before + 30
    target.ask(3)


def test_a_caller_that_never_reads_is_let_go(target, until):
    """Answers of megabytes, asked for and left where they are."""
    rows = b"\n".join([json.dumps(ROW).encode()] * 30_000)
    asked = HEAD + b"Content-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n" % len(rows) + rows
    with target.connect(20) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(asked)
        until(lambda: target.holds(line), "the worker to have it")
        until(lambda: not target.holds(line), "the connection to be cut", within_s=LIMITS["body_s"] + 20)
    target.ask(3)


def test_bodies_in_the_making_do_not_take_the_places_of_calls(target):
    """More slow bodies than there may be calls in hand: they wait before the door, not in it."""
    with Attack(target, 300, HEAD + b"Content-Length: 100000\r\n\r\n{", b" "):
        target.ask(10)
