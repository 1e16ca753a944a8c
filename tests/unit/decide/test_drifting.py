"""Drift judged on real tables: evidence and effect both, words that name what moved, and a judge that can be stopped."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import polars as pl
import pytest

from lockgate.decide.drifting import effect, judged
from lockgate.decide.drifting.judge import DriftJudge
from lockgate.decide.drifting.lines import drawn_up
from lockgate.errors import SpecError, StoreError
from lockgate.features.profiles.table import Asked, in_memory, reference, window
from lockgate.records import Ruling
from lockgate.records.profile import Profile

ROWS = 20_000


def table(
    rows: int,
    *,
    seed: int = 0,
    mean: float = 0.0,
    wide: float = 1.0,
    ua: float = 0.3,
    gone: float = 0.0,
    hang: float = 0.6,
) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, rows))
    delay = mean + wide * x
    delay[rng.random(rows) < gone] = np.nan
    start = np.datetime64("2026-01-01T00:00:00")
    return pl.DataFrame(
        {
            "delay": delay,
            "wind": hang * x + math.sqrt(1 - hang**2) * y,
            "seats": rng.choice([50, 150, 180], rows),
            "carrier": rng.choice(["AA", "UA", "WN"], rows, p=[0.7 - ua, ua, 0.3]),
            "is_late": rng.random(rows) < 0.25,
            "asked_at": start + rng.integers(0, 86_400 * 300, rows) * np.timedelta64(1_000_000, "us"),
        }
    )


@pytest.fixture(scope="module")
def before() -> Profile:
    return reference(in_memory(table(ROWS)), Asked(time="asked_at"))


def later(before: Profile, rows: int = 3_000, **moved: float) -> Profile:
    return window(in_memory(table(rows, **{"seed": 1, **moved})), before, Asked())


def found(before: Profile, live: Profile) -> judged.Found:
    return judged.once(before, live, eps=0.02, delta=0.05, alpha=0.05, deff=1.0)


def test_rows_like_those_of_the_reference_are_evidence_of_nothing(before: Profile) -> None:
    judgement, moved = found(before, later(before))
    assert judgement.ruling is Ruling.UNDECIDED
    assert judgement.sentence.startswith("Nothing is shown to have moved by more than 2.0% of its rows: evidence ")
    assert not any(one.is_listed for one in moved)


@pytest.mark.parametrize(
    ("change", "name", "says"),
    [
        ({"mean": 0.4}, "delay", "higher by 0.3"),
        ({"mean": -0.4}, "delay", "lower by 0.4"),
        ({"wide": 1.5}, "delay", "spread 1."),
        ({"gone": 0.05}, "delay", "not a number in 5."),
        ({"ua": 0.42}, "carrier", "'AA' in 2"),
        ({"hang": 0.1}, "delay with wind", "on the same side of their middles in 5"),
    ],
)
def test_what_moved_is_named_with_how(before: Profile, change: dict[str, float], name: str, says: str) -> None:
    judgement, moved = found(before, later(before, rows=5_000, **change))
    assert judgement.ruling is Ruling.FAIL
    listed = {one.name: one for one in moved if one.is_listed}
    assert says in listed[name].says
    assert listed[name].distance > 0.02
    assert f"{name}: {listed[name].says}" in judgement.sentence


def test_the_shift_is_in_standard_deviations_of_the_reference(before: Profile) -> None:
    _, moved = found(before, later(before, rows=20_000, mean=0.5))
    [delay] = [one for one in moved if one.name == "delay"]
    assert delay.shift == pytest.approx(0.5, abs=0.05)


def test_what_the_model_leans_on_comes_first(before: Profile) -> None:
    import msgspec

    leaning = msgspec.structs.replace(before, importance={"carrier": 0.9, "delay": 0.01})
    _, moved = found(leaning, later(leaning, mean=0.5, ua=0.42))
    assert next(one.name for one in moved if one.is_listed) == "carrier"


def test_time_that_only_goes_on_is_no_drift_and_that_is_said(before: Profile) -> None:
    lines = drawn_up(before)
    assert not any(lines.items[line.item].name == "asked_at" for line in lines.lines[:-1] if line.facet is not None)
    assert "Not bet on, for it follows the clock: asked_at." in judged.notes(before, lines)


def test_a_small_reference_says_so() -> None:
    small = reference(in_memory(table(5_000)), Asked(time="asked_at"))
    assert judged.notes(small, drawn_up(small))[0].startswith(
        "The reference has 5,000 rows: too small for small drifts"
    )


def test_a_window_without_rows_says_nothing(before: Profile) -> None:
    nothing = window(in_memory(table(10).head(0)), before, Asked())
    judgement, _ = found(before, nothing)
    assert judgement.ruling is Ruling.UNDECIDED
    assert judgement.sentence == "The window has no rows, so nothing can be said of it."


def test_one_row_and_a_column_gone_altogether_are_judged_too(before: Profile) -> None:
    assert found(before, later(before, rows=1)).judgement.ruling is Ruling.UNDECIDED
    gone = window(in_memory(table(500).with_columns(delay=pl.lit(None, dtype=pl.Float64))), before, Asked())
    judgement, moved = found(before, gone)
    assert judgement.ruling is Ruling.FAIL
    assert "missing in 100.0% of rows, 0.0% before" in judgement.sentence
    assert all(math.isfinite(one.distance) for one in moved)


def test_an_empty_reference_and_one_of_other_cells_are_refused(before: Profile) -> None:
    other = reference(in_memory(table(2_000, seed=9)), Asked(time="asked_at"))
    with pytest.raises(SpecError, match="other cells for column 'delay'"):
        found(before, other)
    with pytest.raises(SpecError, match="without rows cannot be bet against"):
        drawn_up(window(in_memory(table(10).head(0)), before, Asked()))
    with pytest.raises(SpecError, match="alpha of 2"):
        judged.once(before, before, eps=0.02, delta=0.05, alpha=2, deff=1.0)


def test_shares_read_as_what_they_are() -> None:
    assert [effect.share(value) for value in (0, 0.0004, 0.05, 0.9996, 1)] == [
        "0.0%",
        "0.040%",
        "5.0%",
        "99.960%",
        "100.0%",
    ]
    assert [judged.number(math.log(v)) for v in (0.02, 20, 2190, 3e9)] == ["0.02", "20", "2,190", "1e9"]


def judge_on(before: Profile) -> DriftJudge:
    return DriftJudge(before, false_alarms_per_year=4, windows_per_year=8_760)


STORY = [{}] * 6 + [{"mean": 0.4}] * 3 + [{}] * 30


def windows(before: Profile) -> list[Profile]:
    return [later(before, rows=1_000, seed=10 + place, **change) for place, change in enumerate(STORY)]


def test_an_alarm_begins_once_says_since_when_and_is_over_once(before: Profile) -> None:
    judge = judge_on(before)
    told = [
        (place, what.judgement)
        for place, one in enumerate(windows(before), 1)
        if (what := judge.observe_judgement(one))
    ]
    assert [one.ruling for _, one in told] == [Ruling.FAIL, Ruling.UNDECIDED]
    assert told[0][0] in (7, 8, 9)
    assert "delay: higher by 0.3" in told[0][1].sentence
    assert told[0][1].sentence.endswith(", since 2026-01-01 09:05 UTC."), "as the window says it"
    assert told[1][1].sentence.startswith("The drift is over. ")
    assert not judge.is_alarmed


def test_windows_that_say_no_time_are_told_by_their_number(before: Profile) -> None:
    judge = judge_on(before)
    timeless = [msgspec.structs.replace(one, since_s=None) for one in windows(before)]
    told = [what.judgement for one in timeless if (what := judge.observe_judgement(one))]
    assert "since window 7 of " in told[0].sentence


def test_a_drift_is_dated_by_the_window_it_began_in_also_over_a_stop(before: Profile) -> None:
    judge = judge_on(before)
    for place, one in enumerate(windows(before)):
        found = judge.observe_judgement(msgspec.structs.replace(one, since_s=3600.0 * place))
        if found:
            break
        state = judge.state()
        judge = judge_on(before)
        judge.load(state)
    assert found is not None
    assert "since 1970-01-01 06:00 UTC" in found.judgement.sentence
    assert found.moved[0].since_s == 3600.0 * 6
    assert found.moved[0].name in judge.alone()


def test_a_judge_stopped_and_resumed_after_every_window_gives_the_same_bits(before: Profile) -> None:
    whole, parted = judge_on(before), judge_on(before)
    for one in windows(before)[:9]:
        whole.observe_judgement(one)
        parted.observe_judgement(one)
        resumed = judge_on(before)
        resumed.load(parted.state())
        parted = resumed
    assert parted.state() == whole.state()
    assert parted.log_evidence == whole.log_evidence
    assert whole.is_alarmed


def test_a_state_of_another_reference_engine_or_setting_is_refused(before: Profile) -> None:
    state = judge_on(before).state()
    with pytest.raises(SpecError, match="another reference, or other settings"):
        judge_on(before + later(before)).load(state)
    with pytest.raises(SpecError, match="another reference, or other settings"):
        DriftJudge(before, false_alarms_per_year=2, windows_per_year=8_760).load(state)
    with pytest.raises(SpecError, match="written by engine 1"):
        judge_on(before).load(state.replace('"engine":2', '"engine":1'))
    with pytest.raises(StoreError, match="DriftState cannot be read"):
        judge_on(before).load(state[:-9])


def test_a_window_of_other_cells_counts_for_nothing(before: Profile) -> None:
    judge = judge_on(before)
    state = judge.state()
    with pytest.raises(SpecError, match="other cells"):
        judge.observe_judgement(reference(in_memory(table(2_000, seed=9)), Asked(time="asked_at")))
    assert judge.state() == state


def test_how_soon_is_foretold_column_by_column(before: Profile) -> None:
    ahead = {(one.column, one.change): one.windows for one in judge_on(before).foreseen(rows=1_000)}
    assert 1 < ahead["delay", "mean +0.2 sd"] < 5
    assert ahead["carrier", "commonest cell +3 points"] is None
    assert ahead["carrier", "commonest cell +10 points"] < 5
    with pytest.raises(SpecError, match="Windows without rows"):
        judge_on(before).foreseen(rows=0)
