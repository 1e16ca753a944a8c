"""What of the ledger a person is told: every move, every alarm that wakes or waits, verdicts that no machine can act on, what
persons decided, and drills.
"""

from __future__ import annotations

from lockgate.records import Alarm, Drill, Entry, Move, Notice, Override, Ruling, Verdict, decode
from lockgate.records.alarm import Severity
from lockgate.report.why import override_lines

GRAVE_MOVES = ("roll_back", "end_arm", "undecided")


def notice(entry: Entry) -> Notice | None:
    """The notice of a ledger's entry; None where nobody need know."""
    match entry.kind:
        case "alarm":
            return _of_alarm(entry, decode(Alarm, entry.body))
        case "move":
            return _of_move(entry, decode(Move, entry.body))
        case "verdict":
            return _of_verdict(entry, decode(Verdict, entry.body))
        case "override":
            return _of_override(entry, decode(Override, entry.body))
        case "drill":
            return _of_drill(entry, decode(Drill, entry.body))
        case "spend":
            return None


def _of_alarm(entry: Entry, found: Alarm) -> Notice | None:
    if found.severity == "note":
        return None
    return _made(entry, found.severity, found.sentence, found.next, found.at_s)


def _of_move(entry: Entry, found: Move) -> Notice:
    what = found.kind.replace("_", " ")
    severity: Severity = "ticket" if found.kind in GRAVE_MOVES else "note"
    sentence = f"{entry.model}: {what} to {found.to[:6]} at {found.share:.0%}, by {found.by}. {found.reason}"
    return _made(entry, severity, sentence, f"lockgate why {found.id}", found.at_s)


def _of_verdict(entry: Entry, found: Verdict) -> Notice | None:
    """Void evidence moves nothing until a person looks; what else a verdict asks for is a move, or an alarm."""
    if found.ruling is not Ruling.VOID:
        return None
    return _made(entry, "ticket", f"{entry.model}: {found.sentence}", f"lockgate why {found.id}", found.at_s)


def _of_override(entry: Entry, found: Override) -> Notice:
    """A rollout that is held waits for a person; what else somebody decided is only told."""
    is_held = found.kind == "hold"
    following = f"lockgate rollout resume {entry.model} --reason ..." if is_held else f"lockgate why {found.id}"
    what, why, _ = override_lines(found)
    sentence = f"{entry.model}: {what}, by {found.by}: {why}"
    return _made(entry, "ticket" if is_held else "note", sentence, following, found.at_s)


def _of_drill(entry: Entry, found: Drill) -> Notice:
    severity: Severity = "note" if found.ruling is Ruling.PASS else "ticket"
    return _made(entry, severity, found.sentence, f"lockgate why {found.id}", found.at_s)


def _made(entry: Entry, severity: Severity, sentence: str, following: str, at_s: float) -> Notice:
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
