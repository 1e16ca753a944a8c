"""When a model is trained again: what asks for it, and what holds it back."""

from __future__ import annotations

from typing import Any

import pytest

from lockgate.decide.retraining import Facts, due, triggers, windows
from lockgate.errors import SpecError
from lockgate.records import Evidence, Gate, Retraining, RetrainingState, RetrainSpec, Ruling, Verdict

DAY = 86400.0
NOW = 400 * DAY


def facts(**changed: Any) -> Facts:
    usual = Facts(
        event_s=NOW,
        cut_off_s=NOW - 30 * DAY,
        outcomes=9_000,
        outcomes_since=9_000,
        has_data=False,
        degraded=None,
        past=(),
    )
    return usual._replace(**changed)


def past(state: RetrainingState, *, ended_ago: float | None = 20, id_: str = "t1") -> Retraining:
    return Retraining(
        id=id_,
        model="tide",
        causes=("degradation",),
        state=state,
        by="lockgate",
        started_s=NOW - 21 * DAY,
        written_s=0,
        sentence="",
        ended_s=None if ended_ago is None else NOW - ended_ago * DAY,
    )


DEGRADED = Verdict(
    id="v1",
    model="tide",
    ruling=Ruling.FAIL,
    gate=Gate(
        name="degradation",
        question="worth",
        claim="degraded",
        measure="skill",
        method="",
        margin=0,
        alpha=None,
        guarantee="not measured",
    ),
    evidence=Evidence(),
    subject=("champion",),
    sentence="Skill has fallen.",
    at_s=NOW,
    written_s=NOW,
)


def asked(*when: str, at_once: int = 1, pushed: str | None = None, cooldown: str = "7d", **changed: Any) -> Any:
    return due(RetrainSpec(when=when, cooldown=cooldown), facts(**changed), at_once=at_once, pushed=pushed)


@pytest.mark.parametrize(
    ("word", "changed", "is_asked"),
    [
        ("degradation", {}, False),
        ("degradation", {"degraded": DEGRADED}, True),
        ("age > 45d", {}, False),
        ("age > 29d", {}, True),
        ("outcomes > 9000", {}, False),
        ("outcomes > 8_999", {}, True),
        ("every 31d", {}, False),
        ("every 30d", {}, True),
        ("every 30d", {"past": (past(RetrainingState.REFUSED),)}, False),
        ("every 3w", {"past": (past(RetrainingState.REFUSED),)}, True),
        ("push", {"degraded": DEGRADED}, False),
    ],
)
def test_each_word_asks_when_its_facts_say_so(word: str, changed: dict[str, Any], is_asked: bool):
    found = asked(word, **changed)
    assert found.causes == ((word,) if is_asked else ())
    assert found.is_due == is_asked


def test_several_words_ask_together_and_the_verdict_is_named():
    found = asked("degradation", "age > 20d", degraded=DEGRADED)
    assert found.causes == ("degradation", "age > 20d")
    assert found.verdict == "v1"
    assert "v1" in found.sentence


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"past": (past(RetrainingState.RUNNING, ended_ago=None),)}, "t1 is under way"),
        ({"past": (past(RetrainingState.ASKED, ended_ago=None),)}, "t1 is under way"),
        ({"elsewhere": 1}, "1 of 1 at a time"),
        ({"rollout": "r3-abc"}, "rollout r3-abc is under way"),
        ({"waiting": "trees-abcdef"}, "lockgate rollout start trees-abcdef"),
        ({"past": (past(RetrainingState.REFUSED, ended_ago=3),)}, "cooldown of 7d after t1 lasts 4.0 d more"),
        ({"outcomes_since": 0}, "no outcome has matured"),
    ],
)
def test_what_stands_in_the_way_holds_it_and_is_named(changed: dict[str, Any], word: str):
    found = asked("age > 20d", **changed)
    assert found.causes == ("age > 20d",)
    assert not found.is_due
    assert any(word in held for held in found.held), found.held
    assert word in found.sentence


def test_one_that_was_cut_off_starts_no_cooldown():
    assert asked("age > 20d", past=(past(RetrainingState.CUT_OFF, ended_ago=0),)).is_due


def test_rows_brought_by_hand_are_something_new():
    assert asked("age > 20d", outcomes_since=0, has_data=True).is_due


def test_a_model_waits_for_another_only_where_the_limit_is_reached():
    assert asked("age > 20d", elsewhere=1, at_once=2).is_due


def test_a_push_is_a_cause_of_its_own():
    assert asked("degradation", pushed="push").causes == ("push",)


def test_nothing_asks_and_the_sentence_says_so():
    assert asked("degradation").sentence == "Nothing asks for a retraining (retrain.when: degradation)."


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("degradaton", "'degradation'"),
        ("ages > 45d", "'age > 45d'"),
        ("age 45d", "'age > 45d'"),
        ("age > 45", "not a duration"),
        ("outcomes > many", "'outcomes > 20000'"),
        ("evry 30d", "'every 30d'"),
        ("drift", "Known are"),
    ],
)
def test_an_unknown_word_is_refused_with_the_nearest_known(word: str, said: str):
    with pytest.raises(SpecError) as caught:
        triggers(RetrainSpec(when=(word,)))
    assert said in str(caught.value)
    assert repr(word) in str(caught.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [(("recents 90d",), "recent 90d"), (("all", "all"), "twice"), ((), "no window"), (("recent 90",), "duration")],
)
def test_a_window_that_is_none_is_refused(words: tuple[str, ...], said: str):
    with pytest.raises(SpecError, match=said):
        windows(words)


def test_windows_are_read_in_their_order():
    found = windows(("since break", "recent 2w", "all"))
    assert [(w.kind, w.recent_s) for w in found] == [("break", 0.0), ("recent", 14 * DAY), ("all", 0.0)]
