"""The watch over sources: one alarm a silence, by event time, and its end."""

from __future__ import annotations

from typing import Any

import pytest

from lockgate.monitor.source_watch import Readers, Told, look
from lockgate.records import SourceSpec
from lockgate.records.silence import Silence

HOUR = 3600.0
START_S = 1_764_158_400.0  # 2025-11-26 12:00:00 UTC
READERS: Readers = {"late": ("delay_1h", "delay_3h"), "gate": ("flights_6h",)}


def source(**more: Any) -> SourceSpec:
    return SourceSpec(key="id", time="at", columns={"id": "int", "at": "time"}, **{"stale_after": "3h"} | more)


class Story:
    """What the loop would have written, look by look; times in hours after the start."""

    def __init__(self, spec: SourceSpec) -> None:
        self.spec = spec
        self.held: Silence | None = None
        self.alarms: list[tuple[str, str]] = []

    def look(self, *, newest: float | None, now: float, readers: Readers = READERS) -> Told | None:
        newest_s = None if newest is None else START_S + newest * HOUR
        event_s = START_S + now * HOUR
        told = look("departures", self.spec, self.held, readers, newest_s=newest_s, event_s=event_s, now_s=event_s + 60)
        if told is not None:
            self.held = told.silence
            self.alarms.append((told.alarm.severity, told.alarm.sentence))
        return told


def test_a_source_that_tells_says_nothing() -> None:
    story = Story(source())
    assert [story.look(newest=now - 3, now=now) for now in range(10)] == [None] * 10


def test_a_silence_is_one_page_which_says_since_when_who_reads_it_and_what_to_do() -> None:
    story = Story(source())
    for now in range(3, 12):
        story.look(newest=0, now=now)
    ((severity, sentence),) = story.alarms
    assert severity == "page"
    assert sentence == (
        "The source departures has told nothing since 2025-11-26 12:00:00 UTC (a newer event was to come within 3h). "
        "Computed of it are, for gate: flights_6h; late: delay_1h, delay_3h. Calls are answered from what was known before, "
        "and flagged. Look after whoever posts to /events/departures; what was missed may be sent late, and this ends by "
        "itself once events come."
    )


def test_it_ends_by_itself_and_the_next_silence_is_an_alarm_of_its_own() -> None:
    story = Story(source())
    told = [story.look(newest=0, now=4), story.look(newest=4, now=5), story.look(newest=4, now=6)]
    told.append(story.look(newest=4, now=8))
    assert [one and one.alarm.severity for one in told] == ["page", "note", None, "page"]
    assert (
        "tells again: it was silent from 2025-11-26 12:00:00 UTC on, and its newest event is of" in story.alarms[1][1]
    )
    assert told[0] is not None
    assert told[1] is not None
    assert told[3] is not None
    assert told[1].alarm.id == f"{told[0].alarm.id}-over"
    assert told[1].silence.until_s == START_S + 5 * HOUR
    assert told[3].alarm.id != told[0].alarm.id


@pytest.mark.parametrize(("stale_after", "alarms"), [("3h", 1), (None, 1)])
def test_a_source_that_never_began_has_stopped_whatever_is_put_up_with(stale_after: str | None, alarms: int) -> None:
    story = Story(source(stale_after=stale_after))
    for now in range(3):
        story.look(newest=None, now=now)
    assert len(story.alarms) == alarms
    assert "has told nothing yet. Computed of it are" in story.alarms[0][1]
    told = story.look(newest=2, now=3)
    assert told is not None
    assert "from its first question on" in told.alarm.sentence


def test_where_nobody_said_how_long_is_too_long_only_nothing_at_all_is() -> None:
    story = Story(source(stale_after=None))
    assert story.look(newest=0, now=10_000) is None


def test_a_source_that_nobody_reads_is_no_ones_alarm_and_a_silence_ends_with_its_last_reader() -> None:
    story = Story(source(table="events/departures.parquet"))
    assert story.look(newest=0, now=9, readers={}) is None
    page = story.look(newest=0, now=9)
    assert page is not None
    assert page.alarm.next == "lockgate data events departures events/departures.parquet"
    assert "Look after the job that writes events/departures.parquet;" in page.alarm.sentence
    over = story.look(newest=0, now=9, readers={})
    assert over is not None
    assert "No model that serves is computed of the source departures any more" in over.alarm.sentence
