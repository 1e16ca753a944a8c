"""How a call was routed and answered, and what a shadow said of it, each kept once for all calls that share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.monitor.came import Came
from lockgate.records import Cell, Prediction, Shadow
from lockgate.records.prediction import LogEntry

Numbers = NDArray[np.int32]
Way = tuple[object, ...]
INPUT = "input "
ROUTED = ("version", "served_by", "rollout", "share", "arm", "failure", "flags")
SAID = ("version", "rollout", "failure", "flags")


class Said(msgspec.Struct, frozen=True, gc=False):
    """What another version said of a call; value None where it failed."""

    version: str
    rollout: str | None
    value: float | None
    failure: str | None
    flags: tuple[str, ...]


class Ways:
    """One fold's. routed: for each way one prediction that stands for what all of them share: arm, version, served_by, share,
    rollout, failure and flags. said: the same of shadows, whose value is 0 where there is one.
    """

    def __init__(self) -> None:
        self.routed: list[Prediction] = []
        self.said: list[Said] = []
        self._by_route: dict[Way, int] = {}
        self._by_word: dict[Way, int] = {}

    def numbers(self, calls: Came) -> Numbers:
        """Each call's way."""
        ways = zip(*map(calls.of, ROUTED), strict=True)
        return _numbered(self._by_route, ways, lambda row: self._add_route(calls.entries[row]))

    def words(self, shadows: Came) -> Numbers:
        """What each shadow said, but for the value."""
        is_none = [value is None for value in shadows.of("value")]
        words = zip(*map(shadows.of, SAID), is_none, strict=True)
        return _numbered(self._by_word, words, lambda row: self._add_word(shadows.entries[row]))

    def _add_route(self, call: LogEntry) -> int:
        assert isinstance(call, Prediction)
        self.routed.append(msgspec.structs.replace(call, inputs=()))
        return len(self.routed) - 1

    def _add_word(self, shadow: LogEntry) -> int:
        assert isinstance(shadow, Shadow)
        value = None if shadow.value is None else 0.0
        self.said.append(Said(shadow.version, shadow.rollout, value, shadow.failure, shadow.flags))
        return len(self.said) - 1


def _numbered(known: dict[Way, int], ways: Iterable[Way], add: Callable[[int], int]) -> Numbers:
    """Each row's number; `add` gives one to a row whose way is new."""
    each = list(ways)
    found = list(map(known.get, each))
    if None in found:
        for row, way in enumerate(each):
            if way not in known:
                known[way] = add(row)
        found = list(map(known.get, each))
    return np.array(found, dtype=np.int32)


class Pair(NamedTuple):
    """What both versions did on one call, champion first."""

    failed: tuple[bool, bool]
    broke: tuple[bool, bool]


_SOUND = (False, False)


def paired(call: Prediction, said: Mapping[str, Said]) -> Pair | None:
    """The pair of a call that both versions scored, None where one is missing. said: by version."""
    shadow = next((one for one in said.values() if one.rollout == call.rollout), None)
    if shadow is None:
        return None
    if not call.flags and not shadow.flags:
        own, theirs = call.failure is not None, shadow.failure is not None
        return Pair((theirs, own) if call.arm == "challenger" else (own, theirs), _SOUND)
    of_row = frozenset(flag for flag in call.flags if not flag.startswith(INPUT))
    served = (call.failure is not None, breaks(call.flags, of_row))
    other = (shadow.failure is not None, breaks(shadow.flags, of_row))
    champion, challenger = (other, served) if call.arm == "challenger" else (served, other)
    return Pair(failed=(champion[0], challenger[0]), broke=(champion[1], challenger[1]))


def breaks(flags: tuple[str, ...], of_row: frozenset[str]) -> bool:
    """Whether the version's own inputs broke its contract where the row itself did not: a summer warmer than the training
    winter concerns both arms alike, a feature step that sends zeros concerns its version.
    """
    return any(flag.startswith(INPUT) and flag.removeprefix(INPUT) not in of_row for flag in flags)


def count(call: Prediction, pair: Pair | None, calls: int) -> Cell:
    """The counts of so many calls that went the same way, to the same pair."""
    one = (0, calls) if call.arm == "challenger" else (calls, 0)
    failures = one if call.failure is not None else (0, 0)
    if pair is None:
        return Cell(share=call.share, calls=one, failures=failures)
    return Cell(
        share=call.share,
        calls=one,
        failures=failures,
        pairs=calls,
        failed_only=_only(pair.failed, calls),
        broke_only=_only(pair.broke, calls),
        bad=calls if pair.failed[1] or pair.broke[1] else 0,
    )


def _only(which: tuple[bool, bool], calls: int) -> tuple[int, int]:
    champion, challenger = which
    return calls * (champion and not challenger), calls * (challenger and not champion)
