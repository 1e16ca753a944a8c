"""Everything that answers for the rows of one table: the model, four baselines, the compiled path."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.assess.check import Answers
from lockgate.errors import LockgateError, SpecError, unknown
from lockgate.features.columns import Columns, take
from lockgate.features.pipeline import Floats, Pipeline
from lockgate.records import Benchmark, Column, Contract, Finding, Parity
from lockgate.records.spec import Task
from lockgate.runtime.loaded import Loaded
from lockgate.train import baselines
from lockgate.train.baselines import Rows
from lockgate.workspace.checking import Asked
from lockgate.workspace.parts import Parts

LINEAR_ROWS = 20_000
PARITY_ROWS = 5_000
CAST_TOLERANCE = 1e-5


class Answered:
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
        single: frozenset[str],
    ) -> None:
        """single: the columns that the table holds in float32."""
        from lockgate.runtime.formats import engine

        self._asked, self._loaded, self._contract, self._columns = asked, loaded, contract, columns
        self._outcome, self._classes, self._inputs = outcome, classes, inputs
        self._task: Task = task
        self._engine = engine(loaded, inputs)
        self._single = single & {column.name for column in inputs}

    def model(self, rows: NDArray[np.int64]) -> Floats:
        """Its answers. Raises SpecError where it cannot answer, saying what of the rows looks unlike a training table."""
        # With the table's own precision: a pipeline that was trained on float32 rounds otherwise when it is asked in float64.
        given = self._given(rows)
        given |= {name: given[name].astype(np.float32) for name in self._single}
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

    def cast(self, tested: NDArray[np.int64], values: Floats) -> list[Finding]:
        """Whether it answers otherwise where the same numbers come in float64, as a request brings them."""
        if not self._single:
            return []
        some = np.linspace(0, tested.size - 1, min(PARITY_ROWS, tested.size)).astype(np.int64)
        wide = np.asarray(self._engine(self._given(tested[some])), dtype=np.float64)
        apart = np.abs(wide - values[some]) / np.maximum(1.0, np.abs(values[some]))
        over = float((apart.reshape(some.size, -1).max(axis=1) > CAST_TOLERANCE).mean())
        if not over:
            return []
        sentence = (
            f"{len(self._single)} columns of the table are float32; where the same numbers come as float64, as a request "
            f"brings them, it answers otherwise on {over:.1%} of the rows, by up to {apart.max():.2g}."
        )
        cure = "Train it on float64, or cast to float32 in its first step. The figures here are of float32."
        return [Finding(kind="contract", grade="warn", sentence=sentence, cure=cure)]

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
