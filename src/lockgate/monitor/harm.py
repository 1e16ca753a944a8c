"""The log's calls, handed to a rollout's guardrails in canonical order; what came too late is named, and left out."""

from __future__ import annotations

import numpy as np

from lockgate.decide.guardrails import Guardrails, Seen
from lockgate.decide.judgement import Judgement
from lockgate.monitor.fold import AT_ONCE, Fold
from lockgate.monitor.joined import Joined
from lockgate.records import Rollout, Ruling
from lockgate.records.harm_state import HarmState


class HarmWatch:
    """One rollout's guardrails over the log. `held`: where an earlier process left them."""

    def __init__(self, rollout: Rollout, held: HarmState | None) -> None:
        self.rollout = rollout.id
        # The step of what is held comes with it: the rollout may have moved since.
        self._guardrails = Guardrails(rollout, held)
        self._has_caught_up = False

    def look(self, rollout: Rollout, fold: Fold) -> list[Judgement]:
        """What the calls that have become ripe decide."""
        judged: dict[tuple[str, Ruling], Judgement] = {}
        # After a restart the log is read again, and what was judged before comes first: it is known, not late.
        has_caught_up, self._has_caught_up = self._has_caught_up, True
        while True:
            found = fold.ripe(rollout.id)
            after = self._guardrails.after
            old = 0 if after is None else found.until(after)
            self._guardrails.late += found.ids[:old] if has_caught_up else ()
            self._note_late_shadows(fold)
            for item in self._guardrails.take(rollout, seen(found[old:])):
                # Of what a gate says in several stretches the first counts; harm may come after void evidence.
                judged.setdefault((item.gate.name, item.ruling), item)
            if len(found) < AT_ONCE:
                return list(judged.values())

    def state(self) -> HarmState:
        return self._guardrails.state()

    def _note_late_shadows(self, fold: Fold) -> None:
        self._guardrails.late += [f"{name}:shadow" for name in fold.late_shadows]
        fold.late_shadows.clear()


def seen(calls: Joined) -> Seen:
    """Calls as the guardrails take them, in the order given."""
    pairs, which = calls.pairs()
    none = (False, False)
    failed = np.array([none if pair is None else pair.failed for pair in pairs], dtype=bool).reshape(-1, 2)[which]
    broke = np.array([none if pair is None else pair.broke for pair in pairs], dtype=bool).reshape(-1, 2)[which]
    return Seen(
        id=calls.ids,
        unit=calls.units,
        asked_s=calls.asked_s,
        arm=calls.by_way(lambda routed: routed.arm == "challenger").astype(np.int64),
        share=np.array([routed.share for routed in calls.ways.routed], dtype=np.float64)[calls.way],
        failed=calls.by_way(lambda routed: routed.failure is not None),
        latency_ms=calls.latency_ms,
        is_pair=np.array([pair is not None for pair in pairs], dtype=bool)[which],
        pair_failed=failed,
        broke_only=broke & ~broke[:, ::-1],
        bad=failed[:, 1] | broke[:, 1],
    )
