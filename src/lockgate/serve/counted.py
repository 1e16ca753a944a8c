"""What one process counts of the calls it answers: a window for each version and hour, written into the log once a minute.

A call costs its caller one append to a queue. All else, the counting too, is done by the thread that looks for a new routing,
a few times a second, and nothing that goes wrong there comes near an answer: it is said once, and those calls are not
counted. numpy alone.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec import json

from lockgate.errors import LockgateError
from lockgate.features.profiles.rows import LiveWindow
from lockgate.records.prediction import LogEntry, Prediction, Window
from lockgate.records.profile import Profile
from lockgate.serve.window_author import HOUR_S, WindowAuthor

# How long at most a call is counted and not written: what a killed process loses.
SAY_EVERY_S = 60.0
# An hour that is over, and has had no call for so long, is written at once.
REST_S = 1.0
RETRY_S = 5.0
# Requests that may wait to be counted, hours that may be open, windows that may wait for a disk that refuses.
MOST_NOTED, MOST_OPEN, MOST_UNSAID = 50_000, 48, 200
_log = logging.getLogger("lockgate.windows")
_Version = tuple[str, str]  # the model's name, and who answered


class _Open:
    """An hour that is being counted. began, last: when its first and its latest call were counted, by the monotonic clock.
    refused: calls that the contract did not let in, by column.
    """

    __slots__ = ("began", "last", "live", "refused")

    def __init__(self, live: LiveWindow, now: float) -> None:
        self.live, self.began, self.last, self.refused = live, now, now, Counter[str]()


class Asked(NamedTuple):
    """How calls of a model are read. order: the names of a row's inputs; champion: whose hours count what is refused."""

    order: tuple[str, ...]
    champion: str


class Counted:
    """profile: a version's reference; raises LockgateError where there is none to count against. keep: writes windows, all or
    none, and raises where the disk refuses. missed: calls that were answered and not counted, since the start.
    """

    def __init__(self, profile: Callable[[str], Profile], keep: Callable[[Sequence[Window]], None]) -> None:
        self._profile, self._keep = profile, keep
        self._author = WindowAuthor()
        self._noted: deque[Sequence[LogEntry]] = deque()
        self._refused: deque[tuple[str, str]] = deque(maxlen=MOST_NOTED)
        self._lock = threading.Lock()
        self._open: dict[tuple[_Version, float], _Open] = {}
        self._newest: dict[_Version, float] = {}
        self._is_replayed: dict[_Version, bool] = {}
        self._references: dict[str, Profile | None] = {}
        self._orders: dict[str, tuple[str, ...]] = {}
        self._unsettled: frozenset[str] = frozenset()
        self._unsaid: list[Window] = []
        self._not_before = -math.inf
        self.missed = 0

    def note(self, entries: Sequence[LogEntry]) -> None:
        """What was answered; on every caller's path."""
        if len(self._noted) < MOST_NOTED:
            self._noted.append(entries)
        else:
            self.missed += len(entries)

    def refuse(self, model: str, column: str) -> None:
        """A call that the contract did not let in, and the column that it named."""
        self._refused.append((model, column))

    def look(self, asked: Mapping[str, Asked], *, is_last: bool = False) -> None:
        """Count what was noted, and write what is due. Never raises.

        asked: by model, how its calls are read now. is_last: all of it is due.
        """
        with self._lock:
            now = time.monotonic()
            try:
                self._count({model: one.order for model, one in asked.items()}, now)
                self._count_refused(asked, now)
                self._unsaid += self._due(now, is_last=is_last)
            except Exception:  # noqa: BLE001 - whatever it is, calls are answered and routings looked for
                _log.exception("Calls were not counted; drift is judged without them.")
                self._open.clear()
            self._say(now, is_last=is_last)

    def _count(self, orders: Mapping[str, tuple[str, ...]], now: float) -> None:
        # Where a model's columns have changed, calls of both orders may be among these, and among the next.
        changed = frozenset(name for name, order in orders.items() if self._orders.get(name, order) != order)
        unsure, self._unsettled, self._orders = changed | self._unsettled, changed, dict(orders)
        held: _Open | None = None
        model = by = ""
        since_s = math.inf
        for _ in range(len(self._noted)):
            for entry in self._noted.popleft():
                if type(entry) is not Prediction or entry.model not in orders:
                    continue
                # Nearly every call is of the version and the hour of the one before it.
                if entry.served_by != by or not 0 <= entry.asked_s - since_s < HOUR_S or entry.model != model:
                    model, by = entry.model, entry.served_by
                    since_s = math.floor(entry.asked_s / HOUR_S) * HOUR_S
                    held = None
                    if model not in unsure:
                        held = self._opened((model, by), since_s, now, is_chosen=by == entry.version)
                        self._is_replayed[model, by] = entry.answered_s - entry.asked_s > HOUR_S
                    if held is not None:
                        held.last = now
                if held is not None:
                    self._add(held.live, entry)
                elif model in unsure:
                    self.missed += 1

    def _count_refused(self, asked: Mapping[str, Asked], now: float) -> None:
        """A call that was not let in has no time of its own: it is of this hour; where calls are replayed, of the newest."""
        found = Counter(self._refused.popleft() for _ in range(len(self._refused)))
        for (model, column), calls in found.items():
            if model not in asked or model in self._unsettled:
                continue
            version = (model, asked[model].champion)
            hour_s = math.floor(time.time() / HOUR_S) * HOUR_S
            if self._is_replayed.get(version, False):
                hour_s = self._newest[version]
            held = self._opened(version, hour_s, now, is_chosen=True)
            if held is not None:
                held.refused[column] += calls
                held.last = now

    def _add(self, live: LiveWindow, call: Prediction) -> None:
        try:
            live.add(call.inputs, call.value, call.asked_s)
        except LockgateError:  # a row that another contract read
            self.missed += 1

    def _opened(self, version: _Version, hour_s: float, now: float, *, is_chosen: bool) -> _Open | None:
        """The hour's, begun where it is the first; None where there is nothing to count it against. is_chosen: whether the
        version was chosen for the call, and did not only answer it.
        """
        held = self._open.get((version, hour_s))
        reference = self._reference(version, is_chosen=is_chosen) if held is None else None
        if reference is not None:
            held = _Open(LiveWindow(reference, self._orders[version[0]]), now)
            self._open[version, hour_s] = held
            self._newest[version] = max(hour_s, self._newest.get(version, hour_s))
        return held

    def _reference(self, version: _Version, *, is_chosen: bool) -> Profile | None:
        """Of who answered: a constant or a person's own rule has none, and needs none."""
        model, name = version
        if name not in self._references:
            try:
                found = self._profile(name)
                LiveWindow(found, self._orders[model])
                self._references[name] = found
            except (LockgateError, OSError) as error:
                self._references[name] = None
                if is_chosen:
                    _log.warning(
                        "The calls of version %s are not counted, and its drift is not judged: %s", name, error
                    )
        return self._references[name]

    def _due(self, now: float, *, is_last: bool) -> list[Window]:
        found: list[Window] = []
        many = sorted(self._open.values(), key=lambda held: held.last)[: max(0, len(self._open) - MOST_OPEN)]
        for (version, hour_s), held in list(self._open.items()):
            is_over = hour_s < self._newest[version] and now - held.last >= REST_S
            is_due = is_over or version[0] in self._unsettled or now - held.began >= SAY_EVERY_S or held in many
            if is_last or is_due:
                del self._open[version, hour_s]
                refused = json.encode(held.refused).decode() if held.refused else ""
                found.append(self._author.window(*version, hour_s, held.live.take(), refused=refused))
        return found

    def _say(self, now: float, *, is_last: bool) -> None:
        if not self._unsaid or (now < self._not_before and not is_last):
            return
        try:
            self._keep(self._unsaid)
        except Exception as error:  # noqa: BLE001 - as above; what was not written is tried again
            if self._not_before < now - 2 * RETRY_S:
                _log.warning("Windows of calls could not be written, and are kept for now: %s", error)
            self._not_before = now + RETRY_S
            self._unsaid = self._unsaid[-MOST_UNSAID:]
        else:
            self._unsaid = []
