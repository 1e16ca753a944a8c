"""What may be wrong with the columns: one that gives the outcome away, one known too late, one that names the row, one
that says nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.assess import telling
from lockgate.assess.encoded import Coded, Codes, coded
from lockgate.assess.others import told_by
from lockgate.assess.question import CheckQuestion, Floats
from lockgate.assess.telling import FOLDS, OWN_VALUES, Told, by_cells
from lockgate.features.columns import Columns, length, take
from lockgate.records import Finding
from lockgate.records.report import Grade

MOST_ROWS = 50_000
FEWEST = 50
# One column alone: AUC, share of variance, or share of what the commonest class leaves wrong. Of ordinary tables few
# columns pass it honestly (a flower's petal does), so it is a question to a person and no verdict.
TOO_GOOD = 0.98
# Told apart whole by one column, in this many rows or more: no honest measurement does that.
COPY, FEWEST_OF_COPY = 0.9995, 500
FEWEST_OF_TWIN = 100
# What the others reach together: so near, and the problem is easy; and how many times more they leave untold.
NEAR, APART = 0.95, 3.0
GIVEN_AWAY = 0.9  # by a column's being missing
WORDS_OF_A_TEXT = 3.0
LATER = 0.99
SUSPECT = ("leak", "future_column")
MOST_LISTED = 5


class _Strong(NamedTuple):
    """A column that tells the outcome almost whole. is_twin: its levels are the outcome's under other names."""

    name: str
    told: Told
    is_twin: bool


def findings(question: CheckQuestion) -> tuple[Finding, ...]:
    """Of the columns that the model reads, on the rows it learnt from where they are known, else on the tested ones; of
    those that it leaves alone only what gives the outcome away.

    A column that tells the outcome almost whole is no leak by that alone: of an easy problem several honest ones do. A leak
    stands apart from what all the other columns can do together (`others.told_by`), alone or with its copies:

    - as good as whole (.9995, on 500 rows or more), while the others stay under .98: "stop";
    - .98, while the others stay under .95, or leave three times as much untold: "warn"; also what would be a stop, were
      the others not as good;
    - levels that are the outcome's under other names, one for one: "stop" on 100 rows or more, whatever the others do;
    - else the problem is easy: a note names such columns.

    Columns of one grade are one finding.
    """
    columns, outcome = _rows(question)
    found: list[Finding] = []
    strong: list[_Strong] = []
    unread: list[_Strong] = []
    empty: list[str] = []
    constant: list[str] = []
    if outcome.size < FEWEST or np.unique(outcome).size < 2:
        return ()
    fold = np.random.default_rng(question.seed).integers(0, FOLDS, outcome.size)
    read = question.features
    for name in dict.fromkeys((*read, *question.known)):
        if name not in columns or name == question.time:
            continue
        values = columns[name]
        own = coded(values)
        if own.distinct < 2:
            if name in read:
                (empty if own.missing.all() else constant).append(name)
            continue
        late = _late(question, columns, name)
        tells = None if late else telling.told(question.task, values, own, outcome, fold)
        if tells is not None and tells.value >= TOO_GOOD:
            (strong if name in read else unread).append(_Strong(name, tells, _is_twin(question, own, outcome)))
        elif name not in read:
            found += (
                [] if late is None else [msgspec.structs.replace(late, grade="note", cure=_out_of_the_table([name]))]
            )
        else:
            item = late or _missing(question, name, own, outcome, fold) or _identifier(question, name, values, own)
            found += [] if item is None else [item]
    accused = {item.name for item in (*strong, *unread)} | {item.column for item in found if item.kind in SUSPECT}
    rest = tuple(name for name in dict.fromkeys((*read, *question.known)) if name in columns and name not in accused)
    by_others = told_by(columns, rest, outcome, question.task, question.seed) if strong or unread else 0.0
    leaks = [
        finding
        for items, is_read in ((strong, True), (unread, False))
        for finding in _leaks(question, items, by_others, outcome.size, is_read=is_read)
    ]
    return (*leaks, *found, *_empty(question, empty), *_constant(constant))


def _rows(question: CheckQuestion) -> tuple[Columns, Floats]:
    columns, outcome = question.columns, question.outcome
    if question.trained_on is not None and question.trained_outcome is not None:
        told = np.isfinite(question.trained_outcome)
        if question.task != "regression":
            told &= question.trained_outcome >= 0  # a class that the model does not know is no class to be told
        columns, outcome = take(question.trained_on, np.flatnonzero(told)), question.trained_outcome[told]
    step = -(-length(columns) // MOST_ROWS)
    return (columns, outcome) if step <= 1 else (take(columns, np.arange(0, length(columns), step)), outcome[::step])


def _empty(question: CheckQuestion, names: list[str]) -> list[Finding]:
    if not names:
        return []
    verb = "is" if len(names) == 1 else "are"
    if question.trained_on is not None and question.trained_outcome is not None:
        told = f"{_listed(names)} {verb} missing in every row that it was trained on."
        cure = (
            f"Drop {_listed(names)} and train again: nothing was learnt there, and HistGradientBoosting refuses that."
        )
    else:
        told = f"The model reads {_listed(names)}, which {verb} missing in every row here."
        cure = "Find out where that was lost. Were it missing in training too, nothing was learnt there: drop it."
    return [Finding(kind="constant", grade="warn", column=names[0], sentence=told, cure=cure)]


def _constant(names: list[str]) -> list[Finding]:
    if not names:
        return []
    told = f"{_listed(names)} {'has' if len(names) == 1 else 'have'} the same value in every row."
    cure = f"Drop {_listed(names)}, or find out why nothing changes there."
    return [Finding(kind="constant", grade="note", column=names[0], sentence=told, cure=cure)]


def _listed(names: list[str]) -> str:
    if len(names) <= MOST_LISTED:
        return ", ".join(names)
    return f"{', '.join(names[:MOST_LISTED])} and {len(names) - MOST_LISTED} more columns"


def _late(question: CheckQuestion, columns: Columns, name: str) -> Finding | None:
    """A column that is declared to be known after the question, or a time that lies after it."""
    column = question.contract.column(name) if question.contract is not None else None
    if column is None:
        return None
    cure = f"Take {name} out of the features and train again; what is known only later is missing in production."
    if not column.is_known_before:
        told = f"{name} is known only after the question is asked, and the model reads it."
        return Finding(kind="future_column", grade="stop", column=name, sentence=told, cure=cure)
    if column.type != "time" or question.time is None or question.time not in columns:
        return None
    ahead = columns[name] - columns[question.time]
    ahead = ahead[~np.isnan(ahead)]
    if ahead.size < FEWEST or float((ahead > 0).mean()) < LATER:
        return None
    told = (
        f"{name} lies after {question.time} in {float((ahead > 0).mean()):.1%} of the rows: it may be known too late."
    )
    return Finding(kind="future_column", grade="warn", column=name, sentence=told, cure=cure)


def _is_twin(question: CheckQuestion, own: Coded, outcome: Floats) -> bool:
    """Whether levels and classes are one to one."""
    if question.task == "regression":
        return False
    classes, place = np.unique(outcome, return_inverse=True)
    return own.distinct == classes.size == np.unique(own.codes * classes.size + place).size


def _leaks(
    question: CheckQuestion, strong: list[_Strong], by_others: float, rows: int, *, is_read: bool
) -> list[Finding]:
    """One finding for each grade among them, the best column first."""
    by_grade: dict[Grade, list[_Strong]] = {"stop": [], "warn": [], "note": []}
    for item in sorted(strong, key=lambda one: -one.told.value):
        by_grade[_grade(item, by_others, rows)].append(item)
    return [_leak(question, items, grade, by_others, is_read=is_read) for grade, items in by_grade.items() if items]


def _grade(item: _Strong, by_others: float, rows: int) -> Grade:
    value = item.told.value
    if item.is_twin:
        return "stop" if rows >= FEWEST_OF_TWIN else "warn"
    if value >= COPY and rows >= FEWEST_OF_COPY:
        return "stop" if by_others < TOO_GOOD else "warn"
    if by_others < NEAR or (by_others < TOO_GOOD and 1 - value < (1 - by_others) / APART):
        return "warn"
    return "note"


def _leak(question: CheckQuestion, items: list[_Strong], grade: Grade, by_others: float, *, is_read: bool) -> Finding:
    names = [item.name for item in items]
    one, words = len(items) == 1, items[0].told.words
    tells = f"{names[0]} alone tells" if one else f"{_listed(names)} each tell"
    start = f"{tells} {question.target} almost whole: {words}{'' if one else ' by the first'}"
    if grade == "note":
        more = "So do all other columns together: the problem is easy, or more of them know the outcome."
        return Finding(kind="leak", grade="note", column=names[0], sentence=f"{start}. {more}")
    others = f"on that scale all other columns together reach {max(0.0, by_others):.2f}"
    stands = "It is the outcome in other words." if grade == "stop" else "That is rarely honest."
    if not is_read:
        stands += " The model does not read it, but a baseline that does looks better than it is."
        cure = _out_of_the_table(names)
    else:
        cure = (
            f"Find out when {_listed(names)} {'is' if one else 'are'} written down. If after the outcome, drop "
            f"{'it' if one else 'them'} and train again."
        )
    if not one:
        stands = stands.replace("It is", "They are").replace("read it", "read them")
    return Finding(kind="leak", grade=grade, column=names[0], sentence=f"{start}; {others}. {stands}", cure=cure)


def _out_of_the_table(names: list[str]) -> str:
    typed = " ".join(f"--known-after {name}" for name in names)
    return f"Take {_listed(names)} out of the table, or say that it is known only afterwards: {typed}"


def _missing(question: CheckQuestion, name: str, own: Coded, outcome: Floats, fold: Codes) -> Finding | None:
    """Whether a value is there at all gives the outcome away: written down only for those it happened to."""
    gone = int(own.missing.sum())
    if min(gone, outcome.size - gone) < FOLDS * 2:
        return None
    found = by_cells(question.task, own.missing.astype(np.int64), 2, outcome, fold)
    if found.value < GIVEN_AWAY:
        return None
    return Finding(
        kind="leak",
        grade="warn",
        column=name,
        sentence=f"Whether {name} is missing gives {question.target} away: {found.words}, by that alone.",
        cure=f"Find out who fills in {name} and when. If it follows the outcome, drop it and train again.",
    )


def _identifier(question: CheckQuestion, name: str, values: NDArray[Any], own: Coded) -> Finding | None:
    if not (name in question.identifiers or _names_the_row(values, own)):
        return None
    return Finding(
        kind="identifier",
        grade="warn",
        column=name,
        sentence=f"{name} is of its own in almost every row: it names the row, and a model can only learn it by heart.",
        cure=f"Drop {name} from the features, or cut what repeats out of it.",
    )


def _names_the_row(values: NDArray[Any], own: Coded) -> bool:
    there = int((~own.missing).sum())
    if there < FEWEST:
        return False
    if values.dtype == object:
        spaces = [v.count(" ") for v in values[~own.missing][:200].tolist()]
        return own.distinct >= OWN_VALUES * there and float(np.mean(spaces)) < WORDS_OF_A_TEXT
    numbers = values[~own.missing]
    if own.distinct < there or not np.isfinite(numbers).all() or (numbers != np.round(numbers)).any():
        return False
    # Whole numbers of which none repeats, and yet close together: so many would have met by chance.
    return bool(np.ptp(numbers) < 20 * there)
