"""The alpha budget: exact sums, any stretch of the window's length, and a refusal that says when to come again."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from itertools import count

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.decide.budget import check, check_all, remaining, spent
from lockgate.errors import ConfigError, SpecError
from lockgate.records import BudgetSpec, ModelSpec, Spend, decode, encode, spend_id

DAY = 86400.0
YEAR = 365 * DAY
NEW_YEAR = 1577836800.0  # 2020-01-01
number = count()


def draw(alpha: float, at_s: float = NEW_YEAR, **changes: object) -> Spend:
    named = {
        "id": f"s{next(number)}",
        "model": "delay",
        "gate": "worth",
        "alpha": alpha,
        "at_s": at_s,
        "written_s": 1.0,
    }
    return Spend(**(named | changes))  # type: ignore[arg-type]


def most_in_any_stretch(draws: list[Spend], length_s: float) -> float:
    """By looking at each stretch that begins with a draw, and so misses none that matters."""
    stretches = ([d.alpha for d in draws if 0 <= d.at_s - first.at_s < length_s] for first in draws)
    return max(map(math.fsum, stretches), default=0.0)


def is_admitted(spec: BudgetSpec, held: list[Spend], wanted: Spend) -> bool:
    try:
        check(spec, held, wanted.alpha, wanted.at_s, model="delay")
    except SpecError:
        return False
    return True


def test_a_model_may_be_wrong_twice_a_year_by_default() -> None:
    assert ModelSpec(target="y").budget == BudgetSpec(alpha=2.0, window="365d")


def test_nothing_spent_leaves_all_of_it() -> None:
    assert spent([], since_s=0) == 0
    assert remaining(BudgetSpec(), [], NEW_YEAR) == 2


def test_draws_add_up_to_the_last_bit_in_any_order() -> None:
    rng = np.random.default_rng(1)
    draws = [draw(float(alpha)) for alpha in rng.random(1000) * 10.0 ** -rng.integers(1, 12, 1000)]
    total = spent(draws, since_s=0)
    assert total == math.fsum(d.alpha for d in draws)
    assert all(spent([draws[i] for i in rng.permutation(1000)], since_s=0) == total for _ in range(5))


def test_a_stretch_leaves_out_its_start_and_holds_its_end() -> None:
    draws = [draw(0.1, 10), draw(0.2, 20), draw(0.4, 30)]
    assert spent(draws, since_s=10) == pytest.approx(0.6)
    assert spent(draws, since_s=10, until_s=20) == 0.2
    assert spent(draws, since_s=30) == 0


def test_a_draw_is_back_once_the_window_has_passed_and_not_before() -> None:
    spec, draws = BudgetSpec(alpha=0.05, window="365d"), [draw(0.05)]
    assert remaining(spec, draws, NEW_YEAR) == 0
    assert remaining(spec, draws, NEW_YEAR + YEAR - 1) == 0
    assert remaining(spec, draws, NEW_YEAR + YEAR) == 0.05


def test_a_draw_dated_before_others_counts_against_the_stretches_that_hold_both() -> None:
    """A gate on old data is dated earlier than draws made before it: they share a year all the same."""
    spec = BudgetSpec(alpha=0.1)
    later = [draw(0.08, NEW_YEAR + 300 * DAY)]
    assert remaining(spec, later, NEW_YEAR) == pytest.approx(0.02)
    assert remaining(spec, later, NEW_YEAR - 65 * DAY) == 0.1


def test_draws_on_both_sides_that_share_no_stretch_do_not_add_up() -> None:
    spec = BudgetSpec(alpha=0.1)
    around = [draw(0.06, NEW_YEAR - 300 * DAY), draw(0.08, NEW_YEAR + 300 * DAY)]
    assert remaining(spec, around, NEW_YEAR) == pytest.approx(0.02)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.sampled_from((0.1, 0.3, 0.5, 0.7))), max_size=25),
    st.integers(1, 20),
)
def test_no_stretch_ever_holds_more_than_the_budget_and_nothing_that_fits_is_refused(
    asked: list[tuple[int, float]], days: int
) -> None:
    spec, held = BudgetSpec(alpha=1.0, window=f"{days}d"), list[Spend]()
    for day, alpha in asked:
        wanted = draw(alpha, day * DAY)
        would_hold = most_in_any_stretch([*held, wanted], days * DAY)
        assert is_admitted(spec, held, wanted) == (would_hold <= 1 + 1e-9)
        if is_admitted(spec, held, wanted):
            held.append(wanted)
    assert most_in_any_stretch(held, days * DAY) <= 1 + 1e-9


def test_round_decimals_may_be_spent_to_the_end_although_binary_has_none() -> None:
    """The three tenths add up to more than .3 in the last bit."""
    assert math.fsum([0.1] * 3) > 0.3
    check(BudgetSpec(alpha=0.3), [draw(0.1), draw(0.1)], 0.1, NEW_YEAR, model="delay")
    thirds = [draw(0.01 / 3) for _ in range(2)]
    check(BudgetSpec(alpha=0.01), thirds, 0.01 / 3, NEW_YEAR, model="delay")
    with pytest.raises(SpecError):
        check(BudgetSpec(alpha=0.3), [draw(0.1), draw(0.1)], 0.1 + 1e-9, NEW_YEAR, model="delay")


def test_draws_too_small_to_see_are_not_free() -> None:
    spec, full = BudgetSpec(alpha=0.5), [draw(0.5)]
    slivers = [draw(1e-13) for _ in range(20)]
    with pytest.raises(SpecError, match=r"left of 0\.5"):
        check_all(spec, [*full, *slivers[:10]], slivers[10:])


def test_a_refusal_names_the_model_what_is_left_what_was_wanted_and_the_cure() -> None:
    with pytest.raises(SpecError) as caught:
        check(BudgetSpec(alpha=0.12), [draw(0.1)], 0.05, NEW_YEAR + DAY, model="delay")
    assert str(caught.value) == (
        "The alpha budget of delay has 0.02 left of 0.12 within 365d, and 0.05 is wanted at 2020-01-02 00:00 UTC; enough "
        "is back by 2020-12-31 00:00 UTC. Ask with fewer gates, or a smaller alpha; or widen budget.alpha of model.delay "
        "in lockgate.toml, before the first look."
    )


def test_the_time_named_is_the_first_at_which_it_fits() -> None:
    spec = BudgetSpec(alpha=0.1, window="30d")
    draws = [draw(0.03, NEW_YEAR + day * DAY) for day in (0, 5, 9)]
    for wanted, day in ((0.02, 30), (0.05, 35), (0.08, 39), (0.1, 39)):
        back_s = NEW_YEAR + day * DAY
        said = datetime.fromtimestamp(back_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
        with pytest.raises(SpecError, match=f"enough is back by {said}"):
            check(spec, draws, wanted, NEW_YEAR + 20 * DAY, model="delay")
        check(spec, draws, wanted, back_s, model="delay")
        with pytest.raises(SpecError):
            check(spec, draws, wanted, back_s - 1, model="delay")


def test_the_time_named_is_rounded_up_to_the_minute_that_works() -> None:
    spec, draws = BudgetSpec(alpha=0.1, window="1d"), [draw(0.1, NEW_YEAR + 0.5)]
    with pytest.raises(SpecError, match="2020-01-02 00:01 UTC"):
        check(spec, draws, 0.1, NEW_YEAR + 60, model="delay")


def test_more_than_all_of_it_never_comes_back() -> None:
    with pytest.raises(SpecError, match=r"has 0\.04 left.*0\.05 is wanted.*never comes back"):
        check(BudgetSpec(alpha=0.04), [], 0.05, NEW_YEAR, model="delay")


def test_a_window_of_forever_gives_no_date() -> None:
    with pytest.raises(SpecError, match="by a year past 9999"):
        check(BudgetSpec(alpha=0.1, window="9999999d"), [draw(0.1)], 0.1, NEW_YEAR, model="delay")


def test_a_budget_made_narrower_than_what_is_spent_has_nothing_left() -> None:
    assert remaining(BudgetSpec(alpha=0.05), [draw(0.1)], NEW_YEAR) == 0
    with pytest.raises(SpecError, match="has 0 left"):
        check(BudgetSpec(alpha=0.05), [draw(0.1)], 0.01, NEW_YEAR, model="delay")


def test_several_draws_are_judged_together_also_at_different_times() -> None:
    spec = BudgetSpec(alpha=0.1)
    check_all(spec, [], [draw(0.05), draw(0.05)])
    check_all(spec, [], [draw(0.1, NEW_YEAR + YEAR), draw(0.1, NEW_YEAR)])
    for at_s in (NEW_YEAR, NEW_YEAR + DAY, NEW_YEAR - DAY):
        with pytest.raises(SpecError):
            check_all(spec, [draw(0.01)], [draw(0.05), draw(0.05, at_s)])
    check_all(spec, [draw(0.1)], [])


@pytest.mark.parametrize("wanted", [math.nan, -0.1])
def test_what_is_no_sum_of_chances_is_refused(wanted: float) -> None:
    with pytest.raises(SpecError, match="cannot be spent"):
        check(BudgetSpec(), [], wanted, NEW_YEAR, model="delay")


@pytest.mark.parametrize("alpha", [0.0, -0.1, 1.0, math.nan, math.inf])
def test_a_draw_of_no_chance_is_refused_by_its_gate(alpha: float) -> None:
    with pytest.raises(SpecError, match=r"'worth' of delay would spend an alpha of"):
        draw(alpha)


@pytest.mark.parametrize("at_s", [math.nan, math.inf, -1.0, 1.6e12])
def test_a_draw_at_no_time_would_escape_every_window_and_is_refused(at_s: float) -> None:
    with pytest.raises(SpecError, match=r"at_s = .* is no time"):
        draw(0.1, at_s)
    with pytest.raises(SpecError, match=r"written_s = .* is no time"):
        draw(0.1, written_s=at_s)


@pytest.mark.parametrize("alpha", [0.0, -1.0, math.nan, math.inf])
def test_a_budget_that_cannot_be_spent_from_is_refused(alpha: float) -> None:
    with pytest.raises(SpecError, match=r"budget\.alpha of"):
        BudgetSpec(alpha=alpha)


@pytest.mark.parametrize("window", ["", "a year", "0d", "-1d"])
def test_a_window_that_is_no_duration_is_refused(window: str) -> None:
    with pytest.raises(ConfigError, match="not a duration"):
        BudgetSpec(window=window)


def test_an_id_follows_from_what_is_judged_and_from_nothing_else() -> None:
    assert spend_id("delay", ("r1",), "worth") == spend_id("delay", ("r1",), "worth")
    asked = [("delay", ("r1",), "worth"), ("delay", ("r1",), "safe at 5%"), ("delay", ("r2",), "worth")]
    asked += [("fares", ("r1",), "worth"), ("delay", ("a", "b"), "worth"), ("delay", ("b", "a"), "worth")]
    assert len({spend_id(*each) for each in asked}) == len(asked)


def test_a_draw_repeated_later_by_somebody_else_is_the_same_draw_and_another_alpha_is_not() -> None:
    first = draw(0.05, id="s1", rollout="r1")
    again = msgspec.structs.replace(first, at_s=NEW_YEAR + DAY, written_s=9.0, by="ada")
    assert again.repeats(first)
    changes = ({"alpha": 0.01}, {"gate": "safe"}, {"model": "fares"}, {"rollout": None}, {"id": "s2"})
    assert not any(msgspec.structs.replace(first, **change).repeats(first) for change in changes)


def test_a_draw_is_read_back_as_it_was_written() -> None:
    spend = draw(0.05 / 3, NEW_YEAR + 0.123, rollout="r1", by="ada")
    assert decode(Spend, encode(spend)) == spend
