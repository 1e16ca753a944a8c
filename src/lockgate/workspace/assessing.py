"""A loaded model and a table become a report: the rows split, the baselines fitted, the model asked, the findings named."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from lockgate.assess.check import CheckQuestion, refuse, report
from lockgate.errors import ContractError, SpecError, unknown
from lockgate.features.columns import Columns, take
from lockgate.features.contract import to_columns
from lockgate.features.infer import infer_for
from lockgate.features.outcome import canonical, classes_of, label, labels, outcome_or_unseen
from lockgate.features.outcome import outcome as of_known
from lockgate.features.pipeline import Floats
from lockgate.records import Contract, Finding, Report, decode, encode
from lockgate.records.spec import Task
from lockgate.runtime.inputs import inputs_of
from lockgate.runtime.loaded import Loaded
from lockgate.workspace.answering import Answered
from lockgate.workspace.checking import Asked, FileCheck, frame
from lockgate.workspace.parts import parts

if TYPE_CHECKING:
    import polars as pl

Progress = Callable[[str], None]
MANY_CLASSES = 20


def in_child(body: bytes) -> bytes:
    """The check as the bounded child process runs it: it alone loads the file."""
    from lockgate.runtime import scan
    from lockgate.runtime.bounded_child import tell
    from lockgate.runtime.formats import load

    told = decode(FileCheck, body)
    tell("loading the model")
    if not told.trust:
        scan.refuse(scan.scan(Path(told.model)))
    loaded = load(Path(told.model), trust=told.trust)
    tell("reading the table")
    table, notes = frame(told.table, told.reading)
    before = None if told.trained_on is None else frame(told.trained_on, told.reading)[0]
    found = assess(told.asked, loaded, table, before, notes=(*told.notes, *notes), now_s=clock.time(), progress=tell)
    return encode(found)


def assess(
    asked: Asked,
    loaded: Loaded,
    table: pl.DataFrame,
    trained_on: pl.DataFrame | None,
    *,
    notes: tuple[str, ...],
    now_s: float,
    progress: Progress,
) -> Report:
    """The report. Raises SpecError or ContractError for what cannot be judged, before anything costly is done."""
    contract = _contract(asked, table)
    columns, missing = _labelled(to_columns(table, contract.columns), contract)
    task = _task(asked, loaded, contract, columns)
    classes = _classes(loaded, contract, columns, task)
    # A class that the model never saw counts against it; where it knows two only, no chance is left that could be judged.
    outcome = (of_known if task == "binary" else outcome_or_unseen)(contract, columns, task, classes)
    refuse(task, asked.target, outcome, classes)
    inputs = inputs_of(loaded, contract, asked.columns)
    before = None if trained_on is None else _before(trained_on, contract, task, classes)
    elsewhere = None if before is None or before[1] is None else (before[0], before[1])
    found_parts = parts(columns, contract, outcome, is_learnt_elsewhere=elsewhere is not None, seed=asked.seed)
    single = frozenset(name for name, dtype in table.schema.items() if str(dtype) == "Float32")
    answered = Answered(asked, loaded, contract, columns, outcome, task, classes, inputs, single)
    tested = found_parts.tested
    progress(f"asking the model for {tested.size:,} rows")
    values = answered.model(tested)
    progress("fitting four baselines")
    rivals = answered.rivals(found_parts, elsewhere)
    progress("trying the compiled path, and timing both")
    parity, benchmark = answered.engines(tested)
    labels = [label(columns[contract.target][row]) for row in np.flatnonzero(outcome == -1)] if classes else []
    found = [*_library(asked, loaded), *answered.told(tested, values)]
    found += answered.cast(tested, values)
    found += _told_of(loaded, classes)
    found += [Finding(kind="contract", grade="note", sentence=text) for text in notes]
    if missing:
        sentence = f"{missing:,} rows have no {asked.target} and were left out."
        found.append(Finding(kind="rows", grade="note", sentence=sentence))
    question = CheckQuestion(
        name=asked.name,
        task=task,
        target=asked.target,
        classes=classes,
        format=loaded.format,
        library=loaded.library,
        contract=contract,
        columns=take(columns, tested),
        inputs=tuple(column.name for column in inputs),
        outcome=outcome[tested],
        unseen=tuple(dict.fromkeys(labels)),
        values=values,
        rivals=rivals,
        block=None if found_parts.block is None else found_parts.block[tested],
        by=found_parts.by,
        split=found_parts.words,
        rows=table.height,
        metric=asked.metric,
        costs=asked.costs,
        slices=asked.slices,
        trained_on=None if before is None else before[0],
        trained_outcome=None if before is None else before[1],
        benchmark=benchmark,
        parity=parity,
        findings=tuple(found),
        seed=asked.seed,
        alpha=asked.alpha,
        command=asked.command,
        now_s=now_s,
    )
    progress("judging")
    return report(question, progress)


def _contract(asked: Asked, table: pl.DataFrame) -> Contract:
    """Inferred; the time column is found where one alone holds times."""
    times = [name for name, dtype in table.schema.items() if dtype.is_temporal() and name not in asked.known_after]
    time = asked.time or (times[0] if len(times) == 1 else None)
    for name in asked.known_after:
        if name not in table.columns:
            raise SpecError(unknown("column", name, table.columns), cure="--known-after names columns of the table.")
    found = infer_for(asked.target, table, unit=asked.unit, time=time)
    after = tuple(
        msgspec.structs.replace(column, is_known_before=False) if column.name in asked.known_after else column
        for column in found.columns
    )
    return msgspec.structs.replace(found, columns=after)


def _labelled(columns: Columns, contract: Contract) -> tuple[Columns, int]:
    """The rows with an outcome, and how many have none."""
    values = columns[contract.target]
    is_there = np.array([v is not None and v == v for v in values.tolist()], dtype=bool)
    missing = int((~is_there).sum())
    if missing == values.size:
        raise ContractError(f"No row has a {contract.target}.", column=contract.target)
    return (take(columns, np.flatnonzero(is_there)) if missing else columns), missing


def _task(asked: Asked, loaded: Loaded, contract: Contract, columns: Columns) -> Task:
    """As asked, else as the model says, else as the outcome looks."""
    if asked.task is not None:
        return asked.task
    if loaded.task is not None:
        return loaded.task
    column = contract.column(asked.target)
    distinct = len(set(columns[asked.target].tolist()))
    if distinct == 2:
        return "binary"
    is_text = column is not None and column.type == "text"
    return "multiclass" if is_text and distinct <= MANY_CLASSES else "regression"


def _classes(loaded: Loaded, contract: Contract, columns: Columns, task: Task) -> tuple[str, ...]:
    """The model's own labels where it has them, for its chances come in their order."""
    column = contract.column(contract.target)
    assert column is not None
    if task == "regression":
        return ()
    own = canonical(loaded.classes, column)
    return labels(own, classes_of(contract, columns, "multiclass")) if own else classes_of(contract, columns, task)


def _library(asked: Asked, loaded: Loaded) -> list[Finding]:
    """Whether another version of its library wrote the file; its old answers would show whether that matters."""
    from lockgate.runtime.formats import library_note

    found = library_note(loaded)
    if found is None:
        return []
    if asked.answers is None:
        cure = f"{found.cure}, or show that it answers the same here: --answers COLUMN"
        found = msgspec.structs.replace(found, cure=cure)
    return [found]


def _told_of(loaded: Loaded, classes: tuple[str, ...]) -> list[Finding]:
    """What a reader of the answers should know of the file: labels that had to be guessed, chances that are none."""
    found = [Finding(kind="library", grade="note", sentence=loaded.note)] if loaded.note else []
    numbers = {str(place) for place in range(len(classes))}
    if loaded.classes and set(loaded.classes) == numbers != set(classes):
        names = ", ".join(classes[:6]) + (", ..." if len(classes) > 6 else "")
        sentence = f"The file numbers its classes; they were taken as {names}, in the order of their names."
        found.append(Finding(kind="library", grade="note", sentence=sentence))
    return found


def _before(
    table: pl.DataFrame, contract: Contract, task: Task, classes: tuple[str, ...]
) -> tuple[Columns, Floats | None]:
    """The rows the model was trained on, and their outcomes where every column is there."""
    names = [column for column in contract.columns if column.name in table.columns]
    columns = to_columns(table, names)
    if len(names) < len(contract.columns):
        return columns, None
    return columns, outcome_or_unseen(contract, columns, task, classes)
