"""The drill's way, its routings, and what is ruled on what was seen."""

from __future__ import annotations

import pytest

from lockgate.errors import SpecError
from lockgate.records import Routing, Ruling
from lockgate.records.drill import drill_name, is_drill
from lockgate.release.drill import Seen, Way, routings, ruled, way_back

ROUTING = Routing(model="m", revision=7, champion="new", previous="old", baseline="base", constant=0.2)
WAY = Way("new", "old")


def drill(seen: Seen):
    return ruled("m", WAY, seen, on="server", workers=2, event_s=1.0, now_s=2.0, by="ann")


def test_the_way_is_the_one_that_a_rollback_would_go():
    assert way_back(ROUTING, None) == WAY
    assert way_back(ROUTING, "older") == Way("new", "older")
    under_way = Routing(model="m", revision=7, champion="old", challenger="new", baseline=None, constant=0.2)
    assert way_back(under_way, None) == Way("new", "old")
    for to in (None, "new"):
        with pytest.raises(SpecError, match="no way back to rehearse"):
            way_back(Routing(model="m", revision=1, champion="new", baseline=None, constant=0.2), to)


def test_its_routings_are_the_models_own_under_a_name_that_is_nobodys():
    before, after = routings(ROUTING, WAY, 3)
    assert before.model == after.model == drill_name("m")
    assert is_drill(before.model)
    assert not is_drill("m")
    assert (before.champion, before.previous, before.revision) == ("new", "old", 3)
    assert (after.champion, after.previous, after.revision) == ("old", "new", 4)
    assert (after.baseline, after.constant, after.challenger) == ("base", 0.2, None)


def test_quick_and_whole_passes_and_says_its_figures():
    found = drill(Seen(back_ms=(100.0, 300.0, 200.0), there_ms=(90.0,), calls=1200))
    assert found.ruling is Ruling.PASS
    assert (found.median_ms, found.p99_ms, found.worst_ms) == (200.0, 300.0, 300.0)
    assert found.sentence == (
        "The way back of m, rehearsed 3 times on the server's 2 workers, was at the last one in 200 ms (median), "
        "300 ms (p99), 300 ms at worst, under 1,200 calls; none was refused."
    )


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (Seen(back_ms=(100.0, 1001.0), calls=10), "1 of 2 times the last worker took more than 1 s."),
        (Seen(back_ms=(100.0,), calls=10, refused=1, said="503 busy"), "1 of 10 calls was refused: 503 busy"),
        (Seen(back_ms=(100.0,), calls=10, cut=2), "2 of 10 calls were cut."),
        (Seen(back_ms=(100.0,), calls=10, astray=3), "3 of 10 calls were answered by the wrong version."),
        (Seen(missing="Version old is not loaded."), "Version old is not loaded."),
        (Seen(), "The way back was not gone once."),
    ],
)
def test_what_is_slow_refused_cut_astray_or_never_begun_fails_and_says_why(seen, said):
    found = drill(seen)
    assert found.ruling is Ruling.FAIL
    assert found.sentence.endswith(said)
