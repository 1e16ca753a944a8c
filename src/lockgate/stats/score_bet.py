"""Score bets: has the distribution over fixed cells moved further than `eps` from where the reference had it?

A bet k is a positive score h_k on the cells. On a window of counts N (n rows) it pays `prod_j h_kj^N_j / C_k^n`, where
`C_k = U_k + eps (max h_k - min h_k)` and U_k bounds the mean of h_k under the true reference distribution p0, for all k at
once with chance 1 - delta over the draw of the reference. Whenever the total variation between p and p0 is at most eps,
`E_p[h_k] <= C_k`: the bet has a mean of at most 1, also against a p chosen anew each window with knowledge of the past.
So small movements that do not matter raise no evidence however many rows there are, and neither does an unlucky reference.

Scores aim at what happens to columns: the ratio of a moved distribution to the reference's, clipped at the two ends where
eps and the reference's own error would pass for it (the censored ratio is the best test between two such balls; Huber 1965),
and sets of cells, one cell or a half line, that grow or shrink. Everything about the reference is settled when the bets are
made; a window costs one product of a matrix and its counts. Assumes rows drawn independently within a window; where they
come in clusters, `log_e` is tempered by the design effect. METHODS 5; tests/calibration/test_drift_rates.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lockgate.errors import SpecError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

EPS, DELTA = 0.02, 0.05
# What may have happened, and its weight among its like: small movements, which are hard to see, take most of it.
MEANS = {0.1: 0.15, 0.15: 0.2, 0.2: 0.22, 0.3: 0.18, 0.5: 0.11, 0.8: 0.07, 1.5: 0.04, 3.0: 0.03}
SPREADS = {0.5: 0.04, 0.67: 0.08, 0.8: 0.16, 0.9: 0.22, 1.1: 0.22, 1.2: 0.16, 1.5: 0.08, 2.0: 0.04}
MARKS = (0.05, 0.25, 0.5, 0.75, 0.95)
MARK_THETAS = (0.3, 0.8, 2.0)
CELL_THETAS = (0.1, 0.25, 0.6, 1.5)
QUADRANT_THETAS = (0.1, 0.2, 0.4, 0.8)
# How much of an ordered column's prior goes to its mean, its spread, its half lines; and, of all, to the cells beside the
# order (missing, infinite), where there are any.
SHARE_MEANS, SHARE_SPREADS, SHARE_MARKS, SHARE_BESIDE = 0.5, 0.25, 0.25, 0.1
# Bounds of half lines are so much wider than those of ratios, which are sharper and would pay for them otherwise.
WIDER = 1.2
# What the reference's own error adds to eps where a score is clipped, in standard errors of a share of one half.
ERROR_OF_REFERENCE = 1.2
DRAWS, FEWEST_BEYOND, SEED = 20_000, 20, 5
SETTLED = 1e-9


class Bets(NamedTuple):
    """The bets of one column against its reference; arrays of plain numbers.

    log_factor: shape (bets, cells), log h_kj - log C_k: what each row of a cell pays. log_prior: shape (bets,). names: what
    each bet says has happened. rows: of the reference. All of it is fixed before the first window.
    """

    log_factor: Floats
    log_prior: Floats
    names: tuple[str, ...]
    rows: int

    @property
    def cells(self) -> int:
        return int(self.log_factor.shape[1])


class _Score(NamedTuple):
    name: str
    prior: float
    log_h: Floats
    width: float = 1.0


def ordered(
    counts: Sequence[int], *, beside: int = 0, is_tied: bool | None = None, eps: float = EPS, delta: float
) -> Bets:
    """Bets of a column whose cells have an order.

    counts: the reference's rows per cell, ascending, the last `beside` of them outside the order (missing, infinite).
    is_tied: whether values repeat, so that the cells could not be cut at the reference's quantiles; None: seen from
    counts that are far from even. delta: chance that the reference misleads this column. Raises SpecError for counts that
    cannot be a reference, or an eps or delta outside [0, 1) and (0, 1).
    """
    held = _checked(counts, eps, delta)
    if not 0 <= beside < len(held):
        raise SpecError(f"{beside} of {len(held)} cells cannot stand beside the order.")
    inside = np.array(held[: len(held) - beside], dtype=np.float64)
    is_tied = _is_uneven(inside) if is_tied is None else is_tied
    return _ordered(held, beside, is_tied, eps, delta)


def unordered(
    counts: Sequence[int], *, thetas: tuple[float, ...] = CELL_THETAS, eps: float = EPS, delta: float
) -> Bets:
    """Bets of a column whose cells have no order: each cell grows, each shrinks. Arguments and errors as `ordered`."""
    return _unordered(_checked(counts, eps, delta), thetas, eps, delta)


def quadrants(apart: int, together: int, *, eps: float = EPS, delta: float) -> Bets:
    """Bets of a pair of numeric columns: rows on the same side of both medians of the reference, and on different sides.

    It sees correlations that move while each column stays, and asks for no shape of either. Cells: apart, together.
    """
    return unordered((apart, together), thetas=QUADRANT_THETAS, eps=eps, delta=delta)


def log_e(bets: Bets, counts: ArrayLike, *, deff: float = 1.0) -> Floats:
    """Natural log of what each bet pays on each window. counts: shape (..., cells); returns shape (..., bets).

    Each is an e-value of "the window's distribution is within eps of the reference's". deff: design effect of rows that come
    in clusters, 1 or more. Raises SpecError for counts of other cells, negative ones, or a deff under 1.
    """
    n = np.asarray(counts, dtype=np.float64)
    if n.shape[-1:] != (bets.cells,):
        raise SpecError(
            f"Counts of {n.shape[-1] if n.ndim else 0} cells were bet on {bets.cells}.",
            cure="Count the window over the cells of its reference.",
        )
    if not (n >= 0).all():
        raise SpecError("A cell has a negative number of rows, or none that is a number.")
    if not deff >= 1:
        raise SpecError(f"A design effect of {deff} is under 1.", cure="Give 1 where rows are independent.")
    paid: Floats = n @ bets.log_factor.T / deff
    return paid


def log_mean(bets: Bets, log_paid: Floats) -> Floats:
    """The bets' average by their prior, in logs. log_paid: shape (..., bets); returns shape (...)."""
    if not bets.names:
        return np.zeros(log_paid.shape[:-1])
    found: Floats = np.logaddexp.reduce(log_paid + bets.log_prior, axis=-1)
    return found


def moved(shares: Floats, *, mean: float = 0.0, spread: float = 1.0) -> Floats:
    """Shares of ordered cells after their normal scores were stretched by `spread` and moved by `mean`; shape (cells,)."""
    from scipy.special import ndtr, ndtri

    inner = np.asarray(ndtri(np.cumsum(shares)[:-1] / shares.sum()), dtype=np.float64)
    within = np.asarray(ndtr((inner - mean) / spread), dtype=np.float64)
    upto = np.concatenate([[0.0], within, [1.0]])
    found: Floats = np.diff(upto) * shares.sum()
    return found


def scores(counts: Ints) -> Floats:
    """Mean normal score of each ordered cell of a reference with these rows, shape (cells,), in standard deviations.

    Half a row is added to each cell, so that one that is empty has a place too: beyond all others, or between them.
    """
    from scipy.special import ndtri

    shares = (counts + 0.5) / (counts + 0.5).sum()
    inner = np.asarray(ndtri(np.cumsum(shares)[:-1]), dtype=np.float64)
    density = np.concatenate([[0.0], np.exp(-(inner**2) / 2) / math.sqrt(2 * math.pi), [0.0]])
    found: Floats = -np.diff(density) / shares
    return found


def windows_to_see(bets: Bets, shares: ArrayLike, *, rows: int, log_line: float, deff: float = 1.0) -> float:
    """Windows of so many rows until some bet passes the line, if the cells have these shares; inf where none ever does.

    shares: shape (cells,), what the window's distribution would be. log_line: log of what this column's average of bets
    has to reach, A times the number of columns where these are averaged. A bet that gains g a row from a prior pi takes
    `(log_line + ln 1/pi) / (g rows)`. METHODS 5.
    """
    gained = bets.log_factor @ np.asarray(shares, dtype=np.float64) * (rows / deff)
    with np.errstate(divide="ignore"):
        needed = np.where(gained > 0, (log_line - bets.log_prior) / np.maximum(gained, 1e-300), math.inf)
    return float(needed.min(initial=math.inf))


@lru_cache(maxsize=512)
def _ordered(counts: tuple[int, ...], beside: int, is_tied: bool, eps: float, delta: float) -> Bets:
    rows = sum(counts)
    held, inside = np.array(counts, dtype=np.float64), len(counts) - beside
    # Scores are drawn up from shares with half a row in every cell, so that none of them is empty; their bounds are not.
    shares = (held[:inside] + 0.5) / (held + 0.5).sum()
    found = _ratios(shares, slack=eps + ERROR_OF_REFERENCE / math.sqrt(rows)) + _marks(shares)
    found = [one._replace(log_h=np.concatenate([one.log_h, np.zeros(beside)])) for one in found]
    # The one that grows beside the order is bounded by its own count, and so is all where values repeat.
    each = _cells(len(counts), range(inside, len(counts)), CELL_THETAS) if beside else []
    part = delta / 2 if each and found else delta
    bound = _layered if is_tied else _drawn
    whole = _made(found, bound(found, held, part), eps)
    if not each:
        return _bets(whole, rows, len(counts))
    rest = _made(each, _layered(each, held, part), eps)
    return _bets([*_weighted(whole, 1 - SHARE_BESIDE), *_weighted(rest, SHARE_BESIDE)], rows, len(counts))


@lru_cache(maxsize=2048)
def _unordered(counts: tuple[int, ...], thetas: tuple[float, ...], eps: float, delta: float) -> Bets:
    held = np.array(counts, dtype=np.float64)
    found = _cells(len(counts), range(len(counts)), thetas)
    return _bets(_made(found, _layered(found, held, delta), eps), sum(counts), len(counts))


def _ratios(shares: Floats, *, slack: float) -> list[_Score]:
    """The mean moved and the spread scaled, as clipped ratios to the reference; none that the clipping leaves flat."""
    if shares.size < 2:
        return []
    tried = [
        (f"its mean {sign * step:+g} sd", SHARE_MEANS * weight / 2, sign * step, 1.0)
        for step, weight in MEANS.items()
        for sign in (1, -1)
    ] + [(f"its spread x {by:g}", SHARE_SPREADS * weight, 0.0, by) for by, weight in SPREADS.items()]
    found: list[_Score] = []
    for name, prior, mean, spread in tried:
        log_h = _clipped(moved(shares, mean=mean, spread=spread), shares, slack)
        if np.ptp(log_h) > SETTLED:
            found.append(_Score(name, prior, log_h))
    return found


def _clipped(after: Floats, before: Floats, slack: float) -> Floats:
    """The log of `clip(after/before, a, b)`, where `sum (after/b - before)+ = sum (before - after/a)+ = slack`,
    and 0 where a >= b.

    Both ends are in closed form, since each sum is the largest over the sets of highest, or lowest, ratio.
    """
    ratio = after / before
    order = np.argsort(-ratio, kind="stable")
    top, low = np.cumsum(after[order]), np.cumsum(after[order[::-1]])
    top_before, low_before = np.cumsum(before[order]), np.cumsum(before[order[::-1]])
    high = float((top / (top_before + slack)).max())
    is_enough = low_before > slack
    floor = float((low[is_enough] / (low_before[is_enough] - slack)).min(initial=math.inf))
    if not 0 < floor < high:
        return np.zeros(ratio.size)
    found: Floats = np.log(np.clip(ratio, floor, high))
    return found


def _marks(shares: Floats) -> list[_Score]:
    """More rows above, or below, the cell border nearest to each mark."""
    if shares.size < 2:
        return []
    under = np.cumsum(shares)[:-1] / shares.sum()
    found: dict[bytes, _Score] = {}
    for mark in MARKS:
        border = int(np.abs(under - mark).argmin()) + 1
        for is_above in (True, False):
            is_in = (np.arange(shares.size) >= border) == is_above
            side, part = ("above", 1 - under[border - 1]) if is_above else ("below", under[border - 1])
            for theta in MARK_THETAS:
                name = f"more of it {side} the {under[border - 1]:.0%} mark, {part:.0%} before"
                one = _Score(name, SHARE_MARKS / (2 * len(MARKS) * len(MARK_THETAS)), theta * is_in, WIDER)
                # Marks that fall on one border are one bet, with the prior of both.
                held = found.get(one.log_h.tobytes())
                found[one.log_h.tobytes()] = one if held is None else one._replace(prior=one.prior + held.prior)
    return list(found.values())


def _cells(cells: int, which: range, thetas: tuple[float, ...]) -> list[_Score]:
    """Each of these cells grows, and shrinks; of two cells one grows where the other shrinks, so each only grows."""
    ways = (True,) if cells == 2 and len(which) == 2 else (True, False)
    prior = 1 / (len(which) * len(ways) * len(thetas)) if len(which) else 0.0
    place = np.arange(cells)
    return [
        _Score(f"cell {cell} {'grew' if grows else 'shrank'}", prior, theta * ((place == cell) == grows))
        for cell in which
        for grows in ways
        for theta in thetas
    ]


def _layered(found: list[_Score], counts: Floats, delta: float) -> Floats:
    """Upper bounds of every score's mean: the least score, and each step above it times the chance of exceeding it.

    Chances of all sets {h > level} are bounded at once, each by its own count (Clopper, Pearson 1934).
    """
    if not found:
        return np.zeros(0)
    from scipy.special import betaincinv

    steps: list[tuple[int, float, bytes]] = []
    for place, one in enumerate(found):
        levels = np.unique(np.exp(one.log_h))
        h = np.exp(one.log_h)
        steps += [(place, float(b - a), (h > a).tobytes()) for a, b in pairwise(levels)]
    sets = list(dict.fromkeys(held for _, _, held in steps))
    inside = np.array([np.frombuffer(held, dtype=np.bool_) for held in sets]) @ counts
    rows = counts.sum()
    bound = np.ones(len(sets))
    is_open = inside < rows
    bound[is_open] = betaincinv(inside[is_open] + 1, rows - inside[is_open], 1 - delta / len(sets))
    chance = dict(zip(sets, bound.tolist(), strict=True))
    upper = np.array([np.exp(one.log_h).min() for one in found])
    for place, step, held in steps:
        upper[place] += step * chance[held]
    return upper


def _drawn(found: list[_Score], counts: Floats, delta: float) -> Floats:
    """Upper bounds of every score's mean where cells were cut at the reference's own quantiles, so that their true chances
    are Dirichlet with its counts: the mean and z standard deviations, z from the largest over all scores in seeded draws.
    """
    if not found:
        return np.zeros(0)
    h = np.exp(np.array([one.log_h for one in found]))
    share = counts / counts.sum()
    mean = h @ share
    sd = np.sqrt(np.maximum((h**2) @ share - mean**2, 0.0) / (counts.sum() + 1))
    if delta * DRAWS < FEWEST_BEYOND:
        from scipy.special import ndtri

        # So far out the draws are too few to tell; every score for itself is a little more than is needed.
        beyond: Floats = mean + float(ndtri(1 - delta / len(found))) * sd
        return beyond
    sd *= np.array([one.width for one in found])
    largest = ((_chances(tuple(counts.tolist())) @ h.T - mean) / sd).max(axis=1)
    upper: Floats = mean + float(np.quantile(largest, 1 - delta)) * sd
    return upper


@lru_cache(maxsize=2)
def _chances(counts: tuple[float, ...]) -> Floats:
    gamma = np.random.default_rng(SEED).standard_gamma(counts, size=(DRAWS, len(counts)))
    found: Floats = gamma / gamma.sum(axis=1, keepdims=True)
    return found


def _made(found: list[_Score], upper: Floats, eps: float) -> list[_Score]:
    """Scores divided by C, without those that could not win on any cell."""
    kept: list[_Score] = []
    for one, bound in zip(found, upper.tolist(), strict=True):
        h = np.exp(one.log_h)
        c = bound + eps * float(np.ptp(h))
        if h.max() > c * (1 + SETTLED):
            kept.append(one._replace(log_h=one.log_h - math.log(c)))
    return kept


def _weighted(found: list[_Score], share: float) -> list[_Score]:
    """The same with priors that sum to `share`; what was dropped has left its prior to the others."""
    total = sum(one.prior for one in found)
    return [one._replace(prior=one.prior / total * share) for one in found]


def _bets(found: list[_Score], rows: int, cells: int) -> Bets:
    kept = _weighted(found, 1.0)
    factors = np.array([one.log_h for one in kept], dtype=np.float64).reshape(-1, cells)
    priors = np.log(np.array([one.prior for one in kept], dtype=np.float64))
    factors.flags.writeable = priors.flags.writeable = False
    return Bets(factors, priors, tuple(one.name for one in kept), rows)


def _is_uneven(inside: Floats) -> bool:
    """Whether cells are further from even than quantiles would leave them: by half, or by six standard deviations."""
    even = inside.mean() if inside.size else 0.0
    return bool(inside.size < 16 or np.abs(inside - even).max() > max(even / 2, 6 * math.sqrt(even)))


def _checked(counts: Sequence[int], eps: float, delta: float) -> tuple[int, ...]:
    held = tuple(int(count) for count in counts)
    if any(count < 0 for count in held) or sum(held) < 1:
        raise SpecError(
            f"A reference of {sum(held)} rows in {len(held)} cells cannot be bet against.",
            cure="Give a reference with rows.",
        )
    if not 0 <= eps < 1 or not 0 < delta < 1:
        raise SpecError(
            f"An eps of {eps} and a delta of {delta} cannot be.", cure="eps in [0, 1), delta in (0, 1): 0.02, 0.05 say."
        )
    return held
