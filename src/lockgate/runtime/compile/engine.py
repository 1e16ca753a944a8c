"""The compiled engine: a graph in ONNX Runtime. All that a serving worker loads of the compiled path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import PredictError
from lockgate.features.columns import Columns
from lockgate.features.levelled import levels_of, present
from lockgate.features.pipeline import Floats, Matrix
from lockgate.records import decode, ready
from lockgate.runtime.compile.layout import KEY, Layout, lookups, packed_numbers, packed_texts

ONNX = "model.onnx"
_BEYOND = float(np.finfo(np.float32).max)
_DTYPES: Mapping[str, Any] = {"tensor(float)": np.float32, "tensor(double)": np.float64}
ready(Layout)


class Compiled:
    """Takes a matrix or columns, as its graph's layout says; answers as every engine does.

    Raises PredictError for the rows that its native model refuses. Make it in the process that uses it, for a session does
    not survive a fork.
    """

    def __init__(self, graph: bytes) -> None:
        self._session = _session(graph)
        told = self._session.get_modelmeta().custom_metadata_map.get(KEY)
        self.layout = decode(Layout, told.encode()) if told else Layout()
        self.dtypes = {given.name: _DTYPES.get(given.type) for given in self._session.get_inputs()}
        self._answers = [self._session.get_outputs()[-1].name]  # a classifier's label comes first
        self.lookups = lookups(self.layout)
        self._levels = {name: frozenset(levels) for name, levels in self.layout.levels.items()}

    def __call__(self, inputs: Matrix | Columns, /) -> Floats:
        return self.run(self._fed(inputs))

    def run(self, fed: dict[str, NDArray[Any]]) -> Floats:
        """The graph's own inputs, by name, to answers; nothing is refused here. dtypes: of the numbers among them."""
        (given,) = self._session.run(self._answers, fed)
        if given.ndim == 2 and given.shape[1] <= 2:
            given = given[:, -1]
        wide: Floats = given.astype(np.float64)
        return wide

    def one_row(self) -> OneRow | None:
        """The graph over buffers of its own, for one row of numbers at a time; None where it takes anything else."""
        (name, dtype), *more = self.dtypes.items()
        width = self._session.get_inputs()[0].shape[-1]
        if more or dtype is None or not isinstance(width, int):
            return None
        shape = self._session.run(self._answers, {name: np.zeros((1, width), dtype=dtype)})[0].shape
        return OneRow(self._session, width, shape) if shape in {(1, 1), (1, 2), (1,)} else None

    def _fed(self, inputs: Matrix | Columns) -> dict[str, NDArray[Any]]:
        if isinstance(inputs, dict):
            return self._packed(inputs)
        for place in self.layout.refuses_missing:
            if np.isnan(inputs[:, int(place)]).any():
                raise _refused(f"a missing value in input {place}")
        (name,) = self.dtypes
        return {name: inputs}

    def _packed(self, columns: Columns) -> dict[str, NDArray[Any]]:
        self._refuse(columns)
        fed: dict[str, NDArray[Any]] = {}
        if "numbers" in self.dtypes:
            fed["numbers"] = packed_numbers(columns, self.layout.numbers, self.lookups, self.dtypes["numbers"])
        if "texts" in self.dtypes:
            fed["texts"] = packed_texts(columns, self.layout.texts)
        if self.layout.refuses_beyond and (np.abs(fed["numbers"]) > _BEYOND).any():
            raise _refused("a number beyond float32")
        return fed

    def _refuse(self, columns: Columns) -> None:
        for name in self.layout.refuses_missing:
            values = columns[name]
            is_missing = np.array([v is None for v in values.tolist()]) if values.dtype == object else np.isnan(values)
            if is_missing.any():
                raise _refused(f"a missing value in {name!r}")
        for name, levels in self._levels.items():
            known = levels_of(columns[name])
            for value in columns[name].tolist() if known is None else present(known).levels:
                if value is not None and value not in levels:
                    raise _refused(f"{value!r} in {name!r}, which training never saw")


class OneRow:
    """One row of numbers to its answer, without arrays made on the way: to the bit what `run` answers. For one thread."""

    def __init__(self, session: Any, width: int, shape: tuple[int, ...]) -> None:
        given, answer = session.get_inputs()[0], session.get_outputs()[-1]
        self._row = np.zeros((1, width), dtype=_DTYPES[given.type])
        self._wide = self._row if self._row.dtype == np.float64 else np.zeros((1, width))
        self._answer = np.zeros(shape, dtype=_DTYPES[answer.type])
        self._binding = session.io_binding()
        value = import_module("onnxruntime").OrtValue.ortvalue_from_numpy  # of an array on the CPU, it holds that array
        self._binding.bind_ortvalue_input(given.name, value(self._row))
        self._binding.bind_ortvalue_output(answer.name, value(self._answer))
        self._run = session.run_with_iobinding

    def __call__(self, values: Sequence[float | None]) -> float:
        """values: as many as the graph takes, None for what is missing; within float32 where the graph is."""
        self._wide[0] = values
        if self._wide is not self._row:
            self._row[0] = self._wide[0]  # by way of float64, as every pipeline goes
        self._run(self._binding)
        return float(self._answer.item(-1))


def compiled(path: Path) -> Compiled:
    """The engine of a graph file."""
    return Compiled(path.read_bytes())


def _refused(what: str) -> PredictError:
    return PredictError(f"The model does not take {what}.", reason="raised")


def _session(graph: bytes) -> Any:
    """One thread, not spinning: on a busy machine, all cores at once cost ten times as much."""
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what fails is raised: nothing is printed
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
