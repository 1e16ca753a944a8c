"""The champion's failures: a page when a fallback answers too often, a note when that is over, each once."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import pytest

from lockgate.decide.judgement import Judgement
from lockgate.errors import SpecError
from lockgate.monitor.came import Came
from lockgate.monitor.fallback_watch import FallbackWatch, LatestIds
from lockgate.records import ModelSpec, MonitorSpec, Prediction


def calls(
    failures: Sequence[str | None], *, version: str = "champ", arm: str = "champion", first: int = 0
) -> list[Prediction]:
    return [
        Prediction(
            id=f"{version}{place}",
            model="late",
            unit="u",
            asked_s=float(place),
            answered_s=float(place),
            arm=arm,  # type: ignore[arg-type]
            version=version,
            served_by="base" if failure else version,
            value=0.5,
            latency_ms=1.0,
            failure=failure,
        )
        for place, failure in enumerate(failures, first)
    ]


def test_who_is_on_call_reads_how_many_failed_and_why() -> None:
    watch = FallbackWatch(0.05)
    watch.feed(Came(calls([None] * 500 + ["late", "late", "gone"] * 20)))
    (begun,) = watch.look("champ")
    assert (begun.ruling, begun.gate.name, begun.gate.claim) == ("fail", "fallbacks", "harmful")
    assert "late" in begun.sentence
    assert "gone" in begun.sentence
    assert watch.look("champ") == [], "told once"
    watch.feed(Came(calls([None] * 400, first=560)))
    (over,) = watch.look("champ")
    assert over.ruling == "pass"
    assert over.sentence.startswith("The fallbacks are over")


def test_a_challenger_that_fails_is_the_rollouts_affair() -> None:
    watch = FallbackWatch(0.05)
    watch.feed(Came(calls(["raised"] * 200, version="chal", arm="challenger")))
    assert watch.look("champ") == []


def test_another_champion_begins_with_a_clean_slate() -> None:
    watch = FallbackWatch(0.05)
    watch.feed(Came(calls(["raised"] * 8)))
    watch.look("champ")
    watch.feed(Came(calls([None] * 50, version="next")))
    assert watch.look("next") == []


def test_the_share_is_a_setting_and_held_to_sense() -> None:
    assert ModelSpec(target="y").monitor.fallbacks_at == 0.05
    with pytest.raises(SpecError, match="no share of calls"):
        MonitorSpec(fallbacks_at=0.0)


def storms() -> list[Prediction]:
    return calls(([None] * 500 + ["late"] * 60 + [None] * 700) * 3)


@pytest.mark.parametrize("look", [7, 100, 5_000])
def test_what_is_told_follows_from_the_calls_and_not_from_the_looks(look: int) -> None:
    live, again = FallbackWatch(0.05), FallbackWatch(0.05)
    told: list[Judgement] = []
    for start in range(0, len(storms()), look):
        live.feed(Came(storms()[start : start + look]))
        told += live.look("champ")
    again.feed(Came(storms()))
    assert told == again.look("champ")
    assert [judgement.ruling for judgement in told] == ["fail", "pass"] * 3


def test_an_id_counts_once_however_often_the_log_holds_it() -> None:
    watch = FallbackWatch(0.05)
    few = calls([None] * 300 + ["late"] * 2)
    watch.feed(Came(few))
    for _ in range(20):
        watch.feed(Came(few[-2:]))
    assert watch.look("champ") == []


def test_a_long_log_is_folded_as_it_is_read_and_not_held() -> None:
    watch = FallbackWatch(0.05)
    watch.feed(Came(calls([None] * 10, version="first")))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for turn in range(20):
        watch.feed(Came(calls([None] * 2_000, version=f"turn {turn}")))
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert held / 40_000 < 150, "bytes a call: the ids that are known, and no more"


def test_of_ids_the_latest_are_known() -> None:
    recent = LatestIds(100)
    assert all(list(recent.new([n])) == [0] for n in range(1_000))
    assert list(recent.new(range(901, 1_000))) == []
    assert list(recent.new([999, 0, 0])) == [1]
