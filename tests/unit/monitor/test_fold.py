"""The fold: late, early, double and shuffled facts give the counts they would have given in order."""

from __future__ import annotations

import random

import pytest

from lockgate.monitor.call import Call
from lockgate.monitor.closed import ClosedCalls
from lockgate.monitor.fold import DAY_S, PATIENCE_S, Fold
from lockgate.monitor.ways import ROUTED
from lockgate.records import Cell, Outcome, Prediction, Shadow
from lockgate.records.prediction import LogEntry

HOUR_S = 3600.0
HORIZON_S = 12 * HOUR_S


def call(name: str, asked_s: float, *, arm: str = "champion", share: float = 0.25, **more: object) -> Prediction:
    version = "new" if arm == "challenger" else "old"
    return Prediction(
        id=name,
        model="m",
        unit=name,
        asked_s=asked_s,
        answered_s=asked_s,
        arm=arm,  # type: ignore[arg-type]
        version=version,
        served_by=version,
        value=0.5,
        latency_ms=1,
        share=share,
        rollout="r1",
        **more,  # type: ignore[arg-type]
    )


def shadow(of: Prediction, *, failure: str | None = None, flags: tuple[str, ...] = ()) -> Shadow:
    version = "old" if of.arm == "challenger" else "new"
    value = None if failure else 0.4
    return Shadow(
        id=of.id,
        model="m",
        version=version,
        rollout="r1",
        asked_s=of.asked_s,
        value=value,
        latency_ms=1,
        failure=failure,
        flags=flags,
    )


def outcome(name: str, value: float = 1.0, *, at_s: float = HOUR_S, received_s: float = HOUR_S) -> Outcome:
    return Outcome(id=name, model="m", value=value, at_s=at_s, received_s=received_s)


def day_of_calls() -> list[LogEntry]:
    """Two days, both arms, some failures, shadows and outcomes, one outcome corrected."""
    found: list[LogEntry] = []
    for number in range(60):
        failure = "late" if number % 7 == 0 else None
        arm = "challenger" if number % 3 == 0 else "champion"
        asked = call(f"p{number}", number * 0.8 * HOUR_S, arm=arm, failure=failure, share=0.05 if number < 20 else 0.25)
        found += [asked, shadow(asked, failure="raised" if number % 11 == 0 else None)]
        found.append(outcome(asked.id, float(number % 2), at_s=asked.asked_s + HOUR_S, received_s=1e6 + number))
    found.append(outcome("p5", 0.25, received_s=2e6))
    return found


def folded(entries: list[LogEntry], pieces: int = 1) -> Fold:
    fold = Fold("m", horizon_s=HORIZON_S)
    for piece in range(pieces):
        fold.feed(entries[piece::pieces])
    return fold


def cells(fold: Fold, rollout: str = "r1") -> dict[float, Cell]:
    return fold.open_calls().of_rollout(rollout).cells()


def known(call: Call) -> tuple[object, ...]:
    routed = tuple(getattr(call.routed, field) for field in ROUTED)
    return call.key, call.unit, call.value, call.latency_ms, routed, call.shadows, call.outcome


def state(fold: Fold) -> tuple[object, ...]:
    calls = {c.id: known(c) for c in fold.open_calls()}
    closable = {day: {c.id for c in found} for day, found in fold.closable()}
    return calls, closable, cells(fold), fold.watermark_s


@pytest.mark.parametrize("seed", range(10))
def test_any_order_any_pieces_and_any_repeats_give_the_same_calls_and_counts(seed: int) -> None:
    entries = day_of_calls()
    chance = random.Random(seed)
    shuffled = entries + chance.sample(entries, 40)
    chance.shuffle(shuffled)
    assert state(folded(shuffled, pieces=1 + seed)) == state(folded(entries))


def test_the_counts_are_those_made_by_hand() -> None:
    found = cells(folded(day_of_calls()))
    assert sorted(found) == [0.05, 0.25]
    assert sum((cell.calls[0] for cell in found.values()), 0) == 40
    assert sum((cell.calls[1] for cell in found.values()), 0) == 20
    assert sum(sum(cell.failures) for cell in found.values()) == len(range(0, 60, 7))
    assert sum(cell.pairs for cell in found.values()) == 60


def test_the_latest_received_outcome_wins_whichever_comes_first() -> None:
    asked = call("p", 0)
    early, late = outcome("p", 0.0, received_s=10), outcome("p", 1.0, received_s=20)
    for entries in ([asked, early, late], [asked, late, early], [late, early, asked], [early, asked, late]):
        (found,) = folded(list(entries)).open_calls()
        assert found.outcome == late


def test_entries_of_another_model_or_rollout_are_passed_over() -> None:
    other = Prediction(
        id="q",
        model="other",
        unit="",
        asked_s=9e9,
        answered_s=0,
        arm="champion",
        version="v",
        served_by="v",
        value=0,
        latency_ms=0,
    )
    fold = folded([other, call("p", 0)])
    assert fold.watermark_s == 0
    assert cells(fold, "r2") == {}
    assert len(list(fold.open_calls())) == 1


def test_a_day_closes_only_once_it_is_over_and_older_than_the_horizon() -> None:
    fold = folded([call("p", HOUR_S)])
    fold.feed([call("q", DAY_S + HORIZON_S - 1)])
    assert list(fold.closable()) == []
    fold.feed([call("r", DAY_S + HORIZON_S)])
    assert [(day, [c.id for c in found]) for day, found in fold.closable()] == [(0, ["p"])]


def test_a_closed_day_is_forgotten_and_nothing_of_it_comes_back() -> None:
    asked = call("p", HOUR_S)
    fold = folded([asked, call("q", DAY_S + HOUR_S)])
    fold.close(0)
    fold.feed([asked, shadow(asked), outcome("p")])
    assert [c.id for c in fold.open_calls()] == ["q"]
    assert cells(fold) == {0.25: Cell(share=0.25, calls=(1, 0))}


def test_a_fold_made_again_from_the_log_after_a_restart_is_the_one_that_was() -> None:
    entries = day_of_calls()
    first = folded(entries)
    first.close(0)
    again = Fold("m", horizon_s=HORIZON_S, closed_until_s=DAY_S)
    again.feed(entries)
    assert state(again) == state(first)


def test_an_outcome_whose_call_never_came_is_counted_once_its_day_has_closed() -> None:
    fold = folded([outcome("nobody"), call("p", HOUR_S)])
    assert fold.unknown_outcomes == 0
    fold.close(0)
    assert fold.unknown_outcomes == 1
    fold.close(DAY_S)
    assert fold.unknown_outcomes == 1


def test_a_call_that_failed_says_nothing_but_its_shadow_does() -> None:
    asked = call("p", 0, failure="late")
    (found,) = folded([asked, shadow(asked)]).open_calls()
    assert found.value_of("old") is None
    assert found.value_of("new") == 0.4
    assert found.value_of("other") is None


@pytest.mark.parametrize(
    ("served", "other", "failed_only", "bad"),
    [(None, None, (0, 0), 0), ("late", None, (1, 0), 0), (None, "late", (0, 1), 1), ("late", "late", (0, 0), 1)],
)
def test_a_pair_counts_where_one_version_alone_failed(
    served: str | None, other: str | None, failed_only: tuple[int, int], bad: int
) -> None:
    asked = call("p", 0, failure=served)
    cell = cells(folded([asked, shadow(asked, failure=other)]))[0.25]
    assert (cell.pairs, cell.failed_only, cell.bad) == (1, failed_only, bad)


def test_a_pair_is_told_by_version_also_where_the_challenger_served() -> None:
    asked = call("p", 0, arm="challenger", failure="late")
    cell = cells(folded([asked, shadow(asked)]))[0.25]
    assert (cell.calls, cell.failures, cell.failed_only, cell.bad) == ((0, 1), (0, 1), (0, 1), 1)


def test_what_the_row_itself_broke_is_no_versions_break() -> None:
    asked = call("p", 0, flags=("temp: above range",))
    both = shadow(asked, flags=("input temp: above range",))
    own = shadow(asked, flags=("input speed: below range",))
    assert cells(folded([asked, both]))[0.25].broke_only == (0, 0)
    assert cells(folded([asked, own]))[0.25].broke_only == (0, 1)


def test_a_column_that_a_version_misses_is_its_failure_and_its_contract_break_on_either_arm() -> None:
    missing = ("input humidity: missing",)
    on_champion, on_challenger = call("p", 0), call("q", 1, arm="challenger", failure="contract", flags=missing)
    facts = [on_champion, shadow(on_champion, failure="contract", flags=missing), on_challenger, shadow(on_challenger)]
    cell = cells(folded(facts))[0.25]
    assert (cell.pairs, cell.failed_only, cell.broke_only, cell.bad) == (2, (0, 2), (0, 2), 2)


def test_calls_are_handed_out_once_in_canonical_order_behind_the_watermark() -> None:
    asked = [call("b", 10.0), call("a", 10.0), call("c", 5.0)]
    fold = folded([fact for one in asked for fact in (one, shadow(one))])
    assert [c.id for c in fold.ripe("r1")] == ["c"]
    fold.feed([call("later", 100.0)])
    assert [c.id for c in fold.ripe("r1")] == ["a", "b"]
    assert len(fold.ripe("r1")) == 0


def test_a_call_waits_for_its_shadow_and_those_behind_it_wait_too_but_not_for_ever() -> None:
    alone, complete = call("alone", 10.0), call("complete", 11.0)
    fold = folded([alone, complete, shadow(complete), call("later", 30.0)])
    assert len(fold.ripe("r1")) == 0
    fold.feed([call("much later", 10.0 + PATIENCE_S)])
    assert [c.id for c in fold.ripe("r1")] == ["alone", "complete"]
    fold.feed([shadow(alone)])
    assert fold.late_shadows == ["alone"]


def test_a_call_is_judged_once_it_is_older_than_its_deadline_so_one_that_hung_is_not_late() -> None:
    fold = Fold("m", horizon_s=HORIZON_S, deadline_s=30.0)
    quick, hung = call("quick", 11.0), call("hung", 10.0, failure="late")
    fold.feed([quick, shadow(quick), call("later", 39.0)])
    assert len(fold.ripe("r1")) == 0, "under its deadline and a second of slack"
    fold.feed([hung, shadow(hung), call("much later", 42.0)])
    assert [c.id for c in fold.ripe("r1")] == ["hung", "quick"]


@pytest.mark.parametrize("seed", range(5))
def test_shards_in_any_order_are_handed_out_in_one_order(seed: int) -> None:
    entries = day_of_calls()
    shuffled = list(entries)
    random.Random(seed).shuffle(shuffled)
    handed = [[known(c) for c in folded(list(order)).ripe("r1")] for order in (entries, shuffled)]
    assert handed[0] == handed[1]
    assert len(handed[0]) > 50


def test_a_call_dated_in_the_future_closes_no_day_until_its_time_has_come() -> None:
    now_s = 20_000 * DAY_S
    fold = Fold("m", horizon_s=HORIZON_S)
    fold.feed([call(f"p{n}", now_s + n) for n in range(9)], now_s=now_s + 9)
    fold.feed([call("bad", now_s + 400 * DAY_S)], now_s=now_s + 9)
    assert fold.watermark_s == now_s + 8
    assert list(fold.closable()) == []
    # A day of old calls that are fed meanwhile closes as if the other had not been there.
    fold.feed([call("next", now_s + DAY_S + HORIZON_S)], now_s=now_s + 2 * DAY_S)
    assert [len(calls) for _, calls in fold.closable()] == [9]
    fold.close(now_s)
    fold.feed([], now_s=now_s + 401 * DAY_S)
    assert fold.watermark_s == now_s + 400 * DAY_S


def test_a_call_of_now_is_taken_though_the_loops_clock_is_a_little_behind() -> None:
    fold = Fold("m", horizon_s=HORIZON_S)
    fold.feed([call("p", 1_000.0)], now_s=990.0)
    assert fold.watermark_s == 1_000.0


def month() -> list[LogEntry]:
    """30 days of calls, each with its outcome an hour later."""
    found: list[LogEntry] = []
    for number in range(30 * 20):
        asked = call(f"p{number}", number * DAY_S / 20)
        found += [asked, outcome(asked.id, at_s=asked.asked_s + HOUR_S)]
    return found


def closing(fold: Fold, entries: list[LogEntry]) -> Fold:
    for entry in entries:
        fold.feed([entry])
        for day, _ in list(fold.closable()):
            fold.close(day)
    return fold


@pytest.mark.parametrize("order", ["as written", "outcomes first"])
def test_after_a_restart_the_outcomes_of_closed_days_are_neither_held_nor_unknown(order: str) -> None:
    entries = month()
    first = closing(Fold("m", horizon_s=HORIZON_S), entries)
    assert (first.unknown_outcomes, first.late_outcomes) == (0, 0)
    if order == "outcomes first":
        entries = sorted(entries, key=lambda entry: isinstance(entry, Prediction))
    again = Fold("m", horizon_s=HORIZON_S, closed_until_s=29 * DAY_S)
    again.feed(entries)
    assert len(again._early) == 0
    closing(again, [call("n", 30 * DAY_S + HOUR_S), call("m", 32 * DAY_S)])
    assert (again.unknown_outcomes, again.late_outcomes) == (0, 0)


def test_an_outcome_that_comes_after_its_day_was_closed_is_late_and_one_of_no_call_unknown() -> None:
    fold = closing(Fold("m", horizon_s=HORIZON_S), month())
    fold.feed([outcome("p550", at_s=27.6 * DAY_S, received_s=31 * DAY_S)])
    fold.feed([outcome("nobody", at_s=27.6 * DAY_S, received_s=31 * DAY_S)])
    closing(fold, [call("n", 30 * DAY_S + HOUR_S), call("m", 32 * DAY_S)])
    assert (fold.unknown_outcomes, fold.late_outcomes) == (1, 1)


def test_what_is_remembered_of_closed_days_is_bounded() -> None:
    fold = Fold("m", horizon_s=HORIZON_S)
    for day in range(60):
        closing(fold, [call(f"{day}-{n}", day * DAY_S + n) for n in range(3)])
    assert len(fold._closed._days) <= 17


def test_thousands_of_ids_of_a_day_are_told_from_others() -> None:
    closed = ClosedCalls()
    for number in range(5_000):
        closed.add(number % 2 * DAY_S, f"p{number}")
    found = [closed.day_of(f"p{number}", known_s=DAY_S) for number in range(6_000)]
    assert found == [*(number % 2 * DAY_S for number in range(5_000)), *[None] * 1_000]
    closed.forget(DAY_S)
    assert closed.day_of("p2", known_s=0.0) is None
    assert closed.day_of("p3", known_s=0.0) == DAY_S
