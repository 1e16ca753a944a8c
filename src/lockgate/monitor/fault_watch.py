"""The watch over hard faults: the champion's hours are judged as they grow; each fault is one alarm, until it is over.

How far it came, and what hours have been like, is a record, written in one transaction with what it raised. What is held here
is a cache of the log and of that record: a restart, and another leader, go on where it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from lockgate.decide.faults import look
from lockgate.decide.faults.habits import begun, succeeded
from lockgate.decide.faults.hour import without_pairs
from lockgate.monitor import alarms
from lockgate.monitor.came import Batch
from lockgate.monitor.drift_watch import Reign
from lockgate.monitor.fault_hours import FaultHours
from lockgate.monitor.fault_turn import CAUSE, FaultTurn, Terms
from lockgate.monitor.last_call import LastCall
from lockgate.records import Alarm, MonitorSpec, Verdict
from lockgate.records.prediction import Window
from lockgate.records.profile import Profile
from lockgate.records.usual import FaultStanding, Shown, Usual, read_usual, text_of
from lockgate.store.ports import Records

LOOK_EVERY_S = 60.0


class FaultWatch:
    """One model's."""

    def __init__(
        self, model: str, spec: MonitorSpec, records: Records, *, looks_per_year: float = look.LOOKS_PER_YEAR
    ) -> None:
        self._model, self._spec, self._records, self._looks = model, spec, records, looks_per_year
        self._hours, self._calls = FaultHours(), LastCall()
        self._stored: FaultStanding | None = None  # as it was last read or written
        self._usual, self._shown = Usual(), dict[str, Shown]()
        self._terms: Terms | None = None
        self._reign: Reign | None = None
        self._looked: tuple[float, float] | None = None

    @property
    def usual(self) -> Usual:
        """What hours have been like, as of the last look."""
        return self._usual

    def feed(self, came: Batch) -> None:
        if came.calls is not None:
            self._calls.feed(came.calls)

    def is_due(self, *, whole_until_s: float, now_s: float) -> bool:
        """Once a minute, and where another hour is whole. A clock that is set back puts nothing off."""
        if self._looked is None:
            return True
        before_s, wall_s = self._looked
        return whole_until_s > before_s or not 0 <= now_s - wall_s < LOOK_EVERY_S

    def look(
        self,
        reign: Reign,
        reference: Profile,
        windows: Iterable[tuple[Window, Profile]],
        *,
        of_table: Usual | None,
        whole_until_s: float,
        now_s: float,
    ) -> list[Alarm]:
        """Judge what has come. Returns the alarms that a person is told; they are written already, with how far it came.

        reference: the champion's own profile; windows: its own that have come since the last look. of_table: what the rows of
        its table were like, None where nobody counted them. whole_until_s: until then no window is waited for. now_s: wall
        time. What could not be written is told at the next look.
        """
        if reign != self._reign:
            self._hours.clear()
            self._reign, self._terms = reign, self._terms_of(reign.version, reference)
        assert self._terms is not None
        self._hours.feed(windows)
        self._take_up(reign.version, of_table)
        lives = [life for life in alarms.opened(self._records, self._model) if life.cause == CAUSE]
        turn = FaultTurn(self._terms, self._usual, self._shown, lives, now_s=now_s)
        turn.judge([one for one in self._hours.hours() if one.end_s > reign.since_s], whole_until_s=whole_until_s)
        heard = self._calls.heard(now_s)
        if heard is not None:
            turn.listen(heard)
        told = self._write(reign.version, turn)
        self._usual, self._shown, self._looked = turn.usual, turn.shown, (whole_until_s, now_s)
        self._hours.forget(-math.inf if turn.usual.until_s is None else turn.usual.until_s)
        return told

    def _terms_of(self, version: str, reference: Profile) -> Terms:
        cells = without_pairs(reference)
        return Terms(
            model=self._model,
            version=version,
            reference=cells,
            alpha=look.alpha_of(self._spec, cells, looks_per_year=self._looks),
            per_hour=max(1.0, self._looks / look.HOURS_PER_YEAR),
        )

    def _take_up(self, version: str, of_table: Usual | None) -> None:
        """Where it was: another leader may have been here meanwhile, and another champion."""
        held = self._records.get(FaultStanding, self._model)
        if held is not None and held != self._stored:
            self._usual = read_usual(held.usual, f"What was learnt of the hours of {self._model}")
            self._shown = held.shown
        self._stored = held
        table = of_table or Usual()
        if held is None:
            self._usual, self._shown = begun(table), {}
        elif held.version != version:
            self._usual = succeeded(self._usual, table)

    def _write(self, version: str, turn: FaultTurn) -> list[Alarm]:
        held = self._stored
        is_new = held is None or held.version != version or turn.usual is not self._usual or turn.shown != self._shown
        if not (is_new or turn.alarms):
            return []
        standing = FaultStanding(model=self._model, version=version, usual=text_of(turn.usual), shown=turn.shown)
        unwritten = [item for item in turn.verdicts if self._records.get(Verdict, item.id) is None]
        told = alarms.tell(self._records, standing, *unwritten, alarms=turn.alarms)
        self._stored = standing
        return told
