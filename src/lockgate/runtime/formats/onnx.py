"""ONNX files, answered by ONNX Runtime: one matrix, or one input per column."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError
from lockgate.features.pipeline import Floats
from lockgate.records import Library
from lockgate.records.spec import Task
from lockgate.runtime.formats.kind import Kind, head, library, reading
from lockgate.runtime.loaded import Gives, Loaded, chances, task_of, values

FILE = "native/model.onnx"
LABELS = {"tensor(int64)", "tensor(string)", "tensor(int32)", "tensor(bool)"}
TYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}


def session(path: Path) -> Any:
    """One thread, not spinning; make it in the process that uses it, for a session does not survive a fork."""
    runtime = library("onnxruntime", "onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    with reading(path, "an ONNX model"):
        return runtime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])


def load(path: Path, *, trust: bool = False) -> Loaded:  # noqa: ARG001 - there is nothing in it to trust
    """Raises SpecError for a broken file, and for inputs or outputs that are no table and no answer."""
    run = session(path)
    asked, given = run.get_inputs(), run.get_outputs()
    for one in asked:
        if one.type not in TYPES:
            raise SpecError(f"The ONNX model's input {one.name!r} is {one.type}, which no column can give.")
    task, gives, classes = _outcome(given, path)
    reply = given[-1]  # a classifier's label comes first
    is_single = len(asked) == 1 and asked[0].type != "tensor(string)" and not _is_column(asked[0])
    return Loaded(
        format="onnx",
        model=run,
        answer=_matrix_answer(run, asked[0], reply.name, gives)
        if is_single
        else _answer(run, asked, reply.name, gives),
        takes="matrix" if is_single else "columns",
        needs=() if is_single else tuple(one.name for one in asked),
        width=_width(asked[0]) if is_single else len(asked),
        task=task,
        classes=classes,
        gives=gives,
        library=_producer(path),
    )


def _matrix_answer(run: Any, asked: Any, reply: str, gives: Gives) -> Callable[[Any], Floats]:
    dtype = TYPES[asked.type]
    name = asked.name

    def answer(matrix: NDArray[Any]) -> Floats:
        (found,) = run.run([reply], {name: matrix.astype(dtype, copy=False)})
        return _told(found, gives)

    return answer


def _answer(run: Any, asked: Any, reply: str, gives: Gives) -> Callable[[Any], Floats]:
    wanted = [(one.name, TYPES[one.type], len(one.shape)) for one in asked]

    def answer(columns: dict[str, NDArray[Any]]) -> Floats:
        given = {name: _tensor(columns[name], name, dtype, rank) for name, dtype, rank in wanted}
        (found,) = run.run([reply], given)
        return _told(found, gives)

    return answer


def _tensor(array: NDArray[Any], name: str, dtype: Any, rank: int) -> NDArray[Any]:
    if dtype is object:
        array = np.array(["" if value is None else value for value in array.tolist()], dtype=object)
    elif array.dtype == object:
        raise SpecError(f"The ONNX model takes numbers for {name!r}, which holds text.")
    elif np.issubdtype(dtype, np.integer) and not np.isfinite(array).all():
        raise SpecError(f"The ONNX model takes whole numbers for {name!r}, where a row has none.")
    found = array.astype(dtype, copy=False)
    return found.reshape(-1, 1) if rank > 1 else found


def _told(found: Any, gives: Gives) -> Floats:
    if isinstance(found, list):  # a ZipMap: one dictionary per row
        rows = cast("list[dict[Any, float]]", found)
        found = np.array([list(row.values()) for row in rows], dtype=np.float64)
    if gives == "chances":
        return chances(found.reshape(len(found), -1))
    return values(found)


def _outcome(given: Any, path: Path) -> tuple[Task | None, Gives, tuple[str, ...]]:
    if len(given) > 1 and given[0].type in LABELS:
        classes = _labels(path) or _places(_width(given[-1]))
        return (task_of(len(classes)) if classes else None), "chances", classes
    if given[-1].type in LABELS:
        raise SpecError(
            "The ONNX model gives labels alone, and no chances.",
            cure="Convert it again with its probabilities as output.",
        )
    several = _width(given[-1]) or 1
    return (task_of(several), "chances", _places(several)) if several > 1 else (None, "values", ())


def _places(several: int | None) -> tuple[str, ...]:
    return tuple(str(place) for place in range(several or 0))


def _labels(path: Path) -> tuple[str, ...]:
    """The labels that a classifier's node carries, where the onnx package is there to read them."""
    try:
        model = import_module("onnx").load_model_from_string(path.read_bytes())
    except ImportError:
        return ()
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name.startswith("classlabels_") or attribute.name == "keys_strings":
                if attribute.ints:
                    return tuple(str(number) for number in attribute.ints)
                if attribute.strings:
                    return tuple(text.decode() for text in attribute.strings)
    return ()


def _width(one: Any) -> int | None:
    last = one.shape[-1] if one.shape and len(one.shape) > 1 else None
    return last if isinstance(last, int) and last > 0 else None


def _is_column(one: Any) -> bool:
    """A single input of one column only, named: a table of one column, not a matrix."""
    return len(one.shape) == 1


def _producer(path: Path) -> Library:
    """Who wrote the file, by the first fields of the protocol buffer: 2 is the producer's name, 3 its version."""
    texts = dict(_texts(head(path, 4096)))
    return Library(name=texts.get(2) or "onnx", version=texts.get(3) or None)


def _texts(body: bytes) -> Iterator[tuple[int, str]]:
    """Text fields of a protocol buffer up to the first one that is not whole in `body`."""
    at = 0
    while at < len(body):
        key, at = _varint(body, at)
        if key & 7 == 0:
            _, at = _varint(body, at)
        elif key & 7 == 2:
            size, at = _varint(body, at)
            if at + size > len(body):
                return
            if key >> 3 in {2, 3}:
                yield key >> 3, body[at : at + size].decode(errors="replace")
            at += size
        else:
            return


def _varint(body: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(body):
        byte = body[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            break
    return number, at


def sniff(path: Path) -> bool:
    """ONNX has no magic number: a version of the format, then a known field."""
    start = head(path, 4)
    return (
        len(start) > 2
        and start[0] == 8
        and 0 < start[1] < 32
        and start[2] in {0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42}
    )


KIND = Kind(format="onnx", file=FILE, what="an ONNX model", sniff=sniff, load=load)
