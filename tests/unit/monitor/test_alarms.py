"""One alarm for each cause: open, acknowledged, snoozed, over; told once, and counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from lockgate.decide import alarm_life, ladder
from lockgate.errors import Conflict, SpecError
from lockgate.monitor import alarms
from lockgate.monitor.approval_watch import ApprovalWatch
from lockgate.records import (
    Acknowledgement,
    Alarm,
    AlarmLife,
    Evidence,
    Gate,
    Rollout,
    RolloutSpec,
    RolloutState,
    Routing,
    Ruling,
    Verdict,
)
from lockgate.records.duration import lasted
from lockgate.report import ledger
from lockgate.report.notices import notice
from lockgate.report.now import rows
from lockgate.report.why import why
from lockgate.store.memory import MemoryRecords

HOUR = 3600.0
ROUTING = Routing(model="m", revision=2, champion="one", baseline=None, constant=0.2)


def alarm(number: int, at_s: float, **more: Any) -> Alarm:
    made = {
        "id": f"a{number}",
        "model": "m",
        "cause": "degradation",
        "severity": "page",
        "sentence": f"Skill has fallen, {number}.",
        "next": "lockgate retrain m",
        "verdict": None,
        "at_s": at_s,
        "written_s": at_s,
    }
    return Alarm(**(made | more))


def said(alarm_: str, now_s: float, until_s: float | None = None, **more: Any) -> Acknowledgement:
    given = {"id": f"k{now_s}", "model": "m", "alarm": alarm_, "by": "ann", "reason": "I am at it.", "until_s": until_s}
    return Acknowledgement(**(given | {"at_s": now_s, "written_s": now_s} | more))


class Told:
    """A workspace's records, and what goes to the channels."""

    def __init__(self) -> None:
        self.records = MemoryRecords()
        self.records.write(ROUTING)

    def tell(self, *found: Alarm) -> list[str]:
        return [one.id for one in alarms.tell(self.records, alarms=found)]

    def say(self, word: Acknowledgement) -> None:
        (life,) = alarms.opened(self.records, "m")
        self.records.write(word, alarm_life.acknowledged(life, word), over=(life,))

    @property
    def life(self) -> AlarmLife:
        (found,) = self.records.all(AlarmLife)
        return found

    @property
    def notices(self) -> list[tuple[str, str]]:
        found = [notice(entry) for entry in self.records.entries()]
        return [(one.severity, one.sentence) for one in found if one is not None]


@pytest.fixture
def told() -> Told:
    return Told()


def test_the_same_cause_raised_while_it_is_open_is_counted_and_told_nobody(told: Told) -> None:
    assert told.tell(alarm(1, 10.0)) == ["a1"]
    assert [told.tell(alarm(number, 10.0 + number)) for number in (2, 3, 4)] == [[], [], []]
    assert (told.life.id, told.life.times, told.life.since_s, told.life.last_s) == ("a1", 4, 10.0, 14.0)
    assert [severity for severity, _ in told.notices] == ["page"]
    assert told.records.all(Alarm) == [alarm(1, 10.0)], "what was but counted is no entry of the ledger"
    assert ledger.verify_records(told.records).broken is None


def test_causes_are_told_apart_by_model_cause_and_what_they_are_about(told: Told) -> None:
    drift = {"cause": "drift", "severity": "ticket"}
    found = [
        alarm(1, 1.0),
        alarm(2, 1.0, about="age", **drift),
        alarm(3, 1.0, about="size", **drift),
        alarm(4, 1.0, model="other"),
        alarm(5, 2.0, about="age", **drift),
    ]
    assert told.tell(*found) == ["a1", "a2", "a3", "a4"]
    assert len(alarms.opened(told.records, "m")) == 3


def test_what_is_over_says_so_once_and_how_long_it_was(told: Told) -> None:
    told.tell(alarm(1, 0.0, cause="fallback"))
    end = alarm(2, 3 * HOUR + 600, cause="fallback", severity="note", is_over=True, sentence="It is over.")
    told.tell(end)
    assert told.notices[-1] == ("note", "It is over. Over after 3 h 10 min.")
    assert not alarms.opened(told.records)
    assert told.tell(msgspec.structs.replace(end, id="a3")) == ["a3"], "written down, as any note"
    assert len(told.notices) == 2, "and told nobody"
    assert "over after 3 h 10 min" in "\n".join(why(told.records, "a1").lines)


def test_a_cause_that_comes_back_after_it_was_over_opens_anew(told: Told) -> None:
    told.tell(alarm(1, 0.0, cause="fallback"))
    told.tell(alarm(2, 5.0, cause="fallback", severity="note", is_over=True))
    assert told.tell(alarm(3, 9.0, cause="fallback")) == ["a3"]
    assert (told.life.id, told.life.times, told.life.is_open) == ("a3", 1, True)


def test_begun_over_and_begun_again_at_one_look_is_one_alarm_that_is_open(told: Told) -> None:
    end = alarm(2, 5.0, cause="fallback", severity="note", is_over=True)
    assert told.tell(alarm(1, 0.0, cause="fallback"), end, alarm(3, 9.0, cause="fallback")) == ["a1", "a2", "a3"]
    assert (told.life.id, told.life.is_open) == ("a3", True)


def test_a_note_opens_nothing_and_an_end_of_nothing_is_a_note(told: Told) -> None:
    told.tell(alarm(1, 0.0, severity="note"), alarm(2, 0.0, severity="note", is_over=True))
    assert told.records.all(AlarmLife) == []
    assert told.notices == []


def test_what_gets_graver_is_told_also_where_somebody_acknowledged_it(told: Told) -> None:
    told.tell(alarm(1, 0.0, cause="log", severity="ticket"))
    told.say(said("a1", 1.0))
    assert told.tell(alarm(2, 2.0, cause="log", severity="page")) == ["a2"]
    assert (told.life.id, told.life.severity, told.life.acknowledged) == ("a1", "page", None)
    assert told.records.get(Alarm, "a2") == alarm(2, 2.0, cause="log", severity="page", of="a1")
    assert told.tell(alarm(3, 3.0, cause="log", severity="ticket")) == [], "less grave is no news"


def test_an_acknowledgement_is_in_the_ledger_by_name_and_nobody_else_is_told(told: Told) -> None:
    told.tell(alarm(1, 0.0))
    told.say(said("a1", 1.0))
    assert told.tell(alarm(2, 2.0)) == []
    assert alarms.wake(told.records, now_s=1e9) == [], "for as long as it lasts"
    assert told.notices[-1] == ("note", "m: the alarm a1 is acknowledged by ann: I am at it.")
    assert [entry.kind for entry in told.records.entries()] == ["alarm", "acknowledgement"]
    assert "by ann" in why(told.records, "a1").lines[-1]
    assert ledger.verify_records(told.records).broken is None


def test_a_snooze_that_ran_out_while_it_lasts_tells_once_more(told: Told) -> None:
    told.tell(alarm(1, 0.0))
    told.say(said("a1", 10.0, until_s=100.0))
    assert alarms.wake(told.records, now_s=99.0) == []
    (again,) = alarms.wake(told.records, now_s=100.0)
    assert (again.of, again.severity, again.next) == ("a1", "page", "lockgate retrain m")
    assert "ann's snooze of it ran out" in again.sentence
    assert alarms.wake(told.records, now_s=1e9) == []
    assert [severity for severity, _ in told.notices] == ["page", "note", "page"]


def test_a_snooze_of_what_is_over_meanwhile_tells_nobody(told: Told) -> None:
    told.tell(alarm(1, 0.0, cause="fallback"))
    told.say(said("a1", 10.0, until_s=100.0))
    told.tell(alarm(2, 50.0, cause="fallback", severity="note", is_over=True))
    assert alarms.wake(told.records, now_s=200.0) == []


def test_what_is_over_is_acknowledged_by_nobody(told: Told) -> None:
    told.tell(alarm(1, 0.0))
    open_ = told.life
    alarms.settle(told.records, msgspec.structs.replace(ROUTING, champion="two"), at_s=1.0, now_s=1.0)
    assert told.life.is_open, "it names no version, and ends otherwise"
    told.records.write(msgspec.structs.replace(open_, until_s=5.0))
    with pytest.raises(Conflict, match="is over"):
        alarm_life.acknowledged(told.life, said("a1", 1.0))


def test_nobody_says_anything_without_a_name_and_a_reason() -> None:
    for missing in ({"by": " "}, {"reason": ""}):
        with pytest.raises(SpecError, match="takes a"):
            said("a1", 1.0, **missing)


def test_alarms_about_a_version_are_over_once_it_gets_no_calls(told: Told) -> None:
    told.tell(alarm(1, 0.0, version="one"), alarm(2, 0.0, cause="skew", severity="ticket", version="two"))
    said = ("Skill has fallen, 1.", "1 more alarm is open: lockgate alarms m")
    assert [row.alarms for row in rows(told.records)] == [said], "the page, though the ticket is newer"
    over = alarms.settle(told.records, msgspec.structs.replace(ROUTING, challenger="two"), at_s=7.0, now_s=7.0)
    assert over == [], "both have calls"
    over = alarms.settle(told.records, msgspec.structs.replace(ROUTING, champion="two"), at_s=7.0, now_s=7.0)
    assert [(one.of, one.is_over) for one in over] == [("a1", True)]
    assert [life.id for life in alarms.opened(told.records)] == ["a2"]
    assert alarms.settle(told.records, msgspec.structs.replace(ROUTING, champion="two"), at_s=8.0, now_s=8.0) == []


class Meanwhile(MemoryRecords):
    """A person says something of the alarm between the look and the writing."""

    act: Callable[[], None] | None = None

    def write(self, *records: Any, over: Any = ()) -> None:
        act, self.act = self.act, None
        if act is not None:
            act()
        super().write(*records, over=over)


def test_what_a_person_says_at_the_same_moment_is_not_lost() -> None:
    told = Told()
    told.records = records = Meanwhile()
    told.tell(alarm(1, 0.0))
    records.act = lambda: told.say(said("a1", 1.0))
    assert told.tell(alarm(2, 2.0)) == []
    assert told.life.times == 2
    assert told.life.acknowledged == said("a1", 1.0)


SPEC = RolloutSpec(ladder=("shadow", 0.25, 1.0), require_approval=(0.25,))
RUNNING = Rollout(
    id="r1",
    model="m",
    champion="one",
    challenger="two",
    spec=SPEC,
    steps=ladder.steps(SPEC),
    at=0,
    state=RolloutState.RUNNING,
    started_s=0,
    stepped_s=0,
    deadline_s=1e9,
    not_worse_by=0.002,
)
GATE = Gate(
    name="safe at shadow",
    question="harm",
    claim="safe",
    measure="m",
    method="m",
    margin=0,
    alpha=0.01,
    guarantee="exact",
)
SAFE = Verdict(
    id="v1",
    model="m",
    ruling=Ruling.PASS,
    gate=GATE,
    evidence=Evidence(),
    subject=("two", "one"),
    sentence="Safe.",
    at_s=1.0,
    written_s=1.0,
    rollout="r1",
)


def test_whoever_must_approve_a_step_is_told_once_and_that_it_is_over(told: Told) -> None:
    watch = ApprovalWatch("m", told.records)
    assert watch.look(RUNNING, at_s=1.0, now_s=1.0) == [], "without evidence there is nothing to approve"
    told.records.write(SAFE, RUNNING)
    (asked,) = watch.look(RUNNING, at_s=2.0, now_s=2.0)
    assert (asked.severity, asked.next) == ("ticket", "lockgate rollout approve m --reason ...")
    assert "r1 of m waits for an approval of 25%" in told.notices[-1][1]
    assert watch.look(RUNNING, at_s=3.0, now_s=3.0) == []
    assert ApprovalWatch("m", told.records).look(RUNNING, at_s=3.0, now_s=3.0) == [], "nor by the next leader"
    approved = msgspec.structs.replace(RUNNING, approved={"25%": "o1"})
    (over,) = watch.look(approved, at_s=62.0, now_s=62.0)
    assert (over.of, over.is_over) == (asked.id, True)
    assert told.notices[-1][1].endswith("Over after 1 min.")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59, "59 s"), (11_400, "3 h 10 min"), (86_400, "1 d"), (60, "1 min")]
)
def test_a_stretch_is_said_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert lasted(seconds) == words
