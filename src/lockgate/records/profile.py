"""A profile: exact counts of a stretch of data, over cells fixed by its reference. Profiles over the same cells add up.

Every number in it is a whole number (or a lowest, a highest, a union), so that profiles of minutes, workers and hosts give
the same bits in whatever order they are added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any, Literal

import msgspec

from lockgate.errors import SpecError, StoreError
from lockgate.records.record import Record

ENGINE = 2
"""How cells are cut and rows are put into them. Profiles of two engines are never compared."""

Kind = Literal["number", "category", "boolean", "time", "text", "id"]
FacetName = Literal["value", "hour", "weekday", "lag", "length", "alphabet", "words", "hash"]
Role = Literal["input", "prediction"]
FINER = 19
"""Sums are kept in units 2**19 times finer than sums of squares are."""
FEWEST_HASHES = 256
SMALL_REFERENCE = 20_000
"""Rows: a reference of fewer is too small for small drifts."""


class Facet(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One way of telling a column's values apart: every value lies in one cell, so the counts add up to the values there are.

    edges: where cells have an order; cell j holds (edges[j-1], edges[j]], the first all below and the last all above, so
    len(counts) is len(edges) + 1. is_discrete: every cell but the last is one value. levels: of a category, its named
    cells, followed by one for all its rare levels. Other facets have cells by number: of `hour` 24 (UTC), of `weekday` 7
    (Monday first), of `alphabet` 64 (one bit each for a-z, A-Z, 0-9, blanks, other ASCII, beyond ASCII), of `words` and
    `hash` one for each hash.
    """

    name: FacetName
    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    is_discrete: bool = False

    @property
    def is_ordered(self) -> bool:
        return bool(self.edges)

    @property
    def total(self) -> int:
        return sum(self.counts)

    def __add__(self, other: Facet) -> Facet:
        return msgspec.structs.replace(self, counts=_sums(self.counts, other.counts))


class Moments(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Of finite numbers: how many, their sum, their squares' sum, the least and the greatest; None where there is none.

    All is reckoned from d = x - centre, where the reference's median stands at the centre. sum: of d in units of 2**unit;
    squares: of d**2, where d is in units of 2**(unit + 19); d is rounded to whole units first, far out d**2 instead. The
    units are fixed by the reference, at 2**-30 and 2**-11 of its spread or finer.
    """

    centre: float
    unit: int
    n: int = 0
    sum: int = 0
    squares: int = 0
    low: float | None = None
    high: float | None = None

    @property
    def mean(self) -> float | None:
        return None if not self.n else self.centre + _scaled(self.sum, self.n, self.unit)

    @property
    def sd(self) -> float | None:
        """Over n, not n - 1."""
        if not self.n:
            return None
        variance = self.n * (self.squares << 2 * FINER) - self.sum * self.sum
        return math.sqrt(_scaled(max(0, variance), self.n * self.n, 2 * self.unit))

    def __add__(self, other: Moments) -> Moments:
        lows = [low for low in (self.low, other.low) if low is not None]
        highs = [high for high in (self.high, other.high) if high is not None]
        return Moments(
            centre=self.centre,
            unit=self.unit,
            n=self.n + other.n,
            sum=self.sum + other.sum,
            squares=self.squares + other.squares,
            low=min(lows, default=None),
            high=max(highs, default=None),
        )


class ColumnProfile(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One column. Each of its rows is either in one cell of every facet, or counted once as one of these:

    missing: null; nan: not a number; infinite: an infinity, or a number beyond 1e144; unseen: a level the reference never
    had, or a value of another type. rare: the levels pooled in the last cell of a category. moments: of numbers, and of a
    time's lag in seconds. hashes: of text and ids, the 256 least of all values' hashes, from which `distinct` is told.
    """

    name: str
    kind: Kind
    facets: tuple[Facet, ...]
    role: Role = "input"
    missing: int = 0
    nan: int = 0
    infinite: int = 0
    unseen: int = 0
    rare: tuple[str, ...] = ()
    moments: Moments | None = None
    hashes: tuple[int, ...] = ()

    @property
    def there(self) -> int:
        """Values that lie in a cell."""
        return self.facets[0].total

    @property
    def rows(self) -> int:
        return self.there + sum(self.absent)

    @property
    def absent(self) -> tuple[int, int, int, int]:
        """missing, nan, infinite, unseen."""
        return self.missing, self.nan, self.infinite, self.unseen

    @property
    def counts(self) -> tuple[int, ...]:
        """Every row once: the cells of the first facet, then missing, nan, infinite, unseen."""
        return *self.facets[0].counts, *self.absent

    @property
    def mean(self) -> float | None:
        return None if self.moments is None else self.moments.mean

    @property
    def sd(self) -> float | None:
        return None if self.moments is None else self.moments.sd

    @property
    def distinct(self) -> float | None:
        """Different values, of text and ids: exact under 256, else told from the least hashes within some 6 %. For a
        person's eye, never for evidence. None for other kinds.
        """
        if self.kind not in ("text", "id"):
            return None
        if len(self.hashes) < FEWEST_HASHES:
            return float(len(self.hashes))
        return (FEWEST_HASHES - 1) / (self.hashes[FEWEST_HASHES - 1] + 1) * 2.0**32

    def facet(self, name: FacetName) -> Facet | None:
        return next((facet for facet in self.facets if facet.name == name), None)

    def __add__(self, other: ColumnProfile) -> ColumnProfile:
        return msgspec.structs.replace(
            self,
            facets=tuple(mine + theirs for mine, theirs in zip(self.facets, other.facets, strict=True)),
            missing=self.missing + other.missing,
            nan=self.nan + other.nan,
            infinite=self.infinite + other.infinite,
            unseen=self.unseen + other.unseen,
            moments=None if self.moments is None or other.moments is None else self.moments + other.moments,
            hashes=tuple(sorted({*self.hashes, *other.hashes})[:FEWEST_HASHES]),
        )


class Pair(Record, array_like=True, frozen=True, kw_only=True):
    """Two columns of numbers, by which of them lies above its centre. counts: rows where neither, only the second, only the
    first, both; a row that lacks one of them is not counted.
    """

    first: str
    second: str
    counts: tuple[int, int, int, int]

    def __add__(self, other: Pair) -> Pair:
        a, b, c, d = _sums(self.counts, other.counts)
        return Pair(first=self.first, second=self.second, counts=(a, b, c, d))


class Profile(Record, frozen=True, kw_only=True, tag_field="schema", tag=2):
    """The columns of one stretch of data. pairs: the pair matrix, of the numbers most related in the reference. importance:
    share of the model's gain per input, 0 where it is not used. time: the column that lags are told from; since_s,
    until_s: its first and last moment. notes: what was taken one way of several, a sentence each.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    pairs: tuple[Pair, ...] = ()
    importance: dict[str, float] = {}
    time: str | None = None
    since_s: float | None = None
    until_s: float | None = None
    notes: tuple[str, ...] = ()
    engine: int = ENGINE

    def column(self, name: str, role: Role = "input") -> ColumnProfile | None:
        return next((column for column in self.columns if (column.name, column.role) == (name, role)), None)

    @property
    def cells(self) -> tuple[object, ...]:
        """What must be the same for two profiles to be compared or added."""
        return self.engine, self.time, tuple(_cells(column) for column in self.columns), tuple(map(_names, self.pairs))

    def __add__(self, other: Profile) -> Profile:
        """Both stretches together; importance is the first one's. Raises SpecError where the cells are not the same."""
        refuse_other_cells(self, other)
        return msgspec.structs.replace(
            self,
            rows=self.rows + other.rows,
            columns=tuple(mine + theirs for mine, theirs in zip(self.columns, other.columns, strict=True)),
            pairs=tuple(mine + theirs for mine, theirs in zip(self.pairs, other.pairs, strict=True)),
            since_s=min((s for s in (self.since_s, other.since_s) if s is not None), default=None),
            until_s=max((s for s in (self.until_s, other.until_s) if s is not None), default=None),
            notes=tuple(sorted({*self.notes, *other.notes})),
        )


class OlderProfile(msgspec.Struct, frozen=True, tag_field="schema", tag=1):
    """What engine 1 counted. Its cells are not ours, so nothing of it is read; it is known for what it is, and named."""

    rows: int


def read_profile(body: bytes | str, where: str) -> Profile:
    """A profile's file. Raises StoreError naming `where` if an older engine counted it, or it is none."""
    try:
        found = _decoder.decode(body)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise StoreError(
            f"{where} is no profile: {error}.", cure="Make it again with lockgate.profile, or restore it from a backup."
        ) from error
    if isinstance(found, OlderProfile) or found.engine != ENGINE:
        engine = 1 if isinstance(found, OlderProfile) else found.engine
        raise StoreError(
            f"{where} was counted by engine {engine}, and this Lockgate counts with engine {ENGINE}: their cells differ.",
            cure="Count the reference again: lockgate.profile(table) over the same rows, or train the version again.",
        )
    return found


def merged(profiles: Sequence[Profile]) -> Profile | None:
    """All of them together, None where there is none. Raises SpecError where the cells are not the same."""
    return reduce(lambda one, other: one + other, profiles) if profiles else None


def refuse_other_cells(reference: Profile, window: Profile) -> None:
    """Raises SpecError naming what differs, unless both were counted over the same cells."""
    if reference.cells == window.cells:
        return
    cure = "Count the window over the reference's cells: lockgate.profile(table, against=reference)."
    if reference.engine != window.engine:
        raise SpecError(
            f"One profile was counted by engine {reference.engine}, the other by engine {window.engine}.",
            cure="Count both again with one Lockgate.",
        )
    for mine, theirs in zip(reference.columns, window.columns, strict=False):
        if _cells(mine) != _cells(theirs):
            raise SpecError(f"The profiles have other cells for column {mine.name!r}.", cure=cure)
    raise SpecError("The profiles do not hold the same columns.", cure=cure)


def _cells(column: ColumnProfile) -> tuple[Any, ...]:
    own = column.moments
    facets = tuple((facet.name, len(facet.counts), facet.edges, facet.levels) for facet in column.facets)
    return column.name, column.kind, column.role, facets, column.rare, None if own is None else (own.centre, own.unit)


def _names(pair: Pair) -> tuple[str, str]:
    return pair.first, pair.second


def _sums(mine: Sequence[int], theirs: Sequence[int]) -> tuple[int, ...]:
    return tuple(one + other for one, other in zip(mine, theirs, strict=True))


def _scaled(above: int, below: int, exponent: int) -> float:
    """Above / below * 2**exponent, rounded once; infinite where it is beyond float64."""
    up, down = (above << exponent, below) if exponent >= 0 else (above, below << -exponent)
    try:
        return up / down
    except OverflowError:
        return math.copysign(math.inf, above)


_decoder: msgspec.json.Decoder[Profile | OlderProfile] = msgspec.json.Decoder(Profile | OlderProfile)
