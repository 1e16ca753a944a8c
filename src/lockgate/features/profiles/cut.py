"""Cells fixed, once, by the reference: edges of numbers from a sample of its rows, levels from all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.features.profiles.numbers import BEYOND, FINE, Bools, Floats, Ints
from lockgate.features.profiles.tally import HOURS, WEEKDAYS, Texts
from lockgate.features.profiles.texts import ALPHABETS, HASHES, LENGTHS, WORDS, spread
from lockgate.records.profile import ColumnProfile, Facet, FacetName, Kind, Moments, Pair, Profile, Role

BINS = 20
FEWEST_BINS, MOST_BINS = 16, 32
SAMPLE = 1 << 15
"""Rows whose quantiles become edges; a bin of 5 % is then 5 % +- .1 % of the reference. What is counted is all rows."""
DISCRETE, OFTEN = 32, 4
MAX_LEVELS = 60
MANY_LEVELS = 1000
"""Beyond so many levels a text is no category."""
MOST_PAIRS = 190  # of 20 columns all
_FINEST = -1000


def is_sampled(rows: Ints, halvings: int) -> Bools:
    """Which of these rows, by number, belong to the sample: one in 2**halvings, strewn. One more halving keeps a part of
    those that were kept before, so that a table and a stream of it are sampled alike.
    """
    return spread(rows.astype(np.uint64)) <= np.uint64((1 << 64 - halvings) - 1)


def fewest_halvings(rows: int) -> int:
    """So many leave more than the sample may hold, still; where to begin halving."""
    return max(0, (rows // SAMPLE).bit_length() - 2)


def number(
    name: str,
    sample: Floats,
    *,
    bins: int = BINS,
    role: Role = "input",
    facet: FacetName = "value",
    kind: Kind = "number",
) -> ColumnProfile:
    """Nothing counted yet. sample: shape (rows,), what is not finite is left out."""
    known = np.sort(sample[np.abs(sample) < BEYOND]) + 0.0
    edges, is_discrete = _edges(known, bins)
    centre = _centre(known)
    return ColumnProfile(
        name=name,
        kind=kind,
        role=role,
        facets=(Facet(name=facet, counts=(0,) * (len(edges) + 1), edges=edges, is_discrete=is_discrete),),
        moments=Moments(centre=centre, unit=_unit(known, centre)),
    )


def boolean(name: str, role: Role = "input") -> ColumnProfile:
    return ColumnProfile(name=name, kind="boolean", role=role, facets=(Facet(name="value", counts=(0, 0)),))


def time(name: str, lags: Floats | None) -> ColumnProfile:
    """lags: seconds from the value to its row's own time, of some rows; None for the row's own time."""
    facets = (Facet(name="hour", counts=(0,) * HOURS), Facet(name="weekday", counts=(0,) * WEEKDAYS))
    if lags is None:
        return ColumnProfile(name=name, kind="time", facets=facets)
    lag = number(name, lags, facet="lag", kind="time")
    return msgspec.structs.replace(lag, facets=(*facets, *lag.facets))


def category(name: str, counts: Mapping[str, int], role: Role = "input") -> ColumnProfile:
    """The commonest levels get a cell each, the others one together."""
    common = sorted(counts, key=lambda level: (-counts[level], level))
    kept, rare = sorted(common[:MAX_LEVELS]), sorted(common[MAX_LEVELS:])
    facet = Facet(name="value", counts=(0,) * (len(kept) + 1), levels=tuple(kept))
    return ColumnProfile(name=name, kind="category", role=role, facets=(facet,), rare=tuple(rare))


def text(name: str, *, is_id: bool, role: Role = "input") -> ColumnProfile:
    whole = Facet(name="hash", counts=(0,) * HASHES) if is_id else Facet(name="words", counts=(0,) * WORDS)
    return ColumnProfile(
        name=name,
        kind="id" if is_id else "text",
        role=role,
        facets=(
            whole,
            Facet(name="length", counts=(0,) * (len(LENGTHS) + 1), edges=LENGTHS),
            Facet(name="alphabet", counts=(0,) * ALPHABETS),
        ),
    )


class Growing:
    """A text of which nobody has said what it is: a category while it has few levels, then ids, or text where most values
    have blanks between words.
    """

    def __init__(self, name: str, role: Role = "input") -> None:
        self._name = name
        self._role: Role = role
        self._counts: dict[str, int] = {}
        self._missing = 0
        self.many: Texts | None = None

    def add_counted(self, counts: Mapping[str, int], missing: int) -> None:
        if self.many is not None:
            self.many.add_counted(counts, missing)
            return
        self._missing += missing
        for level, rows in counts.items():
            self._counts[level] = self._counts.get(level, 0) + rows
        if len(self._counts) > MANY_LEVELS:
            spaced = sum(" " in level.strip() for level in self._counts)
            self.many = Texts(text(self._name, is_id=2 * spaced < len(self._counts), role=self._role))
            self.many.add_counted(self._counts, self._missing)

    def found(self) -> ColumnProfile:
        if self.many is not None:
            return self.many.found()
        cut = category(self._name, self._counts, self._role)
        levels = cut.facets[0].levels
        counts = (*(self._counts[level] for level in levels), sum(self._counts[level] for level in cut.rare))
        facet = msgspec.structs.replace(cut.facets[0], counts=counts)
        return msgspec.structs.replace(cut, facets=(facet,), missing=self._missing)


def pairs(columns: Sequence[ColumnProfile], sample: Mapping[str, NDArray[Any]]) -> tuple[Pair, ...]:
    """The pairs to be counted: all, or the most related ones where there are many. sample: the same rows of each."""
    names = [column.name for column in columns]
    places = [(a, b) for a in range(len(names)) for b in range(a + 1, len(names))]
    if len(places) > MOST_PAIRS:
        related = _related(columns, sample)
        places = sorted(sorted(places, key=lambda place: (-related[place], place))[:MOST_PAIRS])
    return tuple(Pair(first=names[a], second=names[b], counts=(0, 0, 0, 0)) for a, b in places)


def emptied(profile: Profile) -> Profile:
    """The same cells with nothing in them."""
    return msgspec.structs.replace(
        profile,
        rows=0,
        columns=tuple(_emptied(column) for column in profile.columns),
        pairs=tuple(msgspec.structs.replace(pair, counts=(0, 0, 0, 0)) for pair in profile.pairs),
        importance={},
        since_s=None,
        until_s=None,
        notes=(),
    )


def _emptied(column: ColumnProfile) -> ColumnProfile:
    own = column.moments
    return msgspec.structs.replace(
        column,
        facets=tuple(msgspec.structs.replace(facet, counts=(0,) * len(facet.counts)) for facet in column.facets),
        missing=0,
        nan=0,
        infinite=0,
        unseen=0,
        moments=None if own is None else Moments(centre=own.centre, unit=own.unit),
        hashes=(),
    )


def _edges(known: Floats, bins: int) -> tuple[tuple[float, ...], bool]:
    """known: sorted. Of few values each is a cell, with one below them and one above; else every bins-th quantile, which
    is a value itself, so that a value that many rows share is told from its neighbours.
    """
    values = _few(known)
    if values is not None:
        below = [math.nextafter(values[0], -math.inf)] if values else []
        return (*below, *values), True
    at = (np.arange(1, bins) * known.size + bins - 1) // bins - 1
    return tuple(np.unique(known[at]).tolist()), False


def _few(known: Floats) -> list[float] | None:
    """The different values, None where they are too many to be a cell each, or hardly any comes again."""
    steps = np.flatnonzero(np.diff(known, prepend=np.nan) != 0)
    is_few = steps.size <= DISCRETE - 2 and steps.size * OFTEN <= known.size
    return known[steps].tolist() if is_few else None


def _centre(known: Floats) -> float:
    """The median, as a value that there is; the next one below where it is the greatest, so that some lie above."""
    if not known.size:
        return 0.0
    middle = known[(known.size - 1) // 2]
    if middle == known[-1]:
        below = known[known < middle]
        return float(below[-1]) if below.size else float(middle)
    return float(middle)


def _unit(known: Floats, centre: float) -> int:
    """FINE bits below a sixteenth of how far all but one in a thousand lie from the centre."""
    reach = np.abs(known - centre)
    nearly_all = (reach.size * 999) // 1000
    spread_by = float(np.partition(reach, nearly_all)[nearly_all]) / 16 if reach.size else 0.0
    spread_by = spread_by or (float(reach.max()) if reach.size else 0.0) or abs(centre) / 1024 or 1.0
    return max(_FINEST, math.frexp(spread_by)[1] - FINE)


def _related(columns: Sequence[ColumnProfile], sample: Mapping[str, NDArray[Any]]) -> dict[tuple[int, int], float]:
    """How far the share of rows on the same side of both centres is from a half."""
    centres = [column.moments.centre if column.moments is not None else 0.0 for column in columns]
    sides = [np.sign(sample[column.name] - at) for column, at in zip(columns, centres, strict=True)]
    signs = np.nan_to_num(np.array(sides, dtype=np.float32))
    together = np.abs(signs @ signs.T)
    return {(a, b): float(together[a, b]) for a in range(len(columns)) for b in range(a + 1, len(columns))}
