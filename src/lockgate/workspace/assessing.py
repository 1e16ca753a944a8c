"""A loaded model and a table become a report: the rows split, the baselines fitted, the model asked, the findings named."""

from __future__ import annotations

import tempfile
import time as clock
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.assess.check import Answers, CheckQuestion, refuse, report
from lockgate.errors import ContractError, LockgateError, SpecError, unknown
from lockgate.features.columns import Columns, take
from lockgate.features.contract import to_columns
from lockgate.features.infer import infer_for
from lockgate.features.outcome import canonical, classes_of, label, labels, outcome_or_unseen
from lockgate.features.outcome import outcome as of_known
from lockgate.features.pipeline import Floats, Pipeline
from lockgate.records import Benchmark, Column, Contract, Finding, Parity, Report, decode, encode
from lockgate.records.spec import Task
from lockgate.runtime.inputs import inputs_of
from lockgate.runtime.loaded import Loaded
from lockgate.train import baselines
from lockgate.train.baselines import Rows
from lockgate.workspace.checking import Asked, FileCheck, frame
from lockgate.workspace.parts import Parts, parts

if TYPE_CHECKING:
    import polars as pl

Progress = Callable[[str], None]
LINEAR_ROWS = 20_000
PARITY_ROWS = 5_000
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
    from lockgate.runtime.formats import library_note

    contract = _contract(asked, table)
    columns, missing = _labelled(to_columns(table, contract.columns), contract)
    task = _task(asked, loaded, contract, columns)
    classes = _classes(loaded, contract, columns, task)
    # A class that the model never saw counts against it; where it knows two only, no chance is left that could be judged.
    outcome = (of_known if task == "binary" else outcome_or_unseen)(contract, columns, task, classes)
    refuse(task, asked.target, outcome, classes)
    inputs = inputs_of(loaded, contract)
    before = None if trained_on is None else _before(trained_on, contract, task, classes)
    elsewhere = None if before is None or before[1] is None else (before[0], before[1])
    found_parts = parts(columns, contract, outcome, is_learnt_elsewhere=elsewhere is not None, seed=asked.seed)
    answered = _Answered(asked, loaded, contract, columns, outcome, task, classes, inputs)
    tested = found_parts.tested
    progress(f"asking the model for {tested.size:,} rows")
    values = answered.model(tested)
    progress("fitting four baselines")
    rivals = answered.rivals(found_parts, elsewhere)
    progress("trying the compiled path, and timing both")
    parity, benchmark = answered.engines(tested)
    labels = [label(columns[contract.target][row]) for row in np.flatnonzero(outcome == -1)] if classes else []
    found = [note for note in (library_note(loaded), *answered.told(tested, values)) if note is not None]
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
        now_s=now_s,
    )
    progress("judging")
    return report(question, progress)


class _Answered:
    """Everything that answers for rows of one table: the model, the baselines, the compiled path."""

    def __init__(
        self,
        asked: Asked,
        loaded: Loaded,
        contract: Contract,
        columns: Columns,
        outcome: Floats,
        task: Task,
        classes: tuple[str, ...],
        inputs: tuple[Column, ...],
    ) -> None:
        from lockgate.runtime.formats import engine

        self._asked, self._loaded, self._contract, self._columns = asked, loaded, contract, columns
        self._outcome, self._task, self._classes, self._inputs = outcome, task, classes, inputs
        self._engine = engine(loaded, inputs)

    def model(self, rows: NDArray[np.int64]) -> Floats:
        """Its answers. Raises SpecError where it cannot answer, saying what of the rows looks unlike a training table."""
        given = self._given(rows)
        try:
            return np.asarray(self._engine(given), dtype=np.float64)
        except (LockgateError, MemoryError):
            raise
        except Exception as error:
            raise _unanswered(error, given, self._loaded) from error

    def rivals(self, parts: Parts, elsewhere: tuple[Columns, Floats] | None) -> tuple[Answers, ...]:
        """Each baseline's answers to the tested rows, every one fitted on rows it is not judged on.

        elsewhere: the rows the model was trained on, with their outcomes, where they are at hand.
        """
        tested = parts.tested
        place = np.searchsorted(tested, np.arange(self._outcome.size))
        found: dict[str, tuple[str, Floats]] = {}
        for fit_on, judged in parts.folds:
            columns, outcome = elsewhere or (take(self._columns, fit_on), self._outcome[fit_on])
            for item in self._baselines(columns, outcome):
                given = item.answer(take(self._columns, judged))
                _, values = found.setdefault(item.name, (item.what, np.full((tested.size, *given.shape[1:]), np.nan)))
                values[place[judged]] = given
        whole = {name: pair for name, pair in found.items() if not np.isnan(pair[1]).any()}
        return tuple(Answers(name=name, what=what, values=values) for name, (what, values) in whole.items())

    def engines(self, tested: NDArray[np.int64]) -> tuple[Parity, Benchmark]:
        """Parity of the compiled path, and how fast both are, on some of the tested rows."""
        from lockgate.runtime.benchmark import benchmark
        from lockgate.runtime.compile.checked import compile_checked
        from lockgate.runtime.compile.engine import ONNX, Compiled

        rows = self._given(tested[np.linspace(0, tested.size - 1, min(PARITY_ROWS, tested.size)).astype(np.int64)])
        with tempfile.TemporaryDirectory(prefix="lockgate-parity-") as room:
            parity = compile_checked(self._loaded, self._engine, self._inputs, rows, Path(room), task=self._task)
            compiled = Compiled((Path(room) / ONNX).read_bytes()) if parity.is_passed else None
            return parity, benchmark(self._engine, compiled, rows)

    def told(self, tested: NDArray[np.int64], values: Floats) -> list[Finding]:
        """Whether the model still says what a column of the table says it said."""
        if self._asked.answers is None:
            return []
        if self._asked.answers not in self._columns:
            raise SpecError(unknown("column", self._asked.answers, self._columns))
        said = self._columns[self._asked.answers][tested].astype(np.float64)
        own = values if values.ndim == 1 else values.max(axis=1)
        apart = np.abs(own - said) / np.maximum(1.0, np.abs(said))
        over = int((apart > 1e-5).sum())
        sentence = (
            f"Its answers agree with {self._asked.answers} on all {said.size:,} rows."
            if not over
            else f"Its answers differ from {self._asked.answers} on {over:,} of {said.size:,} rows, by {apart.max():.2g}."
        )
        cure = "" if not over else "Install the libraries it was made with before you trust it."
        return [Finding(kind="library", grade="warn" if over else "note", sentence=sentence, cure=cure)]

    def _given(self, rows: NDArray[np.int64]) -> Columns:
        return {column.name: self._columns[column.name][rows] for column in self._inputs}

    def _baselines(self, columns: Columns, outcome: Floats) -> list[baselines.Baseline]:
        is_known = np.flatnonzero((outcome >= 0) if self._classes else ~np.isnan(outcome))
        columns = take(columns, is_known)
        rows = Rows(
            columns=columns,
            y=outcome[is_known],
            contract=self._contract,
            task=self._task,
            classes=self._classes,
            loss=self._asked.metric or "",
        )
        pipeline: Pipeline = baselines.usual(self._contract, columns).fit(columns, rows.y)
        made = [baselines.fit_constant(rows, pipeline)]
        if pipeline.names:
            made += [baselines.fit_rule(rows, pipeline), baselines.fit_linear(rows, pipeline, LINEAR_ROWS)]
        last = baselines.fit_last_period(rows)
        return [*made, last] if last is not None else made


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


def _unanswered(error: Exception, given: Columns, loaded: Loaded) -> SpecError:
    """What a model that raised was given, as far as it looks unlike a training table; or that other libraries made it."""
    from lockgate.runtime.formats import library_note

    said = f"The model cannot answer these rows: {(str(error).strip() or repr(error)).splitlines()[0][:200].rstrip('.: ')}."
    written = library_note(loaded)
    if written is not None:
        return SpecError(f"{said} {written.sentence}", cure=f"{written.cure}, or save it again there.")
    odd = [text for name, values in given.items() if (text := _oddity(name, values))]
    cure = "Give its columns as they were in training: the same types, and missing values filled where they were filled then."
    return SpecError(" ".join([said, *odd[:5]]), cure=cure)


def _oddity(name: str, values: NDArray[Any]) -> str:
    """One column that a model may choke on, in a sentence; nothing where it looks ordinary."""
    present = [value for value in values.tolist() if value is not None and value == value]
    if not present:
        return f"{name!r} is missing in every row."
    if values.dtype != object:
        return ""
    numberlike = next((text for text in present if str(text)[:1].isdigit()), None)
    if numberlike is not None:
        return f"{name!r} holds text, such as {numberlike!r}."
    absent = [row for row, value in enumerate(values.tolist()) if value is None]
    return f"{name!r} holds text that is missing in {len(absent):,} rows, row {absent[0]} the first." if absent else ""


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
