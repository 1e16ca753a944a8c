"""A model that was fitted elsewhere, as a version: looked at in a child process, and never loaded in this one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from lockgate.errors import ContractError
from lockgate.features.columns import Columns, from_tuples, row_tuples
from lockgate.features.outcome import canonical, labels
from lockgate.features.pipeline import Pipeline, raw
from lockgate.records import Benchmark, Column, Contract, Library, Parity, Record, decode, encode
from lockgate.records.prediction import Scalar
from lockgate.records.spec import Task
from lockgate.records.version import Format
from lockgate.runtime.bounded_child import Limits, run, tell
from lockgate.runtime.inputs import inputs_of
from lockgate.train.question import Progress
from lockgate.train.split import Split

PARITY_ROWS = 5_000


class Terms(NamedTuple):
    """How a file from elsewhere is looked at. columns: what it reads, in its order, where it names none itself; trust:
    whether code outside known model libraries may run.
    """

    columns: tuple[str, ...] = ()
    trust: bool = False
    limits: Limits = Limits(seconds=600.0, memory_mb=8192)


class Request(Record, frozen=True, kw_only=True):
    """What the child is told. place: the version's folder to be; rows: held-out ones, in the order of `contract.asked`."""

    file: str
    place: str
    contract: Contract
    rows: tuple[tuple[Scalar, ...], ...]
    task: Task
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    trust: bool


class Described(Record, frozen=True, kw_only=True):
    """What the child found. inputs: the columns the model reads, in its order; classes: its labels, if any."""

    format: Format
    inputs: tuple[Column, ...]
    classes: tuple[str, ...]
    library: Library | None
    parity: Parity
    benchmark: Benchmark
    parameters: dict[str, str]

    @property
    def pipeline(self) -> Pipeline:
        return Pipeline.of(raw(*(column.name for column in self.inputs)))


def look(
    file: Path,
    place: Path,
    contract: Contract,
    rows: Split,
    task: Task,
    terms: Terms,
    progress: Progress,
) -> Described:
    """The model's own file copied to `place`, compiled where it agrees, and what it says of itself.

    Raises SpecError where the file is no model, names more than known libraries, or asks for other columns.
    """
    held = rows.held_out
    some = {column.name: held[column.name][-PARITY_ROWS:] for column in contract.asked}
    request = Request(
        file=str(file),
        place=str(place),
        contract=contract,
        rows=tuple(row_tuples(some, contract.asked)),
        task=task,
        classes=rows.classes,
        columns=terms.columns,
        trust=terms.trust,
    )
    return decode(
        Described,
        run(
            "lockgate.train.adopt:in_child",
            encode(request),
            terms.limits,
            progress=progress,
            what="Looking at the model",
        ),
    )


def in_child(body: bytes) -> bytes:
    """Load, convert, compare and time: the part that runs the model."""
    from lockgate.runtime.benchmark import benchmark
    from lockgate.runtime.compile.checked import compile_checked
    from lockgate.runtime.compile.engine import ONNX, Compiled
    from lockgate.runtime.formats import engine, load
    from lockgate.runtime.formats import native as native_file
    from lockgate.runtime.hyperparameters import parameters_of
    from lockgate.runtime.scan import refuse, scan

    request = decode(Request, body)
    contract, place = request.contract, Path(request.place)
    tell("loading the model")
    if not request.trust:
        refuse(scan(Path(request.file)))
    loaded = load(Path(request.file), trust=request.trust)
    inputs = inputs_of(loaded, contract, request.columns)
    columns: Columns = from_tuples(contract.asked, request.rows)
    given = {column.name: columns[column.name] for column in inputs}
    classes = _classes(canonical(loaded.classes, _target(contract)), request)
    native = engine(loaded, inputs)
    tell("trying the compiled path")
    _keep(Path(request.file), native_file(place, loaded.format))
    parity = compile_checked(loaded, native, inputs, given, place, task=request.task)
    compiled = Compiled((place / ONNX).read_bytes()) if parity.is_passed else None
    tell("timing it")
    found = Described(
        format=loaded.format,
        inputs=inputs,
        classes=classes,
        library=loaded.library,
        parity=parity,
        benchmark=benchmark(native, compiled, given),
        parameters=parameters_of(loaded.model),
    )
    return encode(found)


def _keep(file: Path, place: Path) -> None:
    """The model's own file, or folder, copied as it is."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if file.is_dir():
        shutil.copytree(file, place)
    else:
        shutil.copyfile(file, place)


def _classes(own: tuple[str, ...], request: Request) -> tuple[str, ...]:
    """The model's labels, which must cover the table's; the table's where the file names none."""
    if request.task == "regression" or not own:
        return request.classes
    own = labels(own, request.classes)
    unknown = [name for name in request.classes if name not in own]
    if unknown:
        raise ContractError(
            f"The table's {request.contract.target!r} holds {unknown[0]!r}, a class the model never saw; "
            f"it knows {', '.join(own[:6])}.",
            cure="Leave those rows out, or train a model that knows the class.",
            column=request.contract.target,
        )
    return own


def _target(contract: Contract) -> Column:
    found = contract.column(contract.target)
    assert found is not None
    return found
