"""The door to a check: `lockgate.check`, a true word about anybody's model on a table; no workspace needed."""

from __future__ import annotations

import shlex
import tempfile
import time as clock
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from lockgate.errors import NotFound, SpecError
from lockgate.records import Record, Report, decode

if TYPE_CHECKING:
    import polars as pl

    from lockgate.runtime.bounded_child import Limits

Progress = Callable[[str], None]
SECONDS, MEMORY_MB = 600.0, 8192


class Asked(Record, frozen=True, kw_only=True):
    """What is asked of a check; `lockgate.check` says what each means."""

    name: str
    target: str
    time: str | None = None
    unit: str | None = None
    task: Literal["binary", "multiclass", "regression"] | None = None
    metric: str | None = None
    known_after: tuple[str, ...] = ()
    slices: tuple[str, ...] | None = None
    costs: tuple[float, float] | None = None
    answers: str | None = None
    columns: tuple[str, ...] = ()
    command: str | None = None
    seed: int = 0
    alpha: float = 0.05


class Reading(Record, frozen=True, kw_only=True):
    """How the table's file is to be read; see `store.files.read_table`."""

    separator: str | None = None
    decimal_comma: bool = False
    text: tuple[str, ...] = ()


class FileCheck(Record, frozen=True, kw_only=True):
    """A check as the child process is told of it: everything by its place."""

    asked: Asked
    model: str
    table: str
    trained_on: str | None
    reading: Reading
    notes: tuple[str, ...]
    trust: bool


def check(
    model: Any,
    table: Any,
    *,
    target: str,
    time: str | None = None,
    unit: str | None = None,
    task: Literal["binary", "multiclass", "regression"] | None = None,
    metric: str | None = None,
    trained_on: Any = None,
    known_after: Sequence[str] = (),
    slices: Sequence[str] | None = None,
    costs: tuple[float, float] | None = None,
    answers: str | None = None,
    columns: Sequence[str] = (),
    separator: str | None = None,
    decimal_comma: bool = False,
    text: Sequence[str] = (),
    trust: bool = False,
    seconds: float = SECONDS,
    memory_mb: int = MEMORY_MB,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> Report:
    """A report on a fitted model: metrics with intervals, four baselines and whether it beats them, slices, calibration,
    leaks, latency, ONNX parity, and what to do next.

    model: a fitted model, a file of one, or an MLflow URI. table: a frame, a mapping of columns, or a file; best rows that
    the model has not seen. target: the outcome's column. time: when a row was asked; found where one column alone holds
    times. unit: rows of one unit go together. trained_on: the rows the model was trained on, to look for the same rows on
    both sides. known_after: columns learnt only after the question. costs: of a false alarm and of a miss. answers: a
    column of what the model said where it was made, to see whether it still says so here. columns: what the model reads, in
    its order, where its file names none. separator, decimal_comma, text: of
    a CSV file: what stands between values, that 1,5 is one and a half, columns that are text although they look like
    numbers. trust: load a pickle that names more than known model libraries.
    A file is loaded in a child process that may take `seconds` and `memory_mb`, never in this one.
    Raises SpecError or ContractError for what cannot be checked, naming the place and the cure.

    >>> report = check("model.joblib", "holdout.parquet", target="late")
    >>> report.ruling, report.sentence, report.next
    """
    asked = Asked(
        name=_name(model),
        target=target,
        time=time,
        unit=unit,
        task=task,
        metric=metric,
        known_after=tuple(known_after),
        slices=None if slices is None else tuple(slices),
        costs=costs,
        answers=answers,
        columns=tuple(columns),
        seed=seed,
    )
    reading = Reading(separator=separator, decimal_comma=decimal_comma, text=tuple(text))
    if not isinstance(model, str | Path):
        from lockgate.runtime.formats import estimator
        from lockgate.workspace.assessing import assess

        rows, notes = frame(table, reading)
        before = None if trained_on is None else frame(trained_on, reading)[0]
        return assess(asked, estimator.of(model), rows, before, notes=notes, now_s=clock.time(), progress=progress)
    from lockgate.runtime.bounded_child import Limits

    limits = Limits(seconds=seconds, memory_mb=memory_mb)
    return _of_file(asked, str(model), table, trained_on, reading, trust=trust, limits=limits, progress=progress)


def _of_file(
    asked: Asked,
    model: str,
    table: Any,
    trained_on: Any,
    reading: Reading,
    *,
    trust: bool,
    limits: Limits,
    progress: Progress,
) -> Report:
    from lockgate.runtime.bounded_child import run

    with tempfile.TemporaryDirectory(prefix="lockgate-check-") as name:
        room = Path(name)
        place, notes = _laid_out(table, room / "table.parquet")
        before = None if trained_on is None else _laid_out(trained_on, room / "trained_on.parquet")[0]
        told = FileCheck(
            asked=msgspec.structs.replace(asked, command=_command(asked, model, table, reading, trust=trust)),
            model=str(own_file(local(model, room / "model"))),
            table=str(place),
            trained_on=None if before is None else str(before),
            reading=reading,
            notes=notes,
            trust=trust,
        )
        entry = "lockgate.workspace.assessing:in_child"
        body = run(entry, msgspec.json.encode(told), limits, progress=progress, what="The check")
        return decode(Report, body)


def _command(asked: Asked, model: str, table: Any, reading: Reading, *, trust: bool) -> str | None:
    """The words that ask for this check in a shell, to be typed again with more; None for a table in memory."""
    if not isinstance(table, str | Path):
        return None
    words = ["lockgate", "check", model, str(table), "--target", asked.target]
    for option in ("time", "unit", "task", "metric", "answers"):
        given = getattr(asked, option)
        words += [] if given is None else [f"--{option}", given]
    words += ["--columns", ",".join(asked.columns)] if asked.columns else []
    words += [word for name in asked.known_after for word in ("--known-after", name)]
    words += [word for name in asked.slices or () for word in ("--slice", name)]
    words += [] if asked.costs is None else ["--costs", f"{asked.costs[0]:g},{asked.costs[1]:g}"]
    words += [] if reading.separator is None else ["--separator", reading.separator]
    words += ["--decimal-comma"] * reading.decimal_comma
    words += [word for name in reading.text for word in ("--text", name)]
    words += ["--trust"] * trust
    return shlex.join(words)


def local(model: str, into: Path, *, tracking_uri: str | None = None, registry_uri: str | None = None) -> Path:
    """Where the model's file or folder lies; an MLflow URI is fetched from there, or from where MLflow's own settings say.

    Raises NotFound, or StoreError where the server cannot be reached.
    """
    from lockgate.store.mlflow_models import fetch, is_uri

    if is_uri(model):
        return fetch(model, into=into, tracking_uri=tracking_uri, registry_uri=registry_uri).folder
    if not Path(model).exists():
        raise NotFound(
            f"There is no model {model}.", cure="Give the path of a saved model, or an MLflow URI: models:/name@alias."
        )
    return Path(model)


def own_file(model: Path) -> Path:
    """The framework's own file in an MLflow model folder; anything else as it is."""
    from lockgate.store.mlflow_models import pick

    return pick(model).file if (model / "MLmodel").is_file() else model


def _laid_out(table: Any, place: Path) -> tuple[Path, tuple[str, ...]]:
    """A table as a file that the child reads; a frame is written to `place`."""
    if isinstance(table, str | Path):
        return Path(table), ()
    rows, notes = frame(table, Reading())
    rows.write_parquet(place)
    return place, notes


def frame(table: Any, reading: Reading) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Anybody's table as a Polars frame of types that a contract knows, and what was done to it."""
    from lockgate.features.infer import prepared
    from lockgate.store.files import read

    if isinstance(table, str | Path):
        found = read(table, separator=reading.separator, decimal_comma=reading.decimal_comma, text=reading.text)
        ready = prepared(found.table)
        return ready.table, (*found.notes, *ready.notes)
    ready = prepared(as_polars(table))
    return ready.table, ready.notes


def as_polars(table: Any) -> pl.DataFrame:
    """A frame of anybody's, or a mapping of columns. Raises SpecError where it is no table."""
    import polars as pl

    if hasattr(table, "lazy") and hasattr(table, "collect_schema"):
        return cast("pl.DataFrame", table.lazy().collect())
    try:
        with warnings.catch_warnings():
            # Polars 2.1 asks pandas 3.1 for zoned times in a way that is to change; they are the same moments.
            warnings.filterwarnings("ignore", "Series.values returning an ndarray that drops timezone")
            made: Any = pl.from_pandas(table) if hasattr(table, "iloc") else pl.DataFrame(table)  # pyright: ignore[reportUnknownVariableType] # pandas: untyped
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise SpecError(
            f"{type(table).__name__} cannot be read as a table: {error}.",
            cure="Give a pandas or Polars frame, a mapping of columns, or a file.",
        ) from error
    return cast("pl.DataFrame", made)


def _name(model: Any) -> str:
    """What the report calls it: a file by its own name, wherever it lies."""
    if not isinstance(model, str | Path):
        return type(model).__name__
    return Path(model).name if Path(model).exists() else str(model)
