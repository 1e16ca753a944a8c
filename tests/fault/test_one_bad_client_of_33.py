"""Thirty-two good clients and a bad one on the same worker: no innocent call fails, waits long or is answered wrongly."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import httpx
import numpy as np

GOOD_CLIENTS, ROWS = 32, 25
ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}
LONGEST_S = 5.0

BAD_BODIES = [
    b"{",
    b"[]",
    b"",
    b'{"rows": []}',
    b'{"rows": [{}]}',
    json.dumps({"rows": [{name: value for name, value in ROW.items() if name != "wait"}]}).encode(),
    json.dumps({"rows": [ROW | {"nosuch": 1}]}).encode(),
    json.dumps({"rows": [ROW | {"wait": "3.5"}]}).encode(),
    json.dumps({"rows": [ROW | {"wait": None}]}).encode(),
    json.dumps({"rows": [ROW | {"wait": float("nan")}]}).encode(),
    json.dumps({"rows": [ROW | {"wait": float("inf")}]}).encode(),
    json.dumps({"rows": [ROW]}).replace("3.5", "1e400").encode(),
    json.dumps({"rows": [ROW | {"carrier": 7}]}).encode(),
    json.dumps({"rows": [ROW | {"seats": 501}]}).encode(),
    json.dumps({"rows": [ROW] * 50 + [ROW | {"seats": "many"}]}).encode(),
    b'{"rows": ' + b"[" * 100_000,
    b" " * (10 * 2**20 + 1),
    b"\xff\xfe{}",
]
BAD_LINES = [
    b"POST /predict/late HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /predict/late HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\n" + b"X: a\r\n" * 5_000 + b"\r\n",
    b"\x16\x03\x01" + b"\x00" * 300,
    b"GET /models/\x00 HTTP/1.1\r\n\r\n",
]
PATHS = ("/predict/late", "/v2/models/late/infer", "/invocations", "/outcomes/late", "/predict/nosuch")
KINDS = ("application/json", "text/csv", "application/x-ndjson", "nonsense")


def tensor(name: str, value: Any) -> dict[str, Any]:
    kind = {"wait": "FP64", "seats": "INT64"}.get(name, "BYTES")
    return {"name": name, "datatype": kind, "shape": [1], "data": [value]}


def asked(wait: float, protocol: int) -> tuple[str, Any]:
    row = ROW | {"wait": wait}
    return (
        ("/predict/late", {"rows": [row]}),
        ("/v2/models/late/infer", {"inputs": [tensor(*item) for item in row.items()]}),
        ("/invocations", {"dataframe_records": [row]}),
    )[protocol]


def value(told: Any) -> float:
    if "outputs" in told:
        return next(output["data"][0] for output in told["outputs"] if output["name"] == "value")
    (prediction,) = told["predictions"]
    return prediction["value"] if isinstance(prediction, dict) else prediction


class GoodClient(threading.Thread):
    """Asks for rows of its own, in a protocol of its own, while the bad one is at it: seconds, status, value of each."""

    def __init__(self, url: str, number: int, begin: threading.Barrier, is_over: threading.Event) -> None:
        super().__init__(name=f"good {number}", daemon=True)
        self._url, self._protocol, self._begin = url, number % 3, begin
        self._is_over = is_over
        self.waits = np.linspace(0.1, 9.9, ROWS) + number / 1000
        self.came: list[tuple[float, int, float]] = []
        self.failed: list[str] = []

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=LONGEST_S) as client:
            self._begin.wait(20)
            for wait in itertools.cycle(self.waits):
                if self._is_over.is_set():
                    break
                path, body = asked(float(wait), self._protocol)
                began = time.monotonic()
                try:
                    answer = client.post(path, json=body)
                    self.came.append((time.monotonic() - began, answer.status_code, value(answer.json())))
                except Exception as error:  # noqa: BLE001 - whatever it is, an innocent call met it
                    self.failed.append(repr(error))


class BadClient(threading.Thread):
    """Sends everything that is wrong, by several paths, and is over."""

    def __init__(self, url: str, begin: threading.Barrier) -> None:
        super().__init__(name="bad", daemon=True)
        self._url, self._begin = url, begin
        self.is_over = threading.Event()
        self.told: Counter[int] = Counter()

    def run(self) -> None:
        port = int(self._url.rpartition(":")[2])
        left: list[socket.socket] = []
        self._begin.wait(20)
        with httpx.Client(base_url=self._url, timeout=30) as client:
            for number, body in enumerate(BAD_BODIES * 3):
                path, kind = PATHS[number % len(PATHS)], KINDS[number % len(KINDS)]
                with suppress(httpx.TransportError):
                    self.told[client.post(path, content=body, headers={"Content-Type": kind}).status_code] += 1
                line = socket.create_connection(("127.0.0.1", port), timeout=5)
                left.append(line)
                with suppress(OSError):
                    line.sendall(BAD_LINES[len(left) % len(BAD_LINES)])
        for line in left:
            line.close()
        self.is_over.set()


def test_one_bad_client_among_33_fails_no_innocent_call(served):
    _, server = served
    begin = threading.Barrier(GOOD_CLIENTS + 1)
    bad = BadClient(server.url, begin)
    good = [GoodClient(server.url, number, begin, bad.is_over) for number in range(GOOD_CLIENTS)]
    for client in (bad, *good):
        client.start()
    for client in (bad, *good):
        client.join(120)
        assert not client.is_alive()
    assert [failure for client in good for failure in client.failed] == []
    assert {status for client in good for _, status, _ in client.came} == {200}
    assert min(len(client.came) for client in good) > 5
    assert max(seconds for client in good for seconds, _, _ in client.came) < LONGEST_S
    assert sum(bad.told.values()) >= len(BAD_BODIES) * 3 - 6, "of the largest it may not have heard"
    assert not any(status >= 500 for status in bad.told), bad.told
    # Each has the value of its own row, and not of a neighbour's.
    for client in good[:6]:
        rows = [ROW | {"wait": float(wait)} for wait in client.waits]
        alone = [prediction["value"] for prediction in server.predict(*rows).json()["predictions"]]
        came = [value for _, _, value in client.came]
        np.testing.assert_allclose(came, np.resize(alone, len(came)), atol=1e-6)
