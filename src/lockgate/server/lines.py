"""Many rows as NDJSON: one row a line in, one answer a line out, and a bad row spoils its own line alone.

The body is whole before the first line is answered: a client that writes all before it reads would otherwise wait for us
while we wait for it. Stretches of it are answered in turn, so that the first answers leave while the last rows wait.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from lockgate.errors import ContractError
from lockgate.features.request import LONGEST_NAME, Rows, too_long
from lockgate.records import Prediction
from lockgate.server import body, tracing
from lockgate.server.calls import Answered, Calls, answered_by, read_by_callers, told
from lockgate.server.statuses import Refused, Told, native
from lockgate.workspace.dataplane import Served

MEDIA_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
MOST_ROWS = 100_000
STRETCH = 256  # rows that are answered together: one call of the model, one write to the log
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Line(NamedTuple):
    """One row as it came: its number in the body, from 0, and its text."""

    number: int
    text: bytes


class Lines:
    """`/predict/{model}` for NDJSON. The request's unit and id stand in the query: `?unit=u1&id=r1`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def predict(self, served: Served, request: Request) -> Response:
        unit, name = _asked(request)
        sent = await body.read(request)
        rows = await self._calls.run(lambda: _split(sent))
        lines = self._answers(served, rows, unit, name or secrets.token_hex(8))
        return StreamingResponse(lines, media_type=MEDIA_TYPES[0])

    async def _answers(
        self, served: Served, rows: Sequence[Line], unit: str | None, name: str
    ) -> AsyncGenerator[bytes]:
        with self._calls.in_hand():  # the handler has returned by now, and the call is still in hand
            for start in range(0, len(rows), STRETCH):
                stretch = rows[start : start + STRETCH]
                served = self._calls.plane.model(served.routing.model)  # a body of many rows outlives a move
                written, answered, bad = await self._calls.run(partial(_stretch, served, stretch, unit, name))
                for why in bad:
                    self._calls.refused(why, served.routing.model)
                if answered is not None:
                    tracing.answered(answered.predictions)
                yield written
                if answered is not None and served.routing.shadow:
                    await self._calls.shadow_later(served, answered)


def _split(sent: bytes) -> list[Line]:
    rows: list[Line] = []
    for number, text in enumerate(io.BytesIO(sent)):
        if text.strip():
            rows.append(Line(number, text))
        if len(rows) > MOST_ROWS:
            raise Refused("too_large", f"A request may hold {MOST_ROWS} rows; send the others in another.")
    if not rows:
        raise ContractError("The request holds no rows.", cure="Send one row as a JSON object on each line.")
    return rows


def _stretch(
    served: Served, rows: Sequence[Line], unit: str | None, name: str
) -> tuple[bytes, Answered | None, list[Told]]:
    """The answers' lines, in order, and what was refused. Where the rows cannot be read together, each is read alone, so
    that the bad ones show and the others are answered all the same.
    """
    good, bad = list(rows), dict[int, Told]()
    read: Rows | None
    try:
        read = _read(served, good, unit=unit, name=name)
    except Exception:  # noqa: BLE001 - the rows it belongs to will say it again
        bad = _bad(served, rows)
        good = [row for row in rows if row.number not in bad]
        read = _read(served, good, unit=unit, name=name) if good else None
    answered: Answered | None = None
    if read is not None:
        held, places = read, [row.number for row in good]
        try:
            answered = answered_by(served, lambda _: held, part=f"/{places[0]}", places=places)
        except Exception as error:  # noqa: BLE001 - an answer is under way: it is said on the rows' own lines
            bad |= dict.fromkeys(places, told(error))
    predictions = iter(answered.predictions if answered else ())
    lines = [_wrong(row.number, bad[row.number]) if row.number in bad else _right(next(predictions)) for row in rows]
    return b"".join(lines), answered, list(bad.values())


def _bad(served: Served, rows: Sequence[Line]) -> dict[int, Told]:
    """The rows that cannot be read, by number."""
    bad: dict[int, Told] = {}
    for row in rows:
        try:
            _read(served, [row])
        except Exception as error:  # noqa: BLE001 - as in `Calls.guarded`
            bad[row.number] = told(error)
    return bad


def _read(served: Served, rows: Sequence[Line], *, unit: str | None = None, name: str | None = None) -> Rows:
    try:
        return served.request.hold([_object(row.text, served) for row in rows], unit=unit, request=name)
    except OverflowError as error:
        raise ContractError(f"A number is out of range: {error}.") from error


def _object(text: bytes, served: Served) -> Any:
    try:
        return _decode(text)
    except msgspec.ValidationError:  # a number beyond any type: the contract's own decoder names its column
        served.request.decode(b'{"rows":[' + text + b"]}")
        raise


def _right(prediction: Prediction) -> bytes:
    return _encode(read_by_callers(prediction)) + b"\n"


def _wrong(number: int, why: Told) -> bytes:
    return _encode({"line": number} | native(why)) + b"\n"


def _asked(request: Request) -> tuple[str | None, str | None]:
    unknown = sorted(set(request.query_params) - {"unit", "id"})
    if unknown:
        raise Refused("malformed", f"The query takes unit and id, not {unknown[0]}.")
    unit, name = request.query_params.get("unit") or None, request.query_params.get("id") or None
    for field, value in (("unit", unit), ("id", name)):
        if value is not None and len(value) > LONGEST_NAME:
            raise too_long(field)
    return unit, name
