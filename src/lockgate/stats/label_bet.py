"""Label betting: is the challenger's arm failing more often than the champion's, on the traffic so far?

A failing call belonged to the challenger with probability w when both arms fail alike; bet on which arm it was. The
factor's mean is at most 1 whenever the challenger fails no more often than `margin` times the champion, whatever the base
rate does, so the capital is an e-process: exact at every stopping time (Ville 1939). Capital is a mixture over a grid of
ratios. Related: Turner, Ly, Gruenwald (safe 2x2 tables); Waudby-Smith, Ramdas (betting). METHODS 1.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from lockgate.errors import SpecError

Floats = NDArray[np.float64]

RATIOS = np.array([1.1, 1.25, 1.5, 2, 3, 5, 10, 30, 100])
PRIOR = np.array([0.08, 0.12, 0.16, 0.18, 0.14, 0.12, 0.10, 0.06, 0.04])
PAIRED = 0.5


def log_e(cells: Iterable[tuple[float, int, int]], *, margin: float = 1.0) -> float:
    """Natural log of the e-value for "the challenger fails more than `margin` times as often".

    cells: (share w of the challenger in force when the calls were routed, the champion's failures, the challenger's);
    counts under one share commute, so cells may come in any order. A pair scored by both versions is a cell with
    w = 1/2 that holds its discordant calls. Shares of 0 and 1 carry no evidence.
    Raises SpecError for a share outside [0, 1], a negative count, or a margin under 1.
    """
    if margin < 1:
        raise SpecError(
            f"A margin of {margin} failures to one is under 1.", cure="Give the harm to be shown, at least 1."
        )
    log_capital = np.zeros(len(RATIOS))
    for share, champion, challenger in cells:
        if not 0 <= share <= 1 or champion < 0 or challenger < 0:
            raise SpecError(f"No evidence has a share of {share} and counts of {champion} and {challenger}.")
        if 0 < share < 1:
            log_capital += _log_factor(share, champion, challenger, margin)
    return float(logsumexp(log_capital + np.log(PRIOR)))


def _log_factor(w: float, champion: int, challenger: int, margin: float) -> Floats:
    q, q_null = _chance(w, RATIOS * margin), _chance(w, np.array([margin]))
    gained: Floats = challenger * np.log(q / q_null) + champion * np.log((1 - q) / (1 - q_null))
    return gained


def _chance(w: float, ratio: Floats) -> Floats:
    """That a failing call was the challenger's, when it fails `ratio` times as often."""
    return w * ratio / (w * ratio + 1 - w)
