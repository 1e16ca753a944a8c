"""Alarms in Alertmanager: those that are open are told again and again, as it expects, and each end once.

It forgets what it does not hear of, so that the state of each alert is kept here, on the disk: what opened while it was down
is fired once it is back, and what opened and ended meanwhile is fired and then resolved. An alarm that a person acknowledged
or snoozed is silenced there, by their name. API: Alertmanager's v2, `/api/v2/alerts` and `/api/v2/silences`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import msgspec

from lockgate.errors import StoreError
from lockgate.records import Acknowledgement, Alarm, Entry, decode
from lockgate.telemetry.channels import ALERTMANAGER, Undelivered, sent
from lockgate.telemetry.notices import Entries, keep, kept, place_of, wait_s

AGAIN_S = 60.0  # as Prometheus tells it again
HOLDS_S = 300.0  # Alertmanager's own resolve_timeout, where nobody set another
SILENCED_S = 365 * 86400.0  # of an acknowledgement, which ends with its alarm
_log = logging.getLogger("lockgate.notices")


class Silence(msgspec.Struct):
    """id: as Alertmanager named it, None before it was told; before: the id of one that it stands in the place of."""

    by: str
    reason: str
    since_s: float
    until_s: float
    id: str | None = None
    before: str | None = None


class Alert(msgspec.Struct):
    """One alarm of one severity. Times are wall time; fired_s: when it was first taken, None before; ends_s: when it was
    over, None while it lasts.
    """

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_s: float
    ends_s: float | None = None
    fired_s: float | None = None
    silence: Silence | None = None


class AlertState(msgspec.Struct):
    """until, problem, since_s, tries, next_s: as of any channel. alerts: by alarm and severity; told_s: when all that is
    open was last taken.
    """

    name: str
    until: int
    alerts: dict[str, Alert] = {}
    told_s: float = 0.0
    problem: str | None = None
    since_s: float | None = None
    tries: int = 0
    next_s: float = 0.0

    @property
    def waiting(self) -> int:
        """Alerts that it was not told of, or not of their end."""
        return sum(alert.fired_s is None or alert.ends_s is not None for alert in self.alerts.values())


class AlertBox:
    """One Alertmanager, with its state under `folder`. One process turns it at a time."""

    def __init__(self, folder: Path, word: str, *, newest: int) -> None:
        """word: as in `alerts.channels`; newest: the ledger's last entry, where a new channel begins."""
        parts = urlsplit(word.removeprefix(ALERTMANAGER))
        self._url = word.removeprefix(ALERTMANAGER).rstrip("/")
        self._place = place_of(folder, word)
        self.name = f"{ALERTMANAGER}{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
        if not self._place.is_file():
            keep(self._place, AlertState(name=self.name, until=newest))

    def turn(self, entries: Entries, *, now_s: float) -> int:
        """Take up what is new in the ledger, and tell what is due; how many alerts were told."""
        try:
            state = kept(self._place, AlertState)
            fresh = entries(state.until)
            if fresh:
                taken(state, fresh)
                state.until = fresh[-1].number
                keep(self._place, state)
            return self._tell(state, now_s) if state.alerts and now_s >= state.next_s else 0
        except StoreError as error:
            _log.error("Alerts for %s wait: %s", self.name, error)
            return 0

    def _tell(self, state: AlertState, now_s: float) -> int:
        over = {key: alert for key, alert in state.alerts.items() if _may_end(alert, now_s)}
        firing = {key: alert for key, alert in state.alerts.items() if alert.ends_s is None or alert.fired_s is None}
        is_due = any(alert.fired_s is None for alert in firing.values()) or now_s >= state.told_s + AGAIN_S
        due = {**(firing if is_due else {}), **over}
        silences = [found for alert in firing.values() if (found := _untold(alert, now_s)) is not None]
        if not due and not silences:
            return 0
        try:
            for alert, silence in silences:
                answer = sent(f"{self._url}/api/v2/silences", msgspec.json.encode(_silence_body(alert, silence)))
                silence.id = _silence_id(answer)
            if due:
                sent(f"{self._url}/api/v2/alerts", msgspec.json.encode([body(a, now_s) for a in due.values()]))
            for alert in over.values():
                self._unsilence(alert, now_s)
        except Undelivered as problem:
            _undelivered(state, problem, now_s)
            keep(self._place, state)
            return 0
        for alert in due.values():
            alert.fired_s = now_s if alert.fired_s is None else alert.fired_s
        for key in over:
            del state.alerts[key]
        state.told_s = now_s if is_due else state.told_s
        state.problem, state.since_s, state.tries, state.next_s = None, None, 0, 0.0
        keep(self._place, state)
        return len(due)

    def _unsilence(self, alert: Alert, now_s: float) -> None:
        """The same cause may open anew, and is to be heard then."""
        if alert.silence is not None and alert.silence.id and alert.silence.until_s > now_s:
            try:
                sent(f"{self._url}/api/v2/silence/{alert.silence.id}", None, method="DELETE")
            except Undelivered as problem:
                if not isinstance(problem.__cause__, HTTPError):
                    raise
                _log.info("%s knows no silence %s: %s", self.name, alert.silence.id, problem)
            alert.silence = None


def taken(state: AlertState, entries: Sequence[Entry]) -> None:
    """What alarms open, go on with and end, and what persons say of them."""
    for entry in entries:
        if entry.kind == "alarm":
            _take_alarm(state, decode(Alarm, entry.body))
        elif entry.kind == "acknowledgement":
            _take_acknowledgement(state, decode(Acknowledgement, entry.body))


def body(alert: Alert, now_s: float) -> dict[str, Any]:
    """An alert as `POST /api/v2/alerts` takes it: over once it was fired and ended, else firing for as long as it is told."""
    is_over = alert.ends_s is not None and alert.fired_s is not None
    ends_s = alert.ends_s if is_over and alert.ends_s is not None else now_s + HOLDS_S
    return {
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": _clock(alert.starts_s),
        "endsAt": _clock(max(ends_s, alert.starts_s)),
    }


def down(folder: Path, words: Sequence[str]) -> list[AlertState]:
    """Of these channels the Alertmanagers that do not take what they are told."""
    places = [place_of(folder, word) for word in words if word.startswith(ALERTMANAGER)]
    states = [kept(place, AlertState) for place in places if place.is_file()]
    return [state for state in states if state.problem is not None]


def _take_alarm(state: AlertState, alarm: Alarm) -> None:
    first = alarm.of or alarm.id
    if alarm.is_over:
        _end(state, first, alarm.written_s)
        return
    if alarm.severity == "note":
        return
    key = f"{first}/{alarm.severity}"
    annotations = {"summary": alarm.sentence, "runbook": alarm.next, "alarm": first}
    if key in state.alerts:
        state.alerts[key].annotations = annotations
        return
    _end(state, first, alarm.written_s)  # of a lesser severity, which is another alert there
    labels = {
        "alertname": f"Lockgate{alarm.cause.capitalize()}",
        "severity": alarm.severity,
        "model": alarm.model,
        "cause": alarm.cause,
    } | ({"about": alarm.about} if alarm.about else {})
    state.alerts[key] = Alert(labels=labels, annotations=annotations, starts_s=alarm.written_s)


def _take_acknowledgement(state: AlertState, found: Acknowledgement) -> None:
    until_s = found.written_s + SILENCED_S if found.until_s is None else found.until_s
    for alert in _of(state, found.alarm):
        held = None if alert.silence is None else alert.silence.id
        alert.silence = Silence(by=found.by, reason=found.reason, since_s=found.written_s, until_s=until_s, before=held)


def _end(state: AlertState, first: str, at_s: float) -> None:
    for alert in _of(state, first):
        alert.ends_s = at_s


def _of(state: AlertState, first: str) -> list[Alert]:
    """Of one alarm, those that last."""
    found = [alert for key, alert in state.alerts.items() if key.rpartition("/")[0] == first]
    return [alert for alert in found if alert.ends_s is None]


def _untold(alert: Alert, now_s: float) -> tuple[Alert, Silence] | None:
    """A silence that Alertmanager does not know; one that has run out it would refuse."""
    found = alert.silence
    if found is None or found.id is not None or alert.ends_s is not None or found.until_s <= now_s:
        return None
    return alert, found


def _may_end(alert: Alert, now_s: float) -> bool:
    """One that was fired a moment ago is held for a while: Alertmanager waits before it says anything of a new alert."""
    return alert.ends_s is not None and alert.fired_s is not None and now_s >= alert.fired_s + AGAIN_S


def _undelivered(state: AlertState, problem: Undelivered, now_s: float) -> None:
    if state.problem is None:
        state.since_s = now_s
        _log.warning("The channel %s cannot be told: %s; tried again.", state.name, problem)
    state.problem = str(problem)
    state.tries += 1
    state.next_s = now_s + wait_s(state.tries)


def _silence_body(alert: Alert, silence: Silence) -> dict[str, Any]:
    matchers = [{"name": n, "value": v, "isRegex": False, "isEqual": True} for n, v in alert.labels.items()]
    return ({} if silence.before is None else {"id": silence.before}) | {
        "matchers": matchers,
        "startsAt": _clock(silence.since_s),
        "endsAt": _clock(silence.until_s),
        "createdBy": silence.by,
        "comment": silence.reason,
    }


def _silence_id(answer: bytes) -> str:
    try:
        found: dict[str, str] = msgspec.json.decode(answer, type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise Undelivered("it answered a silence with no id", is_down=True) from error
    return found.get("silenceID", "")


def _clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
