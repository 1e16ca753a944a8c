"""The champion's failures: a page when a fallback answers too often, a note when that is over, each once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lockgate.errors import SpecError
from lockgate.monitor.fallback_watch import FallbackWatch
from lockgate.records import ModelSpec, MonitorSpec, Prediction


def calls(failures: Sequence[str | None], *, version: str = "champ", arm: str = "champion") -> list[Prediction]:
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
        for place, failure in enumerate(failures)
    ]


def test_who_is_on_call_reads_how_many_failed_and_why() -> None:
    watch = FallbackWatch(0.05)
    watch.feed(calls([None] * 500 + ["late", "late", "gone"] * 20))
    (begun,) = watch.look("champ")
    assert (begun.ruling, begun.gate.name, begun.gate.claim) == ("fail", "fallbacks", "harmful")
    assert "late" in begun.sentence
    assert "gone" in begun.sentence
    assert watch.look("champ") == [], "told once"
    watch.feed(calls([None] * 400))
    (over,) = watch.look("champ")
    assert over.ruling == "pass"
    assert over.sentence.startswith("The fallbacks are over")


def test_a_challenger_that_fails_is_the_rollouts_affair() -> None:
    watch = FallbackWatch(0.05)
    watch.feed(calls(["raised"] * 200, version="chal", arm="challenger"))
    assert watch.look("champ") == []


def test_another_champion_begins_with_a_clean_slate() -> None:
    watch = FallbackWatch(0.05)
    watch.feed(calls(["raised"] * 8))
    watch.look("champ")
    watch.feed(calls([None] * 50, version="next"))
    assert watch.look("next") == []


def test_the_share_is_a_setting_and_held_to_sense() -> None:
    assert ModelSpec(target="y").monitor.fallbacks_at == 0.05
    with pytest.raises(SpecError, match="no share of calls"):
        MonitorSpec(fallbacks_at=0.0)
