"""How a call was routed and answered, and what a shadow said of it, each kept once for all calls that share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from lockgate.records import Cell, Prediction, Shadow

INPUT = "input "


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
        self._by_route: dict[tuple[object, ...], int] = {}
        self._by_word: dict[tuple[object, ...], int] = {}

    def numbers(self, calls: Sequence[Prediction]) -> list[int]:
        """Each call's way."""
        known = self._by_route
        found: list[int] = []
        for call in calls:
            way = (call.version, call.served_by, call.rollout, call.share, call.arm, call.failure, call.flags)
            number = known.get(way)
            if number is None:
                number = known[way] = len(self.routed)
                self.routed.append(msgspec.structs.replace(call, inputs=()))
            found.append(number)
        return found

    def words(self, shadows: Sequence[Shadow]) -> list[int]:
        """What each shadow said, but for the value."""
        known = self._by_word
        found: list[int] = []
        for shadow in shadows:
            word = (shadow.version, shadow.rollout, shadow.failure, shadow.flags, shadow.value is None)
            number = known.get(word)
            if number is None:
                number = known[word] = len(self.said)
                value = None if shadow.value is None else 0.0
                self.said.append(Said(shadow.version, shadow.rollout, value, shadow.failure, shadow.flags))
            found.append(number)
        return found


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
