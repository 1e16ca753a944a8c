"""What the calls of a scored table are counted into: a window for each version and hour, logged in one piece with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import LockgateError
from lockgate.features.columns import Columns, take
from lockgate.features.profiles.columns import window
from lockgate.records.prediction import Window
from lockgate.records.profile import Profile
from lockgate.serve.answers import ArmAnswers, Scored
from lockgate.serve.window_author import HOUR_S, WindowAuthor

MOST_HOURS = 48


class ShardWindows:
    """profile: a version's reference; raises LockgateError where there is none to count against. notes: which calls are not
    counted, and why; each said once.
    """

    def __init__(self, profile: Callable[[str], Profile]) -> None:
        self._profile = profile
        self._author = WindowAuthor()
        self._references: dict[str, Profile | None] = {}
        self._notes: dict[str, None] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def of(self, said: Scored) -> list[Window]:
        return [found for part in said.answers for found in self._of_arm(said, part)]

    def _of_arm(self, said: Scored, part: ArmAnswers) -> Iterator[Window]:
        served_by, values = part.answered.served_by, part.answered.values
        for version in dict.fromkeys(served_by):
            reference = self._reference(version, said, is_chosen=version == part.version)
            if reference is None:
                continue
            if served_by.count(version) == len(served_by):
                yield from self._of_version(said, part.rows, values, version, reference)
            else:
                own = np.flatnonzero([by == version for by in served_by])
                yield from self._of_version(said, part.rows[own], values[own], version, reference)

    def _of_version(
        self, said: Scored, rows: NDArray[np.intp], values: NDArray[np.float64], version: str, reference: Profile
    ) -> Iterator[Window]:
        columns = _some(said.batch.columns, rows, len(said.batch))
        hours, places = np.unique(np.floor(said.batch.asked_s[rows] / HOUR_S), return_inverse=True)
        if hours.size > MOST_HOURS:
            self._note(
                f"The rows of a shard lie in {hours.size:,} hours, more than {MOST_HOURS}: they are not counted for drift. "
                "Sort the table by its time, or hold it against the reference with lockgate.drift."
            )
            return
        for place, hour in enumerate(hours.tolist()):
            own = np.flatnonzero(places == place)
            counted = window(_some(columns, own, rows.size), reference, predictions=values[own])
            yield self._author.window(said.served.routing.model, version, hour * HOUR_S, counted)

    def _reference(self, version: str, said: Scored, *, is_chosen: bool) -> Profile | None:
        """Of who answered: a constant or a person's own rule has none, and needs none."""
        if version not in self._references:
            try:
                self._references[version] = self._profile(version)
            except (LockgateError, OSError) as error:
                self._references[version] = None
                if is_chosen:
                    self._note(f"The calls of version {version[:12]} are not counted for drift: {error}")
        found = self._references[version]
        if found is None or not _is_held(found, said):
            return None
        return found

    def _note(self, sentence: str) -> None:
        self._notes[sentence] = None


def _some(columns: Columns, rows: NDArray[np.intp], count: int) -> Columns:
    """Rows of columns that have so many; as they are where that is all of them, in order."""
    return columns if rows.size == count else take(columns, rows)


def _is_held(reference: Profile, said: Scored) -> bool:
    """Whether the rows have all that the version was counted over: another contract's may not."""
    return all(column.name in said.batch.columns for column in reference.columns if column.role == "input")
