"""What a check is asked, and what cannot be asked: one model's answers, the baselines' on the same rows, and the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError
from lockgate.features.columns import Columns
from lockgate.records import Benchmark, Contract, CurvePoint, Finding, Library, Parity
from lockgate.records.spec import Task

Floats = NDArray[np.float64]

FEWEST_ROWS = 10
FEW_ROWS = 30


@dataclass(frozen=True, kw_only=True)
class Answers:
    """A baseline's answers on the tested rows, of the model's own shape. what: how it answers, in words."""

    name: str
    what: str
    values: Floats


@dataclass(frozen=True, kw_only=True)
class CheckQuestion:
    """Everything a report is made from.

    columns: of the tested rows; the target may be among them, and is left out. inputs: the columns the model reads; None:
    all that are known when the question is asked. outcome: shape (n,), 0 and 1, places in `classes` (-1 for a label that
    is not among them, `unseen` names those), or values. values: the chance of classes[1], a value, or shape (n, k);
    decisions alone (0 and 1, rows of one 1) are known as such. block: what is independent, None for rows, and `by` in
    words. split: which rows these are, a sentence. trained_on, trained_outcome: the rows it learnt from, where known.
    costs: of a false alarm and of a miss. findings: what the loader already knows. command: the words that ask for this
    check, to be typed again with more, "lockgate check pipeline.joblib holdout.csv --target late"; None where it was not
    asked from a shell.
    """

    name: str
    task: Task
    target: str
    classes: tuple[str, ...]
    format: str
    library: Library | None
    contract: Contract | None
    columns: Columns
    outcome: Floats
    values: Floats
    rivals: tuple[Answers, ...]
    block: NDArray[Any] | None
    by: str
    split: str
    rows: int
    now_s: float
    inputs: tuple[str, ...] | None = None
    unseen: tuple[str, ...] = ()
    metric: str | None = None
    costs: tuple[float, float] | None = None
    slices: tuple[str, ...] | None = None
    trained_on: Columns | None = None
    trained_outcome: Floats | None = None
    benchmark: Benchmark | None = None
    parity: Parity | None = None
    curve: tuple[CurvePoint, ...] = ()
    findings: tuple[Finding, ...] = ()
    command: str | None = None
    seed: int = 0
    alpha: float = 0.05

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that are held to be the model's inputs, as far as the tested rows have them."""
        if self.inputs is not None:
            return tuple(name for name in self.inputs if name in self.columns and name != self.target)
        return self.known

    @property
    def known(self) -> tuple[str, ...]:
        """Every column that is known when the question is asked and names neither row nor unit: what a baseline may use."""
        left_out = {self.target}
        if self.contract is not None:
            left_out |= {c.name for c in self.contract.columns if not c.is_known_before}
            left_out |= {name for name in (self.contract.unit, *self.contract.keys) if name}
        return tuple(name for name in self.columns if name not in left_out)

    @property
    def time(self) -> str | None:
        """The column that says when the question was asked, where the rows have it."""
        name = self.contract.time if self.contract is not None else None
        return name if name in self.columns else None

    @property
    def is_untimed(self) -> bool:
        """Whether the rows hold times, and none of them is said to be the question's."""
        named = self.contract.columns if self.contract is not None else ()
        return self.time is None and any(column.type == "time" for column in named)

    @property
    def identifiers(self) -> frozenset[str]:
        """Columns that name a row or a unit, as the contract says."""
        if self.contract is None:
            return frozenset()
        return frozenset(name for name in (self.contract.unit, *self.contract.keys) if name)


def refuse(task: Task, target: str, outcome: Floats, classes: tuple[str, ...]) -> None:
    """Raises SpecError for outcomes that nothing can be told from: under 10 rows, one class, a value that never changes."""
    rows = outcome.size
    if rows < FEWEST_ROWS:
        raise SpecError(
            f"{rows} rows with a {target!r} can judge no model.",
            cure=f"Bring at least {FEWEST_ROWS} that the model never saw; a verdict takes some hundreds.",
        )
    if np.isnan(outcome).any():
        raise SpecError(f"{target!r} is missing in {int(np.isnan(outcome).sum())} rows.", cure="Leave those rows out.")
    found = np.unique(outcome)
    if task == "binary" and not set(found.tolist()) <= {0.0, 1.0}:
        other = found[(found != 0) & (found != 1)]
        raise SpecError(
            f"{target!r} is neither of the two classes in {int(np.isin(outcome, other).sum()):,} rows ({other[0]:g} there).",
            cure="Leave those rows out, or name the task: --task multiclass, or regression.",
        )
    if found.size < 2:
        if task == "regression":
            said = f"{found[0]:g}"
        else:
            place = int(found[0])
            said = repr(classes[place]) if 0 <= place < len(classes) else "of a class the model does not know"
        raise SpecError(
            f"All {rows:,} tested rows have {target} = {said}: there is nothing to tell apart.",
            cure="Test on rows with other outcomes too, or name another target.",
        )


def refuse_answers(question: CheckQuestion) -> None:
    """Raises SpecError, naming who answered, for answers of another shape, not finite, or that are no chances."""
    refuse(question.task, question.target, question.outcome, question.classes)
    if not question.rivals:
        raise SpecError("No baseline stands beside the model.", cure="Give at least one: the majority, or the mean.")
    _refuse_one(question.name, question.values, question)
    for rival in question.rivals:
        _refuse_one(f"The baseline {rival.name}", rival.values, question)
    if question.block is not None and question.block.shape != question.outcome.shape:
        raise SpecError(f"Blocks of shape {question.block.shape} do not name those of {question.outcome.size} rows.")


def _refuse_one(who: str, values: Floats, question: CheckQuestion) -> None:
    rows = question.outcome.size
    wanted = (rows, len(question.classes)) if question.task == "multiclass" else (rows,)
    if values.shape != wanted:
        raise SpecError(
            f"{who} answered shape {values.shape} to {rows:,} rows of a {question.task} task; {wanted} was to come.",
            cure="Name the task if it was taken for another one.",
        )
    is_bad = ~np.isfinite(values) if values.ndim == 1 else ~np.isfinite(values).all(axis=1)
    if is_bad.any():
        first = int(is_bad.argmax())
        raise SpecError(
            f"{who} answered no finite number to {int(is_bad.sum()):,} of {rows:,} rows, row {first} the first.",
            cure="Look at the inputs of that row: missing values that the model was not made for, most often.",
        )
    if question.task != "regression" and (values.min() < 0 or values.max() > 1):
        worst = float(values.min() if values.min() < 0 else values.max())
        raise SpecError(f"{who} answered {worst:g}, which is no chance.", cure="Give chances in [0, 1].")
