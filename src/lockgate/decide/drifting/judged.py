"""Evidence and effect become a judgement: a drift needs both, evidence over its line and an effect beyond eps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.drifting import effect
from lockgate.decide.drifting.effect import share
from lockgate.decide.drifting.lines import Lines, counted, drawn_up
from lockgate.decide.judgement import Judgement
from lockgate.records import Evidence, Gate, Ruling
from lockgate.records.drift import Moved
from lockgate.records.profile import SMALL_REFERENCE, ColumnProfile, Pair, Profile, Role
from lockgate.stats import onset, score_bet
from lockgate.stats.multiplicity import checked_alpha, e_bh

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LIST_ALPHA = 0.1
MOST_NAMED = 3


class Found(NamedTuple):
    judgement: Judgement
    moved: tuple[Moved, ...]


class Seen(NamedTuple):
    """What there is to judge. log_e: shape (lines,), log of each line's average of bets; rows: by cell, for each line;
    window: the profile that the words about means are taken from; since: by line, None of one window alone.
    """

    log_e: Floats
    rows: Sequence[Ints]
    window: Profile
    since: Sequence[int] | None = None


def once(
    reference: Profile,
    window: Profile,
    *,
    eps: float,
    delta: float,
    alpha: float,
    deff: float,
    lines: Lines | None = None,
) -> Found:
    """One window, looked at once: drifted where the columns' average e-value reaches 1/alpha and an effect goes beyond eps.

    Raises SpecError for profiles that cannot be compared, and for an alpha, eps, delta or deff that cannot be.
    """
    checked_alpha(alpha)
    drawn = drawn_up(reference, eps, delta) if lines is None else lines
    rows = counted(drawn, reference, window)
    each = [
        float(score_bet.log_mean(line.bets, score_bet.log_e(line.bets, its, deff=deff)))
        for line, its in zip(drawn.lines, rows, strict=True)
    ]
    log_e = np.array(each)
    moved = rank(drawn, reference, Seen(log_e, rows, window), alpha=alpha, windows=1)
    whole = onset.log_mean(log_e, drawn.weights)
    line = -math.log(alpha)
    gate = Gate(
        name="drift",
        question="harm",
        claim="drifted",
        measure="inputs and predictions",
        method=f"score bets, {len(drawn.items)} columns and pairs averaged, looked at once",
        margin=eps,
        alpha=alpha,
        guarantee="calibrated",
    )
    evidence = Evidence(
        estimate=max((one.distance for one in moved), default=0.0),
        log_e=whole,
        n=(reference.rows, window.rows),
        design_effect=deff,
        since_s=window.since_s,
        until_s=window.until_s,
        detail={"line": line, "eps": eps, "delta": delta},
    )
    has_drifted = whole >= line and has_effect(moved, eps)
    sentence = told(moved if has_drifted else (), whole, line, rows=window.rows, before=reference.rows, eps=eps)
    ruling = Ruling.FAIL if has_drifted else Ruling.UNDECIDED
    return Found(Judgement(ruling=ruling, gate=gate, evidence=evidence, sentence=sentence), moved)


def has_effect(moved: Sequence[Moved], eps: float) -> bool:
    return bool(moved) and any(one.distance > eps for one in chosen(moved))


def rank(lines: Lines, reference: Profile, seen: Seen, *, alpha: float, windows: int) -> tuple[Moved, ...]:
    """Every column and pair, by what it may do to the model; those listed that e-BH lets stand at `alpha`.

    Columns and pairs are two lists, for there are many more pairs. windows: that M has summed over; M over it is listed.
    """
    places: list[list[int]] = [[] for _ in lines.items]
    for place, line in enumerate(lines.lines):
        places[line.item].append(place)
    log_e = np.array(
        [float(np.logaddexp.reduce(seen.log_e[own])) - math.log(len(own)) if own else 0.0 for own in places]
    )
    stands = np.zeros(log_e.size, dtype=np.bool_)
    for part in (slice(0, lines.columns), slice(lines.columns, None)):
        if log_e[part].size:
            stands[part] = e_bh(log_e[part] - math.log(windows), alpha=alpha).is_rejected
    columns: dict[tuple[str, Role], ColumnProfile] = {
        (column.name, column.role): column for column in seen.window.columns
    }
    found: list[Moved] = []
    for item, own in enumerate(places):
        if own:
            found.append(
                _moved(
                    lines, item, own, seen, columns, reference, log_e=float(log_e[item]), is_listed=bool(stands[item])
                )
            )
    return tuple(sorted(found, key=lambda one: (one.is_listed, one.weight, one.log_e), reverse=True))


def _moved(
    lines: Lines,
    item: int,
    own: list[int],
    seen: Seen,
    columns: dict[tuple[str, Role], ColumnProfile],
    reference: Profile,
    *,
    log_e: float,
    is_listed: bool,
) -> Moved:
    what = lines.items[item]
    now = None if isinstance(what, Pair) else columns.get((what.name, what.role))
    far = effect.of(what, [lines.lines[place] for place in own], [seen.rows[place] for place in own], now)
    leading = max(own, key=lambda place: seen.log_e[place])
    importance = reference.importance
    both = (what.first, what.second) if isinstance(what, Pair) else (what.name,)
    return Moved(
        column=both[0],
        other=both[1] if len(both) > 1 else None,
        role="input" if isinstance(what, Pair) else what.role,
        is_listed=is_listed,
        log_e=log_e,
        distance=far.distance,
        shift=far.shift,
        importance=max((importance.get(name, 0.0) for name in both), default=0.0),
        since=None if seen.since is None else seen.since[leading],
        says=far.says,
    )


def named(item: ColumnProfile | Pair) -> str:
    """As `Moved.name` has it."""
    return f"{item.first} with {item.second}" if isinstance(item, Pair) else item.name


def told(moved: Sequence[Moved], log_e: float, line: float, *, rows: int, before: int, eps: float) -> str:
    """The verdict in a sentence: what moved, how, and on how much evidence. moved: empty where nothing is shown."""
    if not rows:
        return "The window has no rows, so nothing can be said of it."
    on = f"evidence {number(log_e)} of {number(line)}, {rows:,} rows against {before:,}"
    if not moved:
        return f"Nothing is shown to have moved by more than {share(eps)} of its rows: {on}."
    listed = chosen(moved)
    named = "; ".join(f"{one.name}: {one.says}" for one in listed[:MOST_NAMED])
    more = f"; and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
    return f"Moved: {named}{more} ({on})."


def chosen(moved: Sequence[Moved]) -> tuple[Moved, ...]:
    """Those listed, without pairs of which a column moved by itself; where evidence is shared among too many for any to be
    listed, the foremost.
    """
    alone = {one.column for one in moved if one.is_listed and one.other is None}
    listed = [one for one in moved if one.is_listed and (one.other is None or not alone & {one.column, one.other})]
    return tuple(listed) or (max(moved, key=lambda one: one.log_e),)


def number(log_value: float) -> str:
    """An e-value as a person reads it."""
    if log_value > math.log(1e6):
        return f"1e{log_value / math.log(10):.0f}"
    value = float(f"{math.exp(log_value):.3g}")
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def notes(reference: Profile, lines: Lines) -> tuple[str, ...]:
    """What the reference is too small to show, and what is not looked at."""
    found: list[str] = []
    if reference.rows < SMALL_REFERENCE:
        found.append(
            f"The reference has {reference.rows:,} rows: too small for small drifts; {SMALL_REFERENCE:,} and more show a "
            "mean moved by 0.2 sd within some three windows of 1,000 rows."
        )
    told_of = {line.item for line in lines.lines}
    left = [
        item.name for place, item in enumerate(lines.items) if place not in told_of and isinstance(item, ColumnProfile)
    ]
    if left:
        found.append(f"Not bet on, for it follows the clock: {', '.join(left)}.")
    return tuple(found)
