"""The load of a drill: calls of its own on connections that are known by their worker, and when each worker followed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple, Self

import msgspec

from lockgate.errors import LockgateError, SpecError, StoreError

CONNECTIONS = 2  # to each worker
PACE_S = 0.005  # between two calls of one connection: finer than anything measured, and no burden
FIND_S = 60.0
TIMEOUT_S = 10.0


class Address(NamedTuple):
    """Where the workers listen, and the header that opens their door."""

    host: str
    port: int
    headers: Mapping[str, str]


class Ready(msgspec.Struct):
    """What a worker says of itself."""

    pid: int
    loaded: list[str] = []
    drills: dict[str, int] = {}
    problems: dict[str, str] = {}


class _Told(msgspec.Struct):
    version: str
    served_by: str


class _Answer(msgspec.Struct):
    predictions: list[_Told]


_ready = msgspec.json.Decoder(Ready)
_answer = msgspec.json.Decoder(_Answer)


class Line:
    """One kept connection, and the worker at its other end."""

    def __init__(self, address: Address) -> None:
        self._headers = {"Content-Type": "application/json", **address.headers}
        self._connection = HTTPConnection(address.host, address.port, timeout=TIMEOUT_S)
        try:
            self.worker = self.ready()
        except BaseException:
            self.close()
            raise

    def ready(self) -> Ready:
        """Raises StoreError where nobody answers, SpecError where the door is shut."""
        try:
            _, body = self._ask("GET", "/readyz")
            return _ready.decode(body)
        except (OSError, HTTPException) as error:
            raise StoreError(f"The server does not answer: {error!r}.", cure="Is it running? lockgate serve") from error
        except msgspec.MsgspecError as error:
            raise SpecError(
                "The server does not say which of its workers answers: it wants a token.",
                cure="Set LOCKGATE_TOKEN or LOCKGATE_TOKEN_FILE as for any caller.",
            ) from error

    def predict(self, path: str, body: bytes) -> tuple[int, bytes]:
        return self._ask("POST", path, body)

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


def lines(address: Address, pids: Callable[[], Sequence[int]], each: int = CONNECTIONS) -> dict[int, list[Line]]:
    """`each` connections to every worker, by its pid. The kernel gives a connection to whoever takes it first, so they are
    opened until every worker has taken enough. pids: those that there are now. Raises StoreError where one takes none.
    """
    found: dict[int, list[Line]] = {}
    give_up, wanted = time.monotonic() + FIND_S, set(pids())
    try:
        while any(len(found.get(pid, ())) < each for pid in wanted):
            if time.monotonic() > give_up:
                silent = ", ".join(str(pid) for pid in sorted(wanted) if len(found.get(pid, ())) < each)
                raise StoreError(f"No connection reaches the workers {silent}.", cure="See `lockgate status`.")
            line, wanted = _opened(address, give_up), set(pids())
            own = found.setdefault(line.worker.pid, [])
            if len(own) < each and line.worker.pid in wanted:
                own.append(line)
            else:
                line.close()
                time.sleep(PACE_S)
    except BaseException:
        close(found)
        raise
    return {pid: own for pid, own in found.items() if pid in wanted}


def _opened(address: Address, give_up: float) -> Line:
    """A worker that has just been started may not answer yet."""
    while True:
        try:
            return Line(address)
        except StoreError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)


def close(found: Mapping[int, Sequence[Line]]) -> None:
    for own in found.values():
        for line in own:
            line.close()


class Load:
    """Calls of `path`, one after another on every line, for as long as it is entered. rows: as JSON, gone round in order;
    versions: those that may answer; word: in the ids of the requests. `move` waits for the workers.
    """

    def __init__(
        self, path: str, found: Mapping[int, Sequence[Line]], rows: Sequence[bytes], versions: Sequence[str], word: str
    ) -> None:
        self._path = path
        self._rows, self._versions, self._word = rows, frozenset(versions), word
        self._threads = [
            threading.Thread(target=self._call, args=(pid, line, f"{pid}.{place}"), name="drill", daemon=True)
            for pid, own in found.items()
            for place, line in enumerate(own)
        ]
        self._workers = frozenset(found)
        self._stop = threading.Event()
        self._news = threading.Condition()
        self._target = ""
        self._followed: dict[int, float] = {}
        self.calls = self.refused = self.cut = self.astray = self.fell_back = 0
        self.first: str | None = None  # what the first refusal or cut said

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S + 1)

    @property
    def is_broken(self) -> bool:
        return bool(self.refused or self.cut or self.astray)

    def move(self, target: str, publish: Callable[[], None], within_s: float) -> float | None:
        """Seconds from handing over the routing until the last worker answered by it, None where one did not in time."""
        with self._news:
            self._target, self._followed = target, {}
        began = time.monotonic()
        publish()
        with self._news:
            done = self._news.wait_for(lambda: self._followed.keys() == self._workers or self.cut > 0, within_s)
            if not done or self._followed.keys() != self._workers:
                return None
            return max(self._followed.values()) - began

    def _call(self, pid: int, line: Line, name: str) -> None:
        number = 0
        while not self._stop.is_set():
            asked = time.monotonic()
            row = self._rows[number % len(self._rows)]
            body = b'{"rows":[' + row + b'],"id":"' + f'{self._word}-{name}-{number}"}}'.encode()
            number += 1
            try:
                status, told = line.predict(self._path, body)
            except (OSError, HTTPException) as error:
                self._cut(f"{error!r}")
                return
            self._count(pid, status, told, asked)
            self._stop.wait(max(0.0, PACE_S - (time.monotonic() - asked)))

    def _cut(self, why: str) -> None:
        with self._news:
            self.calls, self.cut, self.first = self.calls + 1, self.cut + 1, self.first or why
            self._news.notify_all()

    def _count(self, pid: int, status: int, body: bytes, asked: float) -> None:
        came = time.monotonic()
        with self._news:
            self.calls += 1
            if status != 200:
                self.refused, self.first = (
                    self.refused + 1,
                    self.first or f"{status} {body[:200].decode(errors='replace')}",
                )
                return
            told = _answer.decode(body).predictions[0]
            self.fell_back += told.served_by != told.version
            followed = self._followed.get(pid)
            if told.version == self._target:
                if followed is None:
                    self._followed[pid] = came
                    self._news.notify_all()
            # What was asked before its worker followed may be answered by the routing before.
            elif told.version not in self._versions or (followed is not None and asked > followed):
                self.astray += 1


def unusable(found: Mapping[int, Sequence[Line]], versions: Sequence[str]) -> str | None:
    """Why the drill would measure the loading of a version; None where every worker holds them all."""
    for pid, own in found.items():
        try:
            told = own[0].ready()
        except LockgateError as error:
            return error.message
        for version in versions:
            if version not in told.loaded or version in told.problems:
                why = told.problems.get(version)
                said = f"Version {version[:6]} is not loaded at the worker {pid}"
                return f"{said}: {why}" if why else f"{said}, so the way back would wait for it."
    return None
