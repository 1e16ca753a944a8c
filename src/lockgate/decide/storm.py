"""A fallback storm: do more of the champion's calls fail than may, and is it over?

It begins where an e-detector crosses: with a share of failures at most `worst`, whatever their dependence, a false beginning
comes after `run_length` calls or more on average (`lockgate.stats.change`). It ends where bets on a smaller share have
multiplied a hundredfold (`lockgate.stats.rate_bet`). They are looked at after every EVERY calls, counted from the beginning,
and begun anew where they are under water: a false end, with a share of `worst` or more, comes after 100 EVERY calls or more
on average. What is found follows from the calls in their order, however they fall into looks.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.judgement import Judgement
from lockgate.records import Evidence, Gate, Ruling
from lockgate.stats import change, rate_bet

RUN_LENGTH = 1_000_000.0  # the shortest: as many calls are seen before anybody knows how many come in a year
OVER_LINE = math.log(100)
EVERY = 50
AT_ONCE = 64  # looks of one stretch of bets
Bools = NDArray[np.bool_]
Turn = Literal["begun", "over"]


class Storm(NamedTuple):
    """What is remembered between looks. watch: the detector, None while a storm lasts; then calls and bad: since the bets
    that it is over were begun, which is a multiple of EVERY calls after the storm began.
    """

    watch: change.Watch | None
    calls: int = 0
    bad: int = 0


def calm(worst: float) -> Storm:
    """Before anything was seen. Raises SpecError unless `worst` is in (0, 1)."""
    return Storm(change.start_losses(worst))


def after(
    storm: Storm, failures: Bools, *, worst: float, run_length: float = RUN_LENGTH
) -> tuple[Storm, Turn | None, int]:
    """The state after some more calls, in order; whether a storm has begun or is over, and how many calls it took to know.

    Calls behind a turn are left to the next look. failures: shape (n,).
    """
    n = failures.size
    if storm.watch is not None:
        watch, path = change.after_losses(storm.watch, failures.astype(np.float64), worst=worst)
        crossed = np.flatnonzero(path >= math.log(run_length))
        if crossed.size:
            return Storm(None), "begun", int(crossed[0]) + 1
        return Storm(watch), None, n
    return _after_bets(storm, failures, worst)


def _after_bets(storm: Storm, failures: Bools, worst: float) -> tuple[Storm, Turn | None, int]:
    """The same while a storm lasts."""
    taken = np.arange(EVERY - storm.calls % EVERY, failures.size + 1, EVERY)  # calls before each look
    so_far = np.cumsum(failures, dtype=np.int64)
    calls, bad = storm.calls + taken, storm.bad + so_far[taken - 1]
    # Bets begun at the look before are under water at all other looks, which are passed over.
    fresh = rate_bet.log_e_under(np.full(taken.size, EVERY), np.diff(bad, prepend=bad[:1]), tolerance=worst)
    afloat = np.append(np.flatnonzero(fresh > 0), taken.size)
    look, calls_before, bad_before = 0, 0, 0
    while look < taken.size:
        ahead = slice(look, look + AT_ONCE)
        log_e = rate_bet.log_e_under(calls[ahead] - calls_before, bad[ahead] - bad_before, tolerance=worst)
        settled = np.flatnonzero((log_e <= 0) | (log_e >= OVER_LINE))
        if not settled.size:
            look += log_e.size
            continue
        look += int(settled[0]) + 1
        if log_e[settled[0]] >= OVER_LINE:
            return calm(worst), "over", int(taken[look - 1])
        look = int(afloat[np.searchsorted(afloat, look)])
        calls_before, bad_before = int(calls[look - 1]), int(bad[look - 1])
    n = failures.size
    return Storm(None, storm.calls + n - calls_before, storm.bad + int(failures.sum()) - bad_before), None, n


def judged(
    turn: Turn,
    *,
    calls: int,
    bad: int,
    reasons: dict[str, int],
    worst: float,
    until_s: float,
    run_length: float = RUN_LENGTH,
) -> Judgement:
    """The turn as a judgement. calls, bad: of the last stretch looked at; reasons: of its failures."""
    has_begun = turn == "begun"
    gate = Gate(
        name="fallbacks",
        question="harm",
        claim="harmful" if has_begun else "safe",
        measure="failures",
        method=f"e-detector, a false beginning in {run_length:,.0f} calls on average"
        if has_begun
        else "bet on a lower rate",
        margin=worst,
        alpha=None,
        guarantee="exact",
    )
    told = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items(), key=lambda one: -one[1]))
    sentence = (
        f"A fallback answered {bad:,} of the champion's last {calls:,} calls ({told}); {worst:.0%} may fail."
        if has_begun
        else f"The fallbacks are over: {bad:,} of the champion's last {calls:,} calls failed, and {worst:.0%} may."
    )
    evidence = Evidence(n=(calls,), events=(bad,), estimate=bad / calls if calls else None, until_s=until_s)
    return Judgement(ruling=Ruling.FAIL if has_begun else Ruling.PASS, gate=gate, evidence=evidence, sentence=sentence)
