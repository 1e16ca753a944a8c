"""By whose contract the row of a call was read, as far as the calls themselves tell: the champion's of that time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lockgate.records import Prediction


def read_elsewhere(calls: Iterable[Prediction], champion: str) -> Callable[[Prediction], bool]:
    """Says of a call whether another champion's contract read its row, so that its inputs mean something else.

    calls: those that it will be asked about, for the calls of a rollout tell who was champion in it. A call of which nothing
    is known counts as read by `champion`.
    """
    others = {call.rollout for call in calls if call.rollout is not None and _is_of_another(call, champion)}

    def is_elsewhere(call: Prediction) -> bool:
        if call.rollout is None:
            return call.version != champion
        return call.rollout in others

    return is_elsewhere


def _is_of_another(call: Prediction, champion: str) -> bool:
    """Of a rollout's call: its arm names a champion that is another, or our champion was the challenger there."""
    return call.version != champion if call.arm == "champion" else call.version == champion
