"""Model files by format: each framework's own file, read into one shape. A framework is imported when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lockgate.errors import SpecError
from lockgate.records import Library
from lockgate.records.report import Finding
from lockgate.records.version import Format
from lockgate.runtime.formats import (
    catboost,
    constant,
    estimator,
    joblib,
    lightgbm,
    onnx,
    pyfunc,
    rule,
    skops,
    torchscript,
    xgboost,
)
from lockgate.runtime.formats.engine import arranged, check_task, engine
from lockgate.runtime.formats.kind import Kind, installed
from lockgate.runtime.loaded import Loaded

__all__ = [
    "FORMATS",
    "arranged",
    "check_task",
    "engine",
    "in_memory",
    "library_note",
    "load",
    "native",
    "recognise",
    "save_model",
]

# In the order in which a path is asked: what has a mark of its own first.
FORMATS: Mapping[Format, Kind] = {
    kind.format: kind
    for kind in (
        pyfunc.KIND,
        catboost.KIND,
        lightgbm.KIND,
        xgboost.KIND,
        skops.KIND,
        torchscript.KIND,
        onnx.KIND,
        constant.KIND,
        rule.KIND,
        joblib.KIND,
    )
}
_LOOKS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89HDF", "an HDF5 file (Keras, say)", "Convert the model to ONNX."),
    (b"PAR1", "a Parquet table", "Give the model first, then the table."),
    (b"%PDF", "a PDF", "Give the file of a saved model."),
    (b"PK", "a zip archive that holds no model known here", "Give the model's own file."),
    (b"RDX", "a file of R", "Convert the model to ONNX."),
    (b"{", "JSON that no model library known here wrote", "Save the model in its library's own format."),
)
_INSTALL = {"xgboost": ("xgboost-cpu", "xgboost"), "scikit-learn": ("scikit-learn",)}


def recognise(path: Path) -> Format:
    """The format of a file or folder, by what is in it. Raises SpecError saying what it looks like, and the cure."""
    if not path.exists():
        raise SpecError(f"There is no file {path}.", cure="Give the path of a saved model.", place=str(path))
    for word, kind in FORMATS.items():
        if kind.sniff(path):
            return word
    raise _unrecognised(path)


def load(path: Path, format: Format | None = None, *, trust: bool = False) -> Loaded:  # noqa: A002
    """The model in a file or folder, in this process. format: recognised where left out.

    trust: also run code that the file names outside known model libraries. Raises SpecError with what is wrong.
    """
    return FORMATS[format or recognise(path)].load(path, trust=trust)


def in_memory(model: Any) -> Loaded:
    """A fitted model in memory, as its file would give it. Raises SpecError for what is not fitted or cannot predict."""
    return estimator.of(model)


def native(folder: Path, format: Format) -> Path:  # noqa: A002
    """Where a version's folder keeps the framework's own file."""
    return folder / FORMATS[format].file


def save_model(folder: Path, model: Any) -> tuple[Format, Loaded]:
    """Save a fitted model in the format that fits it, and give it as it reads back: what is served is what was saved.

    Raises SpecError for what cannot predict, and for what cannot be saved.
    """
    told = in_memory(model)
    for word in ("lightgbm", "xgboost", "catboost", "torchscript", "joblib"):
        kind = FORMATS[word]
        if kind.owns is not None and kind.save is not None and kind.owns(model):
            path = folder / kind.file
            path.parent.mkdir(parents=True, exist_ok=True)
            kind.save(model, path)
            back = kind.load(path, trust=True)
            return word, _completed(back, told)
    raise SpecError(f"{type(model).__name__} cannot be saved.", cure="Return a fitted model that has a predict method.")


def library_note(loaded: Loaded) -> Finding | None:
    """A finding where the file was written by another version of its library than is installed."""
    library = loaded.library
    if library is None or library.version is None or loaded.format == "onnx":  # ONNX Runtime answers for any writer
        return None
    names = _INSTALL.get(library.name, (library.name,))
    here = installed(*names)
    if here is None or here == library.version:
        return None
    return Finding(
        kind="library",
        grade="warn",
        sentence=f"The file was written by {library.name} {library.version}, and {here} is installed: it may answer "
        "otherwise.",
        cure=f"pip install {library.name}=={library.version}",
    )


def _completed(back: Loaded, told: Loaded) -> Loaded:
    """What the framework's own file does not keep, said by the model in memory: labels, and names given in training."""
    return replace(
        back,
        model=told.model,
        task=told.task or back.task,
        classes=told.classes or back.classes,
        needs=back.needs or told.needs,
        library=Library(name=told.library.name, version=told.library.version) if told.library else back.library,
    )


def _unrecognised(path: Path) -> SpecError:
    if path.is_dir():
        return SpecError(
            f"{path} is a folder without an MLmodel file.",
            cure="Give a model file, or an MLflow model's folder.",
            place=str(path),
        )
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return SpecError(f"{path} is empty.", cure="Save the model again.", place=str(path))
    for mark, looks, cure in _LOOKS:
        if start.startswith(mark):
            return SpecError(f"{path.name} looks like {looks}, not like a model.", cure=cure, place=str(path))
    is_text = all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in start)
    if is_text:
        cure = "Give the model first, then the table."
        return SpecError(f"{path.name} looks like text (a table, perhaps).", cure=cure, place=str(path))
    return SpecError(
        f"{path.name} looks like no format of a model that is known here.",
        cure="Known are: joblib, pickle, skops, ONNX, TorchScript, the own files of LightGBM, XGBoost and CatBoost, and "
        "MLflow model folders.",
        place=str(path),
    )
