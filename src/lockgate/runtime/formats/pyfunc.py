"""An MLflow model folder: read by the framework's own reader where it holds one of its files, else by MLflow."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from lockgate.errors import SpecError
from lockgate.features.pipeline import Floats
from lockgate.records import Library
from lockgate.runtime.formats import catboost, joblib, lightgbm, onnx, skops, xgboost
from lockgate.runtime.formats.kind import Kind, Load, library, reading
from lockgate.runtime.loaded import Loaded, chances
from lockgate.runtime.scan import refuse, scan

FILE = "native/model"
MLMODEL = "MLmodel"
# flavour: (the key that holds its file's name, the key of its version, the library to install, its reader)
FLAVOURS: dict[str, tuple[str, str, str, Load]] = {
    "lightgbm": ("data", "lgb_version", "lightgbm", lightgbm.load),
    "xgboost": ("data", "xgb_version", "xgboost", xgboost.load),
    "catboost": ("data", "catboost_version", "catboost", catboost.load),
    "sklearn": ("pickled_model", "sklearn_version", "scikit-learn", joblib.load),
    "statsmodels": ("data", "statsmodels_version", "statsmodels", joblib.load),
    "onnx": ("data", "onnx_version", "onnx", onnx.load),
}


def load(path: Path, *, trust: bool = False) -> Loaded:
    """Raises SpecError where the folder's code is of no known model library and is not trusted."""
    flavours = read(path)
    for word, (key, stamp, name, reader) in FLAVOURS.items():
        said = flavours.get(word)
        if said and (path / str(said.get(key, ""))).is_file() and not _is_own_code(flavours):
            found = _native(path / str(said[key]), reader, trust)
            written = said.get(stamp)
            return replace(
                found,
                format="pyfunc",
                needs=found.needs or _signature(path),
                library=Library(name=name, version=str(written) if written else None),
            )
    return _by_mlflow(path, trust)


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The flavours that the folder's MLmodel file names."""
    with reading(path / MLMODEL, "an MLflow model"):
        said = _yaml(path)
    flavours = said.get("flavors")
    if not isinstance(flavours, dict):
        raise SpecError(f"{path / MLMODEL} names no flavours.", cure="Log the model again.", place=str(path))
    return cast("dict[str, dict[str, Any]]", flavours)


def _native(file: Path, reader: Load, trust: bool) -> Loaded:
    if skops.KIND.sniff(file):
        return skops.load(file, trust=trust)
    return reader(file, trust=trust)


def _is_own_code(flavours: dict[str, dict[str, Any]]) -> bool:
    """Whether the maker brought Python files along, which MLflow puts on the path before it reads the model."""
    return any(said.get("code") for said in flavours.values())


def _by_mlflow(path: Path, trust: bool) -> Loaded:
    if not trust:
        refuse(scan(path))
        loader = str(read(path).get("python_function", {}).get("loader_module", ""))
        raise SpecError(
            f"{path.name} is an MLflow model that only its own code can read ({loader or 'no loader named'}).",
            cure="If you know who made it, say so with --trust. It can run any code.",
            place=str(path),
        )
    mlflow = library("mlflow.pyfunc", "'lockgate[mlflow]'")
    with reading(path, "an MLflow model"):
        model = mlflow.load_model(str(path))
    return Loaded(
        format="pyfunc",
        model=None,
        answer=_answer(model),
        takes="frame",
        needs=_signature(path),
        library=Library(name="mlflow", version=_written_by(path)),
        note="An MLflow model of its maker's own code: its answers are taken as chances or values, as it gives them.",
    )


def _answer(model: Any) -> Callable[[Any], Floats]:
    def answer(frame: Any) -> Floats:
        told: Any = model.predict(frame)
        found: Any = cast("dict[str, Any]", told)["predictions"] if isinstance(told, dict) else told
        wide = np.asarray(found, dtype=np.float64)
        return wide.reshape(-1) if wide.ndim == 2 and wide.shape[1] == 1 else chances(wide)

    return answer


def _signature(path: Path) -> tuple[str, ...]:
    """The columns that the model's signature names, in order."""
    signature = cast("dict[str, Any]", _yaml(path).get("signature") or {})
    inputs = signature.get("inputs")
    columns: list[dict[str, Any]] = json.loads(inputs) if isinstance(inputs, str) else []
    return tuple(str(column["name"]) for column in columns if column.get("name") is not None)


def _written_by(path: Path) -> str | None:
    version = _yaml(path).get("mlflow_version")
    return str(version) if version else None


def _yaml(path: Path) -> dict[str, Any]:
    """Raises SpecError where the file is no YAML mapping. Safe loading: no tag of it makes an object."""
    said = library("yaml", "pyyaml").safe_load((path / MLMODEL).read_text())
    if not isinstance(said, dict):
        raise SpecError(f"{path / MLMODEL} is no MLmodel file.", cure="Log the model again.", place=str(path))
    return cast("dict[str, Any]", said)


def sniff(path: Path) -> bool:
    return path.is_dir() and (path / MLMODEL).is_file()


KIND = Kind(format="pyfunc", file=FILE, what="an MLflow model", sniff=sniff, load=load)
