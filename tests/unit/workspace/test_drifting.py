"""The doors to drift: `lockgate.drift`, `lockgate.DriftJudge`, and what a notebook shows of it."""

from __future__ import annotations

import numpy as np
import pytest

import lockgate as lg
from lockgate.errors import SpecError
from lockgate.records import Profile, Ruling
from lockgate.records.record import decode, encode
from lockgate.report.notebook import html


def rows(n: int, *, seed: int, mean: float = 0.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"delay": mean + rng.standard_normal(n), "carrier": rng.choice(["AA", "UA"], n)}


@pytest.fixture(scope="module")
def before() -> Profile:
    return lg.profile(rows(20_000, seed=0))


def later(before: Profile, *, seed: int = 1, mean: float = 0.0) -> Profile:
    return lg.profile(rows(2_000, seed=seed, mean=mean), against=before)


def test_a_drift_between_two_profiles_is_a_verdict_that_names_the_column(before: Profile) -> None:
    found = lg.drift(before, later(before, mean=0.5), model="late")
    assert found.ruling is Ruling.FAIL
    assert found.verdict.gate.claim == "drifted"
    assert found.verdict.gate.guarantee == "calibrated"
    assert found.verdict.subject == ("delay",)
    assert found.verdict.model == "late"
    assert found.sentence == found.verdict.sentence
    assert [one.name for one in found.listed] == ["delay"]
    assert decode(lg.Drift, encode(found)) == found


def test_rows_as_before_are_undecided_and_have_no_subject(before: Profile) -> None:
    found = lg.drift(before, later(before))
    assert found.ruling is Ruling.UNDECIDED
    assert found.verdict.subject == ()
    assert found.listed == ()
    assert found.moved


def test_clusters_that_are_named_weaken_the_evidence(before: Profile) -> None:
    window = later(before, mean=0.3)
    assert lg.drift(before, window).ruling is Ruling.FAIL
    assert lg.drift(before, window, deff=50).ruling is Ruling.UNDECIDED


def test_a_wider_ball_forgives_more(before: Profile) -> None:
    assert lg.drift(before, later(before, mean=0.3), eps=0.2).ruling is Ruling.UNDECIDED
    with pytest.raises(SpecError, match="An eps of 1"):
        lg.drift(before, later(before), eps=1)


def test_a_judge_goes_on_where_its_state_was_written(before: Profile) -> None:
    judge = lg.DriftJudge(before, false_alarms_per_year=4, windows_per_year=8_760)
    assert judge.observe(later(before)) is None
    judge = lg.DriftJudge.resume(before, judge.state())
    found = judge.observe(later(before, seed=2, mean=0.5))
    assert found is not None
    assert found.ruling is Ruling.FAIL
    assert found.rows == 4_000
    assert found.listed[0].since == 2
    assert judge.now(later(before)).ruling is Ruling.FAIL
    assert judge.observe(later(before, seed=3, mean=0.5)) is None  # the alarm that stands is not raised again


def test_a_notebook_shows_what_moved_and_how(before: Profile) -> None:
    shown = html(lg.drift(before, later(before, mean=0.5)))
    assert "Moved: delay: higher by 0." in shown
    assert "<td>delay</td><td>moved</td>" in shown
    assert "<td>carrier</td><td></td>" in shown
