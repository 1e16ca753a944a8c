"""Windows whose truth is known: what the evidence of drift is measured on.

Cells' chances are made and counts are drawn from them, not rows: a window of a million rows costs what one of a thousand
does. A world gives the true shares of each window, shape (windows, columns, cells), from the reference's own true shares p0,
shape (columns, cells). Four are quiet: in none of them does a window leave the total variation ball of eps around p0.
METHODS 5, 9.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lockgate.stats import score_bet

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
World = Callable[[np.random.Generator, Floats, int, float], Floats]
CELLS = 20


def reference(rng: np.random.Generator, rows: int, columns: int, *, cells: int = CELLS) -> tuple[Ints, Floats]:
    """Counts of a reference cut at its own quantiles, shape (cells,), alike in all columns; and the true shares of those
    cells, shape (columns, cells), which for a continuous column are Dirichlet whatever its shape.
    """
    counts = np.full(cells, rows // cells, dtype=np.int64)
    counts[: rows % cells] += 1
    spaced = counts.astype(np.float64)
    spaced[-1] += 1
    return counts, rng.dirichlet(spaced, columns)


def quiet(_rng: np.random.Generator, p0: Floats, windows: int, _eps: float) -> Floats:
    """Every window has the reference's own distribution."""
    return np.broadcast_to(p0, (windows, *p0.shape))


def rim(_rng: np.random.Generator, p0: Floats, windows: int, eps: float) -> Floats:
    """All windows stand on the ball's rim, at the same place: the worst for a bet on the mean, up or down by column."""
    found = np.array([_tilted(one, eps, up=bool(place % 2)) for place, one in enumerate(p0)])
    return np.broadcast_to(found, (windows, *p0.shape))


def wandering(rng: np.random.Generator, p0: Floats, windows: int, eps: float) -> Floats:
    """Each column goes to and fro between the two worst places on the rim, slowly, each in its own time."""
    columns = int(p0.shape[0])
    phase: Floats = rng.random(columns) * 2 * np.pi
    period: Floats = windows / rng.uniform(2, 10, columns)
    part = (1 + np.sin(phase + 2 * np.pi * np.arange(windows)[:, None] / period)) / 2
    up = np.array([_tilted(one, eps, up=True) for one in p0])
    down = np.array([_tilted(one, eps, up=False) for one in p0])
    found: Floats = part[..., None] * up + (1 - part[..., None]) * down
    return found


def spiking(rng: np.random.Generator, p0: Floats, windows: int, eps: float) -> Floats:
    """Each window jumps to another place on the rim: up, down, outwards, inwards, or one cell grown."""
    places = np.stack(
        [
            [_tilted(one, eps, up=True) for one in p0],
            [_tilted(one, eps, up=False) for one in p0],
            [_stretched(one, eps, out=True) for one in p0],
            [_stretched(one, eps, out=False) for one in p0],
            [
                _grown(one, eps, cell=cell)
                for one, cell in zip(p0, rng.integers(p0.shape[-1], size=len(p0)).tolist(), strict=True)
            ],
        ]
    )
    chosen = rng.integers(len(places), size=(windows, len(p0)))
    found: Floats = places[chosen, np.arange(len(p0))]
    return found


QUIET: dict[str, World] = {"quiet": quiet, "rim": rim, "wandering": wandering, "spiking": spiking}


def shifted(p0: Floats, *, mean: float = 0.0, spread: float = 1.0) -> Floats:
    """The first column's mean or spread has moved, in standard deviations of its reference; the others are quiet."""
    found = p0.copy()
    found[0] = score_bet.moved(p0[0], mean=mean, spread=spread)
    return found


def grown(p0: Floats, *, cell: int, points: float) -> Floats:
    """A cell of the first column takes so much more of all rows, of the other cells by their shares."""
    found = p0.copy()
    found[0] = _grown(p0[0], points, cell=cell)
    return found


def counts(rng: np.random.Generator, rows: int, shares: Floats) -> Ints:
    """Windows of so many rows, drawn independently; shape as shares."""
    found: Ints = rng.multinomial(rows, shares)
    return found


def clustered(rng: np.random.Generator, rows: int, shares: Floats, *, size: int) -> Ints:
    """Rows that come in clusters of `size`, all of a cluster in one cell: design effect `size`."""
    return size * counts(rng, rows // size, shares)


def together(rng: np.random.Generator, rows: int, correlation: float, windows: int, *, shape: str = "Gaussian") -> Ints:
    """Pairs of values, counted as (different sides of the two medians, same side); shape (windows, 2).

    shape: of the values, "Gaussian", "t4" or "squared" (of Gaussians, with their signs kept). Medians are 0 in all three.
    """
    found = np.empty((windows, 2), dtype=np.int64)
    for place in range(windows):
        x = rng.standard_normal((2, rows))
        x[1] = correlation * x[0] + np.sqrt(1 - correlation**2) * x[1]
        if shape == "t4":
            x /= np.sqrt(rng.chisquare(4, rows) / 4)
        elif shape == "squared":
            x = np.sign(x) * x**2
        same = int((x[0] * x[1] > 0).sum())
        found[place] = rows - same, same
    return found


def _tilted(one: Floats, eps: float, *, up: bool) -> Floats:
    """Of the mass, eps taken from the lowest cells and put on the highest, or the reverse."""
    order = np.arange(one.size) if up else np.arange(one.size)[::-1]
    return _carried(one, eps, order, order[-1:])


def _stretched(one: Floats, eps: float, *, out: bool) -> Floats:
    middle = np.argsort(np.abs(np.arange(one.size) - (one.size - 1) / 2), kind="stable")
    return _carried(one, eps, middle, middle[-2:]) if out else _carried(one, eps, middle[::-1], middle[:2])


def _carried(one: Floats, eps: float, order: Ints, onto: Ints) -> Floats:
    """Of the mass, eps taken from cells in this order, emptied one after the other, and laid evenly on others."""
    upto = np.minimum(np.cumsum(one[order]), eps)
    taken = np.diff(upto, prepend=0.0)
    found = one.copy()
    found[order] -= taken
    found[onto] += eps / onto.size
    whole: Floats = found / found.sum()
    return whole


def _grown(one: Floats, points: float, *, cell: int) -> Floats:
    rest = 1 - one[cell]
    found = one * (1 - points / rest)
    found[cell] = one[cell] + points
    whole: Floats = found / found.sum()
    return whole
