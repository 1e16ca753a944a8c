"""Which metric to judge by, with a reason drawn from the data, and when another would make more sense."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError, unknown
from lockgate.metrics.losses import LOSSES, Loss
from lockgate.metrics.summaries import SUMMARIES, SummaryMetric
from lockgate.records import Alternative, Proposal

Floats = NDArray[np.float64]

RARE = 0.1
MOSTLY_NOUGHT = 0.4
FAR = 6.0  # robust standard deviations: a normal sample of a million rows has none so far
NEED_CHANCES = ("log_loss", "brier", "roc_auc", "average_precision", "macro_auc", "calibration_error", "cost")

_WHEN = {
    "log_loss": "if the chances themselves are used: it punishes a confident mistake hardest",
    "brier": "if the chances are used and one wild answer must not rule the figure: it is bounded",
    "roc_auc": "if only the order of the answers is used",
    "average_precision": "if only the top of the list is acted upon",
    "zero_one": "if decisions are cut at one half and both kinds of mistake cost the same",
    "accuracy": "if every wrong decision costs the same",
    "balanced_accuracy": "if each class matters alike, however rare",
    "macro_f1": "if rare classes matter as much as common ones, and false alarms too",
    "f1": "if rows that are rightly 0 do not count",
    "cost": "if a false alarm and a miss have known costs: give them, and decisions are judged in that unit",
    "squared_error": "if the mean is wanted and large misses hurt most",
    "absolute_error": "if the middle is wanted and a few wild rows must not rule",
    "relative_error": "if misses should be read as a share of the whole",
    "r2": "if the share of the variance explained is what people ask for",
}


def propose(
    task: str,
    outcome: Floats,
    classes: Sequence[str],
    *,
    costs: tuple[float, float] | None = None,
    asked: str | None = None,
    is_labels: bool = False,
) -> Proposal:
    """The metric for a task and its outcomes, shape (n,): 0 and 1, places in `classes`, or values.

    costs: of a false alarm and of a miss, binary alone. is_labels: the model's answers are decisions and no chances.
    Raises SpecError for an unknown task, costs that fit no task, or an asked metric that fits neither task nor answers.
    """
    if task not in _PROPOSED:
        raise SpecError(unknown("task", task, _PROPOSED))
    if costs is not None and (task != "binary" or is_labels):
        raise SpecError("Costs of a false alarm and a miss need a binary task and a model that gives chances.")
    if asked is not None:
        _refuse(asked, task, is_labels=is_labels)
        return Proposal(
            metric=asked, reason="You asked for it.", is_asked=True, alternatives=_others(task, asked, is_labels)
        )
    if costs is not None:
        reason = f"You said that a false alarm costs {costs[0]:g} and a miss {costs[1]:g}: it adds up what was paid."
        return Proposal(metric="cost", reason=reason, is_asked=False, alternatives=_others(task, "cost", is_labels))
    metric, reason = _of_labels(task, outcome) if is_labels else _PROPOSED[task](outcome, classes)
    return Proposal(metric=metric, reason=reason, is_asked=False, alternatives=_others(task, metric, is_labels))


def _refuse(asked: str, task: str, *, is_labels: bool) -> None:
    known: dict[str, Loss | SummaryMetric] = {**SUMMARIES, **LOSSES}
    if asked not in known:
        raise SpecError(unknown("metric", asked, known))
    fitting = sorted(
        name for name, item in known.items() if task in item.tasks and not (is_labels and name in NEED_CHANCES)
    )
    if asked not in fitting:
        why = f"fit a {task} task" if task not in known[asked].tasks else "judge bare labels: it needs chances"
        raise SpecError(f"The metric {asked!r} does not {why}.", cure=f"Choose one of: {', '.join(fitting)}.")


def _binary(outcome: Floats, classes: Sequence[str]) -> tuple[str, str]:
    share = float(outcome.mean())
    rare, common = min(share, 1 - share), max(share, 1 - share)
    name = (classes[1] if share <= 0.5 else classes[0]) if len(classes) == 2 else f"{int(share <= 0.5)}"
    if rare < RARE:
        return "log_loss", (
            f"Only {rare:.1%} of the rows are {name!r}: whoever always says the other is right on {common:.1%}, so "
            "accuracy would tell next to nothing. Log loss judges the chances, on both classes."
        )
    return "log_loss", f"{share:.0%} of the rows are 1, and log loss judges the chances that the model gives them."


def _multiclass(outcome: Floats, classes: Sequence[str]) -> tuple[str, str]:
    counts = np.bincount(outcome[outcome >= 0].astype(np.int64), minlength=len(classes))
    top = int(counts.argmax())
    share = counts[top] / max(1, outcome.size)
    if share > 0.5:
        return "log_loss", (
            f"{share:.0%} of the rows are {classes[top]!r}, so accuracy would reward saying nothing else. Log loss "
            f"judges the chance given to what happened, over all {len(classes)} classes."
        )
    return "log_loss", f"It judges the chance given to what happened, over all {len(classes)} classes."


def _of_labels(task: str, outcome: Floats) -> tuple[str, str]:
    _, counts = np.unique(outcome, return_counts=True)
    share = float(counts.max()) / outcome.size
    start = "The model answers with labels and gives no chances, so a log loss has nothing to judge."
    if share > 1 - RARE or (task == "multiclass" and share > 0.5):
        return "balanced_accuracy", f"{start} {share:.0%} of the rows are of one class: each class counts alike here."
    return "accuracy", f"{start} Accuracy counts its right decisions."


def _regression(outcome: Floats, classes: Sequence[str]) -> tuple[str, str]:
    del classes
    nought = float((outcome == 0).mean())
    if nought >= MOSTLY_NOUGHT:
        return "squared_error", (
            f"{nought:.0%} of the rows are 0: an absolute error is least for a model that always answers about 0. "
            "Squared error asks for the mean."
        )
    middle = float(np.median(outcome))
    spread = float(np.median(np.abs(outcome - middle))) * 1.4826
    far = float((np.abs(outcome - middle) > FAR * spread).mean()) if spread > 0 else 0.0
    if far > 0:
        return "absolute_error", (
            f"{far:.2%} of the rows lie more than {FAR:g} robust standard deviations from the middle: in a squared error "
            "they would drown the rest. Absolute error stays in the target's own units."
        )
    return "absolute_error", "It reads in the target's own units, and no few rows rule it."


_PROPOSED = {"binary": _binary, "multiclass": _multiclass, "regression": _regression}
_ALTERNATIVES = {
    "binary": ("log_loss", "brier", "average_precision", "roc_auc", "zero_one", "cost"),
    "multiclass": ("log_loss", "brier", "accuracy", "balanced_accuracy", "macro_f1"),
    "regression": ("absolute_error", "squared_error", "relative_error", "r2"),
}
_OF_LABELS = {
    "binary": ("accuracy", "balanced_accuracy", "f1"),
    "multiclass": ("accuracy", "balanced_accuracy", "macro_f1"),
}


def _others(task: str, chosen: str, is_labels: bool) -> tuple[Alternative, ...]:
    names = _OF_LABELS[task] if is_labels else _ALTERNATIVES[task]
    return tuple(Alternative(metric=name, reason=_WHEN[name]) for name in names if name != chosen)
