"""What may be wrong with the columns: one that gives the outcome away, one known too late, one that names the row, one
that says nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.assess.encoded import Coded, Codes, coded, cross_means
from lockgate.assess.question import CheckQuestion, Floats
from lockgate.features.columns import Columns, length, take
from lockgate.metrics import roc_auc
from lockgate.records import Finding
from lockgate.records.report import Grade

MOST_ROWS = 50_000
FEWEST = 50
FOLDS = 5
BINS = 32
SMOOTHING = 2.0
# One column alone: AUC, share of variance, or share of what the commonest class leaves wrong. Of ordinary tables few
# columns pass it honestly (a flower's petal does), so it is a question to a person and no verdict.
TOO_GOOD = 0.98
# Told apart whole by one column, in this many rows or more: no honest measurement does that.
COPY, FEWEST_OF_COPY = 0.9995, 500
GIVEN_AWAY = 0.9  # by a column's being missing
OWN_VALUES = 0.95
WORDS_OF_A_TEXT = 3.0
LATER = 0.99
MOST_LISTED = 5


class _Told(NamedTuple):
    """How well one column tells the outcome: the figure, from 0.5 or 0 for not at all to 1, and in words."""

    value: float
    words: str


def findings(question: CheckQuestion) -> tuple[Finding, ...]:
    """Of the columns that the model reads, on the rows it learnt from where they are known, else on the tested ones; of
    those that it leaves alone only what gives the outcome away.
    """
    columns, outcome = _rows(question)
    found: list[Finding] = []
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
        if name not in read:
            found += [] if own.distinct < 2 else _unread(question, name, columns, own, outcome, fold)
            continue
        if own.distinct < 2:
            (empty if own.missing.all() else constant).append(name)
            continue
        late = _late(question, columns, name)
        item = late or _leak(question, name, values, own, outcome, fold)
        item = item or _missing(question, name, own, outcome, fold) or _identifier(question, name, values, own)
        if item is not None:
            found.append(item)
    return (*found, *_empty(empty), *_constant(constant))


def _rows(question: CheckQuestion) -> tuple[Columns, Floats]:
    columns, outcome = question.columns, question.outcome
    if question.trained_on is not None and question.trained_outcome is not None:
        told = np.isfinite(question.trained_outcome)
        if question.task != "regression":
            told &= question.trained_outcome >= 0  # a class that the model does not know is no class to be told
        columns, outcome = take(question.trained_on, np.flatnonzero(told)), question.trained_outcome[told]
    step = -(-length(columns) // MOST_ROWS)
    return (columns, outcome) if step <= 1 else (take(columns, np.arange(0, length(columns), step)), outcome[::step])


def _empty(names: list[str]) -> list[Finding]:
    if not names:
        return []
    told = f"{_listed(names)} {'is' if len(names) == 1 else 'are'} missing in every row."
    cure = f"Drop {_listed(names)}: nothing is learnt from it, and HistGradientBoosting refuses such a column."
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


def _leak(
    question: CheckQuestion, name: str, values: NDArray[Any], own: Coded, outcome: Floats, fold: Codes
) -> Finding | None:
    cells, count = _cells(values, own)
    found = _told(question.task, cells, count, outcome, fold)
    if values.dtype != object and question.task != "multiclass":
        in_order = _in_order if question.task == "regression" else _by_size
        found = max(found, in_order(values, own, outcome), key=_value)
    if found.value < TOO_GOOD:
        return None
    is_copy = found.value >= COPY and outcome.size >= FEWEST_OF_COPY
    grade: Grade = "stop" if is_copy else "warn"
    return Finding(
        kind="leak",
        grade=grade,
        column=name,
        sentence=(
            f"{name} alone tells {question.target} almost whole: {found.words}. "
            + ("It is the outcome in other words." if is_copy else "That is rarely honest.")
        ),
        cure=f"Find out when {name} is written down. If after the outcome, drop it and train again.",
    )


def _unread(
    question: CheckQuestion, name: str, columns: Columns, own: Coded, outcome: Floats, fold: Codes
) -> list[Finding]:
    """Of a column that the model leaves alone: it misleads the baselines all the same, and whoever trains the next one."""
    cure = f"Take {name} out of the table, or say that it is known only afterwards: --known-after {name}"
    late = _late(question, columns, name)
    if late is not None:
        return [msgspec.structs.replace(late, grade="note", cure=cure)]
    told = _leak(question, name, columns[name], own, outcome, fold)
    if told is None:
        return []
    more = "The model does not read it, but a baseline that does looks better than it is."
    return [msgspec.structs.replace(told, sentence=f"{told.sentence} {more}", cure=cure)]


def _missing(question: CheckQuestion, name: str, own: Coded, outcome: Floats, fold: Codes) -> Finding | None:
    """Whether a value is there at all gives the outcome away: written down only for those it happened to."""
    gone = int(own.missing.sum())
    if min(gone, outcome.size - gone) < FOLDS * 2:
        return None
    found = _told(question.task, own.missing.astype(np.int64), 2, outcome, fold)
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


def _cells(values: NDArray[Any], own: Coded) -> tuple[Codes, int]:
    """A number's 32 bins of equal counts and one of missing; levels as they are."""
    if values.dtype == object or own.distinct <= 2 * BINS:
        return own.codes, own.distinct
    present = values[~own.missing]
    edges = np.unique(np.quantile(present, np.arange(1, BINS) / BINS, method="lower"))  # no mean of infinities
    cells = np.searchsorted(edges, np.where(own.missing, 0.0, values), side="left")
    cells[own.missing] = edges.size + 1
    return cells.astype(np.int64), edges.size + 2


def _told(task: str, cells: Codes, count: int, outcome: Floats, fold: Codes) -> _Told:
    """A rule of this column alone, learnt on the other folds: a row is never told by its own outcome."""
    if task == "multiclass":
        return _of_classes(cells, count, outcome, fold)
    said = cross_means(cells, count, outcome, fold, FOLDS, SMOOTHING)
    if task == "binary":
        auc = roc_auc(said, outcome)
        return _Told(auc, f"AUC {auc:.4f}")
    spread = float(np.square(outcome - outcome.mean()).sum())
    share = 1 - float(np.square(outcome - said).sum()) / spread
    return _Told(share, f"{share:.2%} of its variance")


def _of_classes(cells: Codes, count: int, outcome: Floats, fold: Codes) -> _Told:
    labels, place = np.unique(outcome, return_inverse=True)
    shape = (FOLDS, count, labels.size)
    if FOLDS * count * labels.size > 50_000_000:  # more levels than could ever be learnt from so few rows
        return _Told(0.0, "")
    flat = (fold * count + cells) * labels.size + place
    seen = np.bincount(flat, minlength=FOLDS * count * labels.size).reshape(shape)
    elsewhere = seen.sum(axis=0) - seen
    # A cell that the other folds never saw is answered with their commonest class.
    said = (elsewhere + 1e-6 * elsewhere.sum(axis=1, keepdims=True)).argmax(axis=2)[fold, cells]
    right = float((said == place).mean())
    common = float(np.bincount(place).max()) / place.size
    return _Told(
        (right - common) / (1 - common), f"{right:.2%} of the rows, against {common:.0%} of the commonest class"
    )


def _value(told: _Told) -> float:
    return told.value


def _by_size(values: NDArray[Any], own: Coded, outcome: Floats) -> _Told:
    """The AUC of the number itself, either way round: a bin that holds the line between the classes blurs it."""
    auc = roc_auc(np.where(own.missing, -np.inf, values), outcome)
    auc = max(auc, 1 - auc)
    return _Told(auc, f"AUC {auc:.4f}")


def _in_order(values: NDArray[Any], own: Coded, outcome: Floats) -> _Told:
    """Spearman's rank correlation: a copy under another scale, whatever its tails do to the variance."""
    there = ~own.missing
    if there.sum() < OWN_VALUES * there.size or own.distinct < 2 * BINS:
        return _Told(0.0, "")
    ranks = (_ranks(values[there]), _ranks(outcome[there]))
    found = abs(float(np.corrcoef(*ranks)[0, 1]))
    # Squared, it is the share of the ranks' variance: the same line as for bins.
    return _Told(found * found, f"rank correlation {found:.4f}")


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    found: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return found
