"""The watch over approvals: whoever must approve a step hears of it once it is all that a rollout waits for."""

from __future__ import annotations

from lockgate.decide.rollout import awaited
from lockgate.monitor import alarms
from lockgate.records import Alarm, AlarmLife, Rollout, Step, Verdict
from lockgate.store.ports import Records


class ApprovalWatch:
    """One model's. What was told stands in the records."""

    def __init__(self, model: str, records: Records) -> None:
        self._model, self._records = model, records
        self._looked: str | None = None

    def look(self, rollout: Rollout | None, *, at_s: float, now_s: float) -> list[Alarm]:
        """rollout: the one that runs. Times as an alarm has them. Raises Conflict where a person was there first."""
        waits = None if rollout is None or not rollout.spec.require_approval else self._waits(rollout, at_s)
        about = "" if rollout is None or waits is None else f"{rollout.id}: {waits.name}"
        if about == self._looked:
            return []
        told = alarms.end(self._records, self._model, lambda life: _past(life, about), at_s=at_s, now_s=now_s)
        standing = [life.about for life in alarms.opened(self._records, self._model) if life.cause == "approval"]
        if rollout is not None and waits is not None and about not in standing:
            told += alarms.tell(self._records, alarms=[_alarm(rollout, waits, about, at_s=at_s, now_s=now_s)])
        self._looked = about
        return told

    def _waits(self, rollout: Rollout, at_s: float) -> Step | None:
        own = {v.gate.name: v for v in self._records.all(Verdict, self._model) if v.rollout == rollout.id}
        return awaited(rollout, list(own.values()), at_s)


def _past(life: AlarmLife, about: str) -> str | None:
    return "It waits for no approval any more." if life.cause == "approval" and life.about != about else None


def _alarm(rollout: Rollout, step: Step, about: str, *, at_s: float, now_s: float) -> Alarm:
    return Alarm(
        id=f"aapproval-{rollout.id}-{step.name}-{now_s * 1000:.0f}",
        model=rollout.model,
        cause="approval",
        severity="ticket",
        sentence=(
            f"The rollout {rollout.id} of {rollout.model} waits for an approval of {step.name}, and for nothing else; "
            f"it stands at {rollout.step.name}."
        ),
        next=f"lockgate rollout approve {rollout.model} --reason ...",
        verdict=None,
        at_s=at_s,
        written_s=now_s,
        about=about,
    )
