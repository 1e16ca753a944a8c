"""Alarms: which are open, and what a person says of one."""

from __future__ import annotations

from lockgate.decide import alarm_life
from lockgate.errors import NotFound, unknown
from lockgate.monitor import alarms
from lockgate.records import Acknowledgement, Alarm, AlarmLife
from lockgate.records.alarm_life import acknowledgement_id
from lockgate.records.duration import seconds
from lockgate.workspace.opened import Opened, person


class Alarming(Opened):
    """Each a command of the same words."""

    def alarms(self, model: str | None = None) -> list[AlarmLife]:
        """Those that are open, the oldest first: of one model and of what concerns every model, or of all."""
        found = alarms.opened(self._wiring.records)
        if model is None:
            return found
        name = self.known(model)
        return [life for life in found if life.model in (name, "-")]

    def alarms_told(self, model: str | None = None) -> list[Alarm]:
        """Every alarm that was ever told, notes and ends too, oldest first, as the ledger has them."""
        found = self._wiring.records.all(Alarm)
        if model is None:
            return found
        name = self.known(model)
        return [alarm for alarm in found if alarm.model in (name, "-")]

    def acknowledge(self, alarm: str, *, reason: str, by: str | None = None) -> Acknowledgement:
        """Somebody is at it: nobody is told again for as long as it lasts, unless it gets graver. Raises NotFound for an
        alarm that is not open, Conflict where it is over by now.
        """
        return self._said(alarm, reason=reason, by=by, until_s=None)

    def snooze(self, alarm: str, *, until: str, reason: str, by: str | None = None) -> Acknowledgement:
        """The same for a while: until is how long, "2h" say; where it lasts after that, it is told once more."""
        return self._said(alarm, reason=reason, by=by, until_s=self._wiring.clock() + seconds(until))

    def _said(self, alarm: str, *, reason: str, by: str | None, until_s: float | None) -> Acknowledgement:
        # A Conflict: the loop counted it once more; or it is over, which the last try says.
        return alarms.tried(lambda: self._written(alarm, reason=reason, by=by or person(), until_s=until_s))

    def _written(self, alarm: str, *, reason: str, by: str, until_s: float | None) -> Acknowledgement:
        life, now_s = self._life(alarm), self._wiring.clock()
        said = Acknowledgement(
            id=acknowledgement_id(life.id, by, now_s),
            model=life.model,
            alarm=life.id,
            by=by,
            reason=reason,
            until_s=until_s,
            at_s=life.last_s,
            written_s=now_s,
        )
        self._wiring.records.write(said, alarm_life.acknowledged(life, said), over=(life,))
        return said

    def _life(self, alarm: str) -> AlarmLife:
        """Of an alarm's id, or of one that it went on with."""
        lives = {life.id: life for life in self._wiring.records.all(AlarmLife)}
        told = self._wiring.records.get(Alarm, alarm)
        found = lives.get(alarm) or (lives.get(told.of) if told is not None and told.of is not None else None)
        if found is None and told is not None:
            raise NotFound(
                f"The alarm {alarm} is over, or was but a note.", cure="See those that are open: lockgate alarms"
            )
        if found is None:
            known = [life.id for life in lives.values() if life.is_open]
            raise NotFound(unknown("open alarm", alarm, known), cure="See those that are open: lockgate alarms")
        return found
