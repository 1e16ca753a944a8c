"""What of the ledger a person is told: every move, every alarm that wakes or waits, verdicts that no machine can act on."""

from __future__ import annotations

from typing import Any

import msgspec

from lockgate.records import Alarm, Entry, Move, Notice, Ruling, Verdict, decode
from lockgate.records.alarm import Severity

GRAVE_MOVES = ("roll_back", "undecided")
HOLDS = ("hold", "held")


def notice(entry: Entry) -> Notice | None:
    """The notice of a ledger's entry; None where nobody need know. An entry of a kind that this code does not know better
    is told by its own `sentence`, or by who did what and why.
    """
    kind: str = entry.kind  # of kinds to come, too
    if kind == "spend":
        return None
    if kind == "alarm":
        return _of_alarm(entry, decode(Alarm, entry.body))
    if kind == "move":
        return _of_move(entry, decode(Move, entry.body))
    if kind == "verdict":
        return _of_verdict(entry, decode(Verdict, entry.body))
    return _of_other(entry, msgspec.json.decode(entry.body, type=dict[str, Any]))


def _of_alarm(entry: Entry, found: Alarm) -> Notice | None:
    if found.severity == "note":
        return None
    return _made(entry, found.severity, found.sentence, found.next, found.at_s)


def _of_move(entry: Entry, found: Move) -> Notice:
    what = found.kind.replace("_", " ")
    severity: Severity = "ticket" if found.kind in GRAVE_MOVES else "note"
    sentence = f"{entry.model}: {what} to {found.to[:6]} at {found.share:.0%}, by {found.by}. {found.reason}"
    is_held = what in HOLDS
    following = f"lockgate rollout approve {entry.model}" if is_held else f"lockgate why {found.id}"
    return _made(entry, "ticket" if is_held else severity, sentence, following, found.at_s)


def _of_verdict(entry: Entry, found: Verdict) -> Notice | None:
    """Void evidence moves nothing until a person looks; what else a verdict asks for is a move, or an alarm."""
    if found.ruling is not Ruling.VOID:
        return None
    return _made(entry, "ticket", f"{entry.model}: {found.sentence}", f"lockgate why {found.id}", found.at_s)


def _of_other(entry: Entry, told: dict[str, Any]) -> Notice:
    kind = str(told.get("kind", entry.kind)).replace("_", " ")
    sentence = (
        told.get("sentence") or f"{entry.model}: {kind} by {told.get('by', 'somebody')}. {told.get('reason', '')}"
    )
    following = str(told.get("next") or f"lockgate why {entry.subject}")
    if kind in HOLDS:
        following = f"lockgate rollout approve {entry.model}"
    return _made(entry, "ticket" if kind in HOLDS else "note", str(sentence).strip(), following, told.get("at_s"))


def _made(entry: Entry, severity: Severity, sentence: str, following: str, at_s: float | None) -> Notice:
    return Notice(
        id=entry.subject,
        model=entry.model,
        kind=entry.kind,
        severity=severity,
        sentence=sentence,
        next=following,
        at_s=at_s,
        written_s=entry.written_s,
    )
