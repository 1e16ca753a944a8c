"""The alpha budget: what a model's gates have spent, and what is left, computed from the draws themselves.

Draws bound the mean number of wrong verdicts by their sum, however the gates depend on each other: each wrong verdict has
at most its gate's alpha as its chance, and means add (Bonferroni 1936).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from lockgate.errors import SpecError
from lockgate.records import BudgetSpec, Spend
from lockgate.records.duration import minute, seconds
from lockgate.records.spend import LATEST_S

# Alphas are decimals rounded to binary: three of .1 add up to more than .3 in the last digit, and may be spent from it.
ROUNDING = 1e-12


def spent(spends: Sequence[Spend], *, since_s: float, until_s: float = math.inf) -> float:
    """The alpha drawn after `since_s`, up to and with `until_s`; exact, so the order of the draws changes no bit."""
    return math.fsum(s.alpha for s in spends if since_s < s.at_s <= until_s)


def remaining(spec: BudgetSpec, spends: Sequence[Spend], at_s: float) -> float:
    """The alpha that may still be drawn at event time `at_s`; 0 where the budget was overdrawn, as by a narrower spec.

    spends: one model's, in any order, also later ones. A draw counts against every stretch of the window's length that
    holds it, and is back once the window has passed.
    """
    return max(0.0, spec.alpha - _most(spec, spends, at_s))


def check(spec: BudgetSpec, spends: Sequence[Spend], wanted: float, at_s: float, *, model: str) -> None:
    """Whether `wanted` may be drawn at event time `at_s`. Raises SpecError saying what is left, and when it is enough.

    spends: as in `remaining`.
    """
    if not wanted >= 0:
        raise SpecError(f"An alpha of {wanted} cannot be spent.", cure="Give a sum of chances.")
    if _fits(spec, _most(spec, spends, at_s) + wanted):
        return
    left = remaining(spec, spends, at_s)
    raise SpecError(
        f"The alpha budget of {model} has {left:.6g} left of {spec.alpha:g} within {spec.window}, and {wanted:.6g} is "
        f"wanted at {_when(at_s)}; {_back(spec, spends, wanted)}.",
        cure=f"Ask with fewer gates, or a smaller alpha; or widen budget.alpha of model.{model} in lockgate.toml, before "
        "the first look.",
    )


def check_all(spec: BudgetSpec, spends: Sequence[Spend], draws: Sequence[Spend]) -> None:
    """Whether one model's `draws` may be made together, on top of `spends`. Raises SpecError as `check` does."""
    made = list(spends)
    for at_s in sorted({draw.at_s for draw in draws}):
        together = [draw for draw in draws if draw.at_s == at_s]
        check(spec, made, math.fsum(draw.alpha for draw in together), at_s, model=together[0].model)
        made += together


def _most(spec: BudgetSpec, spends: Sequence[Spend], at_s: float) -> float:
    """The most drawn in any stretch that holds `at_s`: one that ends there, or with a draw that came later."""
    length = seconds(spec.window)
    near = [s for s in spends if at_s - length < s.at_s < at_s + length]
    ends = {at_s, *(s.at_s for s in near if s.at_s > at_s)}
    return max(spent(near, since_s=end - length, until_s=end) for end in ends)


def _fits(spec: BudgetSpec, total: float) -> bool:
    return total <= spec.alpha * (1 + ROUNDING)


def _back(spec: BudgetSpec, spends: Sequence[Spend], wanted: float) -> str:
    """By when it fits for certain: once so many of the oldest draws are a window ago that all the later ones leave room."""
    if not _fits(spec, wanted):
        return "so much never comes back: it is more than all of it"
    times = sorted({s.at_s for s in spends})
    place = bisect_left(times, True, key=lambda time: _fits(spec, spent(spends, since_s=time) + wanted))
    return f"enough is back by {_when(times[place] + seconds(spec.window))}"


def _when(at_s: float) -> str:
    """The minute, rounded up: 2013-04-01 10:00 UTC."""
    up_s = 60.0 * math.ceil(at_s / 60)
    return minute(up_s) if up_s < LATEST_S else "a year past 9999"
