"""The log's calls, handed to a rollout's guardrails in canonical order; what came too late is named, and left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lockgate.decide.guardrails import Guardrails, Seen
from lockgate.decide.judgement import Judgement
from lockgate.monitor.call import Call
from lockgate.monitor.fold import Fold, paired
from lockgate.records import Rollout
from lockgate.records.harm_state import HarmState


class HarmWatch:
    """One rollout's guardrails over the log. `held`: where an earlier process left them."""

    def __init__(self, rollout: Rollout, held: HarmState | None) -> None:
        self.rollout = rollout.id
        # The step of what is held comes with it: the rollout may have moved since.
        self._guardrails = Guardrails(rollout, held)

    def look(self, rollout: Rollout, fold: Fold) -> list[Judgement]:
        """What the calls that have become ripe decide."""
        found = fold.ripe(rollout.id)
        after = self._guardrails.after
        fresh = [call for call in found if after is None or call.key > after]
        self._note_late(found, fold)
        return self._guardrails.take(rollout, seen(fresh))

    def state(self) -> HarmState:
        return self._guardrails.state()

    def _note_late(self, found: Sequence[Call], fold: Fold) -> None:
        late, after = self._guardrails.late, self._guardrails.after
        if self._has_caught_up:
            late += [call.prediction.id for call in found if after is not None and call.key <= after]
        late += [f"{name}:shadow" for name in fold.late_shadows]
        fold.late_shadows.clear()
        self._has_caught_up = True

    # After a restart the log is read again, and what was judged before comes first: it is known, not late.
    _has_caught_up = False


def seen(calls: Sequence[Call]) -> Seen:
    """Calls as arrays, in the order given."""
    pairs = [paired(call) for call in calls]
    predictions = [call.prediction for call in calls]
    none = (False, False)
    failed = np.array([none if pair is None else pair.failed for pair in pairs], dtype=bool).reshape(-1, 2)
    broke = np.array([none if pair is None else pair.broke for pair in pairs], dtype=bool).reshape(-1, 2)
    return Seen(
        id=[p.id for p in predictions],
        unit=[p.unit for p in predictions],
        asked_s=np.array([p.asked_s for p in predictions], dtype=np.float64),
        arm=np.array([p.arm == "challenger" for p in predictions], dtype=np.int64),
        share=np.array([p.share for p in predictions], dtype=np.float64),
        failed=np.array([p.failure is not None for p in predictions], dtype=bool),
        latency_ms=np.array([p.latency_ms for p in predictions], dtype=np.float64),
        is_pair=np.array([pair is not None for pair in pairs], dtype=bool),
        pair_failed=failed,
        broke_only=broke & ~broke[:, ::-1],
        bad=failed[:, 1] | broke[:, 1],
    )
