"""A Python client, sync and async, that may ask again: every request carries an id, and an id counts once.

It needs httpx, and nothing of the server. It lives in the server's room because the two speak one protocol.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote

import httpx
import msgspec

from lockgate.errors import Conflict, ContractError, LockgateError, NotFound, SpecError, StoreError
from lockgate.server import tokens

TIMEOUT_S = 10.0
PATIENCE_S = 30.0
FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 2.0
AGAIN = frozenset({429, 502, 503, 504})  # whoever said this did not answer the call


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One prediction as the server tells it. served_by: who answered in the end; failure: why the assigned version did
    not, None where it did; flags: what the row broke of the contract without being refused.
    """

    id: str
    value: float
    version: str
    arm: str
    served_by: str
    failure: str | None = None
    flags: tuple[str, ...] = ()


class _Answers(msgspec.Struct):
    predictions: list[Answer]


class _Accepted(msgspec.Struct):
    accepted: int


class Taken(msgspec.Struct, frozen=True):
    """What became of events. known_before: how many were there already, with the same content."""

    kept: int
    known_before: int


class _Call(NamedTuple):
    path: str
    body: bytes


@dataclass
class _Tries:
    """The tries of one call: whether to ask again, and when. It sends nothing and sleeps nowhere itself."""

    give_up_at: float
    times: int = 0

    def wait_s(self, came: httpx.Response | httpx.TransportError) -> float | None:
        """Seconds until the next try, None where what came is final. Full jitter, so that clients that were cut off
        together do not come back together; a Retry-After is waited for in full.

        Raises StoreError where the next try would come after patience has ended.
        """
        if isinstance(came, httpx.Response) and came.status_code not in AGAIN:
            return None
        longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**self.times)
        wait = max(random.uniform(0, longest), _asked_wait_s(came))
        self.times += 1
        if time.monotonic() + wait > self.give_up_at:
            said = f"status {came.status_code}" if isinstance(came, httpx.Response) else repr(came)
            raise StoreError(
                f"The server did not answer in time, tried {self.times} times; the last was {said}.",
                cure="Is it running? Ask again under the same id: what was answered meanwhile counts once.",
            )
        return wait


class _Shared:
    """What both clients do alike: the words of a call, and the meaning of an answer."""

    def __init__(self, url: str, *, patience_s: float, token: str | None) -> None:
        if not url.startswith(("http://", "https://")):
            raise SpecError(f"{url!r} is no address of a server.", cure="Give one like http://localhost:8080.")
        self._url = url.rstrip("/")
        self._patience_s = patience_s
        shown = tokens.first(os.environ) if token is None else tokens.checked(token, "The token")
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {shown}"} if shown else {})

    def _tries(self) -> _Tries:
        return _Tries(time.monotonic() + self._patience_s)


class Client(_Shared):
    """Asks a server. Safe to use from many threads; connections are kept open between calls.

    timeout_s: of one try; patience_s: of all tries of a call together. token: where the server wants one; left out, what
    LOCKGATE_TOKEN or the file of LOCKGATE_TOKEN_FILE says. transport: httpx's, where another than the network is wanted.
    Raises ContractError naming the column, NotFound, Conflict, and StoreError where no answer came in time.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        patience_s: float = PATIENCE_S,
        token: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(url, patience_s=patience_s, token=token)
        self._http = httpx.Client(base_url=self._url, headers=self._headers, timeout=timeout_s, transport=transport)

    def predict(
        self, model: str, rows: Iterable[Mapping[str, object]], unit: str | None = None, *, request: str | None = None
    ) -> list[Answer]:
        """A prediction for every row, in order. request: its id, made up where left out; the answers' are `<id>-0`, ..."""
        return _answers(self._send(_predict(model, rows, unit, request)))

    def outcomes(self, model: str, told: Iterable[Mapping[str, object]]) -> int:
        """Keep what turned out to be true: `{"id": "r1-0", "value": 1, "at": ...}`; how many were kept."""
        return _accepted(self._send(_outcomes(model, told)))

    def events(self, source: str, events: Iterable[Mapping[str, object]]) -> Taken:
        """Keep events of a source, each once: what is sent again is counted, so that asking again does no harm."""
        return _taken(self._send(_events(source, events)))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _send(self, call: _Call) -> httpx.Response:
        tries = self._tries()
        while True:
            came = self._once(call)
            wait = tries.wait_s(came)
            if wait is None and isinstance(came, httpx.Response):
                return came
            time.sleep(wait or 0.0)

    def _once(self, call: _Call) -> httpx.Response | httpx.TransportError:
        try:
            return self._http.post(call.path, content=call.body)
        except httpx.TransportError as error:
            return error


class AsyncClient(_Shared):
    """`Client`, for asyncio: the same words, awaited."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        patience_s: float = PATIENCE_S,
        token: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(url, patience_s=patience_s, token=token)
        self._http = httpx.AsyncClient(
            base_url=self._url, headers=self._headers, timeout=timeout_s, transport=transport
        )

    async def predict(
        self, model: str, rows: Iterable[Mapping[str, object]], unit: str | None = None, *, request: str | None = None
    ) -> list[Answer]:
        """A prediction for every row, in order. request: its id, made up where left out."""
        return _answers(await self._send(_predict(model, rows, unit, request)))

    async def outcomes(self, model: str, told: Iterable[Mapping[str, object]]) -> int:
        """Keep what turned out to be true; how many were kept."""
        return _accepted(await self._send(_outcomes(model, told)))

    async def events(self, source: str, events: Iterable[Mapping[str, object]]) -> Taken:
        """Keep events of a source, each once."""
        return _taken(await self._send(_events(source, events)))

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def _send(self, call: _Call) -> httpx.Response:
        tries = self._tries()
        while True:
            came = await self._once(call)
            wait = tries.wait_s(came)
            if wait is None and isinstance(came, httpx.Response):
                return came
            await asyncio.sleep(wait or 0.0)

    async def _once(self, call: _Call) -> httpx.Response | httpx.TransportError:
        try:
            return await self._http.post(call.path, content=call.body)
        except httpx.TransportError as error:
            return error


def _predict(model: str, rows: Iterable[Mapping[str, object]], unit: str | None, request: str | None) -> _Call:
    """The id is made here, once for all tries: a retry that finds the first one answered gets the same predictions."""
    body = {"rows": [dict(row) for row in rows], "unit": unit, "id": request or secrets.token_hex(8)}
    return _Call(f"/predict/{quote(model, safe='')}", _encoded(body))


def _outcomes(model: str, told: Iterable[Mapping[str, object]]) -> _Call:
    return _Call(f"/outcomes/{quote(model, safe='')}", _encoded({"outcomes": [dict(one) for one in told]}))


def _events(source: str, events: Iterable[Mapping[str, object]]) -> _Call:
    return _Call(f"/events/{quote(source, safe='')}", _encoded({"events": [dict(one) for one in events]}))


def _encoded(body: object) -> bytes:
    try:
        return msgspec.json.encode(body, enc_hook=_plain)
    except (TypeError, UnicodeEncodeError) as error:
        raise ContractError(f"A row holds what JSON cannot: {error}.") from error


def _plain(value: Any) -> Any:
    """A number of numpy's or pandas' as Python's own, without importing either."""
    if callable(getattr(value, "item", None)):
        return value.item()
    raise TypeError(f"a value of type {type(value).__name__}")


def _answers(response: httpx.Response) -> list[Answer]:
    return msgspec.json.decode(_right(response), type=_Answers).predictions


def _accepted(response: httpx.Response) -> int:
    return msgspec.json.decode(_right(response), type=_Accepted).accepted


def _taken(response: httpx.Response) -> Taken:
    return msgspec.json.decode(_right(response), type=Taken)


def _right(response: httpx.Response) -> bytes:
    """The body of an answer that is one. Raises what the server says, as the error it was there."""
    if response.status_code == 200:
        return response.content
    try:
        error: Any = response.json()["error"]
        code, message, column = error["code"], error["message"], error.get("column")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StoreError(f"Status {response.status_code}, which is not Lockgate's own: {response.text[:200]}") from None
    raise _error(code, message, column)


def _error(code: str, message: str, column: str | None) -> LockgateError:
    if code in ("contract", "malformed", "too_large", "leak"):
        return ContractError(message, column=column)
    kinds: dict[str, type[LockgateError]] = {"not_found": NotFound, "conflict": Conflict, "spec": SpecError}
    if code in ("unauthorized", "foreign"):
        return SpecError(message, cure="Give it to the client: token=..., or LOCKGATE_TOKEN.")
    return kinds.get(code, StoreError)(message)


def _asked_wait_s(came: httpx.Response | httpx.TransportError) -> float:
    """What Retry-After asks for, in seconds; it may be a number or a date. 0 where it says nothing that can be read."""
    said = came.headers.get("retry-after", "") if isinstance(came, httpx.Response) else ""
    try:
        return max(0.0, float(said)) if said.isdecimal() else _until_s(said)
    except (ValueError, TypeError):
        return 0.0


def _until_s(said: str) -> float:
    asked = parsedate_to_datetime(said)
    return max(0.0, (asked - datetime.now(UTC)).total_seconds())
