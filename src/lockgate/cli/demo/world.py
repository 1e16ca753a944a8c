"""The world outside the workspace: flights that are asked about, land, and are told; over HTTP and in batches."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import polars as pl

from lockgate.workspace.workspace import Workspace

MODEL = "late_arrival"
KNOWN_LATER = ("landed_at", "late", "dep_delay")
CALLERS = 4
EVENTS_AT_ONCE = 1000


def at(month: int, day: int, hour: int = 0) -> datetime:
    return datetime(2013, month, day, hour, tzinfo=UTC)


class World:
    """The year's calls and events in time order, and which events and outcomes have been told."""

    def __init__(self, calls: pl.DataFrame, events: dict[str, pl.DataFrame]) -> None:
        """events: by source, each in the order of its clock."""
        self.calls = calls
        self.events = events
        self.now = at(4, 1)
        self._sent = dict.fromkeys(events, 0)
        self._ids: dict[str, str] = {}
        self._untold = (
            calls.select("flight_id", "asked_at", "landed_at", "late")
            .filter(pl.col("late").is_not_null() & (pl.col("asked_at") >= self.now))
            .sort("landed_at")
        )

    def known(self) -> pl.DataFrame:
        """What a training table would hold now: flights asked about before, with the outcomes of those that have landed."""
        has_landed = pl.col("landed_at") <= self.now
        late = pl.when(has_landed).then("late").alias("late")
        landed = pl.when(has_landed).then("landed_at").alias("landed_at")
        return self.calls.filter(pl.col("asked_at") < self.now).with_columns(late, landed)

    def asked(self, until: datetime) -> pl.DataFrame:
        """The calls from now until then, as they are asked: without what is known later. Moves the clock."""
        rows = self.calls.filter((pl.col("asked_at") >= self.now) & (pl.col("asked_at") < until))
        self.now = until
        return rows

    def days(self, until: datetime) -> Iterator[pl.DataFrame]:
        """Day by day until then."""
        while self.now < until:
            yield self.asked(min(until, self.now.replace(hour=0) + timedelta(days=1)))

    def happened(self) -> dict[str, pl.DataFrame]:
        """By source the events since the last telling; nothing of a source that was silent."""
        found: dict[str, pl.DataFrame] = {}
        for source, events in self.events.items():
            upto = int(events[_clock(events)].search_sorted(self.now))
            if upto > self._sent[source]:
                found[source] = events[self._sent[source] : upto]
                self._sent[source] = upto
        return found

    def note(self, flights: list[str], predictions: list[str]) -> None:
        """Remember which prediction each flight got."""
        self._ids.update(zip(flights, predictions, strict=True))

    def landed(self, *, asked_before: datetime | None = None) -> list[tuple[str, float, float]]:
        """Outcomes that came true since the last telling, of calls that got a prediction: (id, value, seconds).

        asked_before: of calls asked before that alone; the others are told when this is asked again.
        """
        is_due = pl.col("landed_at") <= self.now
        if asked_before is not None:
            is_due &= pl.col("asked_at") < asked_before
        due = self._untold.filter(is_due)
        self._untold = self._untold.filter(~is_due)
        rows = due.select("flight_id", pl.col("late").cast(pl.Float64), pl.col("landed_at").dt.epoch("us") / 1e6).rows()
        return [(self._ids.pop(flight), value, when) for flight, value, when in rows if flight in self._ids]


def batch(workspace: Workspace, world: World, rows: pl.DataFrame) -> None:
    """A stretch of calls through the batch face, and the outcomes that have come in meanwhile."""
    for source, events in world.happened().items():
        workspace.events(source, events)
    if rows.height:
        # Of earlier calls first: what a new day's calls close is then whole, whichever loop looks in between.
        _tell(workspace, world.landed(asked_before=rows["asked_at"][0]))
        found = workspace.score(MODEL, rows.drop(KNOWN_LATER), prefix="batch")
        world.note(rows["flight_id"].to_list(), [prediction.id for prediction in found])
    _tell(workspace, world.landed())


def _tell(workspace: Workspace, told: list[tuple[str, float, float]]) -> None:
    if told:
        workspace.outcomes(MODEL, told)


class Caller:
    """A client over HTTP that tries again under the same request id: answered calls count once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.Client(base_url=url, timeout=10.0, limits=httpx.Limits(max_keepalive_connections=CALLERS))
        self.cut = 0
        self.unanswered = 0

    def ask(self, rows: pl.DataFrame) -> list[dict[str, Any]]:
        """One request per flight, from several threads; the answers in the rows' order."""
        bodies = rows.drop(KNOWN_LATER).with_columns(pl.col("asked_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_dicts()
        with ThreadPoolExecutor(CALLERS) as pool:
            return list(pool.map(self._one, bodies))

    def send(self, source: str, events: pl.DataFrame) -> None:
        stamped = events.with_columns(pl.col(_clock(events)).dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
        for stretch in stamped.iter_slices(EVENTS_AT_ONCE):
            self._client.post(f"/events/{source}", json={"events": stretch.to_dicts()}).raise_for_status()

    def tell(self, told: list[tuple[str, float, float]]) -> None:
        outcomes = [{"id": i, "value": v, "at": datetime.fromtimestamp(s, UTC).isoformat()} for i, v, s in told]
        if outcomes:
            answer = self._posted(f"/outcomes/{MODEL}", {"outcomes": outcomes})
            if answer is not None:
                answer.raise_for_status()

    def get(self, path: str) -> dict[str, Any]:
        """A connection of its own, so that any worker may answer."""
        said: dict[str, Any] = httpx.get(f"{self._url}{path}", timeout=10.0).json()
        return said

    def close(self) -> None:
        self._client.close()

    def _one(self, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._posted(f"/predict/{MODEL}", {"rows": [body], "id": f"http-{body['flight_id']}"})
        if answer is None:
            return {}
        if answer.status_code != 200:
            raise RuntimeError(f"{answer.status_code}: {answer.text}")
        found: dict[str, Any] = answer.json()["predictions"][0]
        return found

    def _posted(self, path: str, body: dict[str, Any]) -> httpx.Response | None:
        """Asked again where the worker that had it died: calls and outcomes count once by their ids. None where nobody
        answers.
        """
        for _ in range(5):
            try:
                return self._client.post(path, json=body)
            except httpx.TransportError:
                self.cut += 1
        self.unanswered += 1
        return None


def _clock(events: pl.DataFrame) -> str:
    """The column that says when an event happened."""
    return next(name for name, kind in events.schema.items() if isinstance(kind, pl.Datetime))
