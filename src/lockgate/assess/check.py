"""The check: a true word about anybody's model. Its answers against the baselines' on the same rows, and what may be
wrong with the table, as one report.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from lockgate.assess import calibration, duplicates, leaks, shift, slicing
from lockgate.assess.estimate import metric_of
from lockgate.assess.next import steps
from lockgate.assess.question import FEW_ROWS, Answers, CheckQuestion, refuse, refuse_answers
from lockgate.assess.rivals import Held, ruling_of, told, verdicts
from lockgate.assess.scores import DECISIONS, OF_RIVALS, REPORTED, Judged, scores
from lockgate.metrics import LOSSES, Loss, SummaryMetric, cost, decided, propose
from lockgate.metrics.figures import decimals
from lockgate.metrics.losses import CLIP
from lockgate.records import Finding, Report, Rival, Ruling

__all__ = ["Answers", "CheckQuestion", "refuse", "report"]

FEWEST_BLOCKS = 5
GRADES = ("stop", "warn", "note")
_SLICED = {"binary": "log_loss", "multiclass": "log_loss", "regression": "absolute_error"}


def quiet(said: str) -> None:
    """Progress that nobody asked to see."""
    del said


def report(question: CheckQuestion, progress: Callable[[str], None] = quiet) -> Report:
    """The whole report. Raises SpecError for rows or answers that nothing can be told from."""
    refuse_answers(question)
    question, copies = duplicates.set_aside(question)
    is_labels = _are_labels(question)
    proposal = propose(
        question.task,
        question.outcome,
        question.classes,
        costs=question.costs,
        asked=question.metric,
        is_labels=is_labels,
    )
    is_cost = proposal.metric == "cost" and question.costs is not None
    metric = cost(*question.costs) if is_cost and question.costs else metric_of(proposal.metric, question.task)
    tested, few_blocks = _tested(question)
    progress("metrics and their intervals")
    names = DECISIONS[question.task] if is_labels else REPORTED[question.task]
    own = scores(names, question.values, tested, first=metric)
    progress("the model against the baselines")
    held = verdicts(question, metric, tested)
    best = held[0]
    progress("slices and calibration")
    loss = _slice_loss(metric, question, is_labels=is_labels)
    sliced = slicing.slices_of(question, loss, best.answers.values, tested.block)
    curve = calibration.Calibration((), None) if is_labels else calibration.curve(question, tested)
    progress("leaks, duplicates, shift")
    findings = _by_grade(
        *question.findings,
        *_of_rows(question, is_labels=is_labels, few_blocks=few_blocks),
        *copies,
        *leaks.findings(question),
        *duplicates.findings(question),
        *shift.findings(question),
        *((curve.finding,) if curve.finding else ()),
        *(slicing.findings(question, sliced, best.name) if best.is_ahead else ()),
    )
    rivals = tuple(_rival(item, question, metric, tested, is_labels=is_labels) for item in held)
    firsts = [scored[0] for scored in (own, rivals[0].scores) if scored]
    sentence = told(best, question, metric, decimals((item.value, item.low, item.high) for item in firsts))
    ruling, sentence = _unless_unsound(findings, ruling_of(best), sentence)
    made = Report(
        name=question.name,
        task=question.task,
        target=question.target,
        classes=question.classes,
        format=question.format,
        library=question.library,
        rows=question.rows,
        tested=question.outcome.size,
        split=question.split,
        by=tested.length,
        proposal=proposal,
        scores=own,
        rivals=rivals,
        best=best.name,
        ruling=ruling,
        sentence=sentence,
        slices=sliced.against,
        slice_metric=loss.name,
        weakest=sliced.weakest,
        calibration=curve.bins,
        curve=question.curve,
        benchmark=question.benchmark,
        parity=question.parity,
        findings=findings,
        contract=question.contract,
    )
    next_steps = steps(made, best, question)
    return msgspec.structs.replace(made, next=next_steps)


def _by_grade(*findings: Finding) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: GRADES.index(finding.grade)))


_UNSOUND = {
    "rows": "they are too few",
    "leak": "a column gives the outcome away",
    "future_column": "the model reads what is known only later",
    "duplicates": "the model was trained on them",
}


def _unless_unsound(findings: tuple[Finding, ...], ruling: Ruling, sentence: str) -> tuple[Ruling, str]:
    """Void where a finding says that the figures cannot be trusted: then there is nothing to rule on, whatever they show."""
    stops = dict.fromkeys(item.kind for item in findings if item.grade == "stop")
    if not stops:
        return ruling, sentence
    why = " and ".join(_UNSOUND.get(kind, "something has to be mended first") for kind in stops)
    return Ruling.VOID, f"Nothing can be ruled on these rows: {why}. As the figures stand, {sentence}"


def _tested(question: CheckQuestion) -> tuple[Judged, int]:
    """The rows and their blocks; too few blocks (their number is given back) are no blocks: rows are taken instead."""
    blocks = 0 if question.block is None else int(np.unique(question.block).size)
    is_few = 0 < blocks < FEWEST_BLOCKS
    tested = Judged(
        task=question.task,
        outcome=question.outcome,
        block=None if is_few else question.block,
        length="row" if is_few or question.block is None else question.by,
        alpha=question.alpha,
        seed=question.seed,
    )
    return tested, blocks if is_few else 0


def _are_labels(question: CheckQuestion) -> bool:
    """Whether the answers are decisions: nothing but 0 and 1."""
    return question.task != "regression" and bool(((question.values == 0) | (question.values == 1)).all())


def _slice_loss(metric: Loss | SummaryMetric, question: CheckQuestion, *, is_labels: bool) -> Loss:
    if isinstance(metric, Loss):
        return metric
    return LOSSES["zero_one" if is_labels else _SLICED[question.task]]


def _rival(
    held: Held, question: CheckQuestion, metric: Loss | SummaryMetric, tested: Judged, *, is_labels: bool
) -> Rival:
    names = DECISIONS[question.task][:1] if is_labels else OF_RIVALS[question.task]
    return Rival(
        name=held.name,
        what=held.answers.what,
        scores=scores(names, held.answers.values, tested, first=metric),
        verdict=held.verdict,
    )


def _of_rows(question: CheckQuestion, *, is_labels: bool, few_blocks: int) -> tuple[Finding, ...]:
    """What is said of the rows and the answers themselves."""
    rows = question.outcome.size
    found: list[Finding] = []
    if rows < FEW_ROWS:
        told_rows = f"Only {rows} rows were tested: no figure here can be trusted."
        found.append(Finding(kind="rows", grade="stop", sentence=told_rows, cure=f"Bring at least {FEW_ROWS} rows."))
    if few_blocks:
        told_blocks = f"The rows span {few_blocks} {question.by}s only, so each row is taken as independent."
        cure = f"Bring {FEWEST_BLOCKS} {question.by}s or more: rows of one go together, and intervals here may be too narrow."
        found.append(Finding(kind="rows", grade="warn", sentence=told_blocks, cure=cure))
    if is_labels:
        said = "It answers with labels and no chances: decisions can be judged, chances cannot."
        found.append(Finding(kind="rows", grade="note", sentence=said, cure="Give predict_proba, if the model has it."))
    found += [*_unseen(question), *([] if is_labels else _beyond_log(question))]
    spread = np.ptp(question.values, axis=0)
    if np.all(spread == 0):
        said = f"{question.name} answers the same to every row."
        cure = "Look whether its inputs reach it: a constant model has learnt nothing."
        found.append(Finding(kind="baseline", grade="warn", sentence=said, cure=cure))
    elif question.task != "regression" and np.unique(decided(question.values)).size == 1:
        said = f"{question.name} decides the same for every row; only its chances differ."
        found.append(Finding(kind="baseline", grade="note", sentence=said))
    return tuple(found)


def _beyond_log(question: CheckQuestion) -> list[Finding]:
    """Rows whose outcome was given no chance: the log of it would be endless, and is cut."""
    if question.task == "regression":
        return []
    is_known = question.outcome >= 0
    losses = LOSSES["log_loss"].of(question.values, question.outcome)
    count = int((losses[is_known] >= -np.log(CLIP) * (1 - 1e-9)).sum())
    if not count:
        return []
    rows = "1 row was" if count == 1 else f"{count:,} rows were"
    said = f"{rows} given no chance at all of what happened; log loss counts {CLIP:g} there, for its log has no end."
    return [Finding(kind="rows", grade="note", sentence=said)]


def _unseen(question: CheckQuestion) -> list[Finding]:
    count = int((question.outcome < 0).sum()) if question.task == "multiclass" else 0
    if not count:
        return []
    named = ", ".join(repr(label) for label in question.unseen[:5]) or "labels"
    said = (
        f"{count:,} of {question.outcome.size:,} tested rows have {question.target} {named}, which the model has no class "
        "for. They stay in: wrong in every count of decisions, and given no chance in a log loss."
    )
    cure = "Train it with that class too, or leave such rows out and say so."
    return [Finding(kind="unseen_class", grade="warn", sentence=said, cure=cure)]
