"""What an MLflow model folder holds: its flavours, and the framework's own file among them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, cast
from zipfile import BadZipFile, ZipFile

from lockgate.errors import SpecError
from lockgate.records import Library
from lockgate.records.version import Format
from lockgate.store.mlflow_folder import LOADER

MLMODEL = "MLmodel"
CURE = "Write models:/NAME/3, models:/NAME@champion, models:/m-..., runs:/RUN/PATH, or the path of a model folder."
# The library of each flavour that is chosen before python_function, in that order, and the key that names its version.
LIBRARIES = {
    "sklearn": ("scikit-learn", "sklearn_version"),
    "lightgbm": ("lightgbm", "lgb_version"),
    "xgboost": ("xgboost", "xgb_version"),
    "catboost": ("catboost", "catboost_version"),
    "onnx": ("onnx", "onnx_version"),
    "pytorch": ("torch", "pytorch_version"),
    "statsmodels": ("statsmodels", "statsmodels_version"),
}


class Picked(NamedTuple):
    """The framework's own file in a model folder; for "pyfunc" the folder itself."""

    format: Format
    file: Path
    library: Library | None


def pick(folder: Path) -> Picked:
    """The framework's own file, where its format is one that Lockgate loads; else the whole folder, as "pyfunc".

    A folder that brings code of its own is taken whole too: its files mean nothing without it. Raises SpecError where
    MLmodel names a file that is missing, or lies outside the folder.
    """
    flavors = flavors_of(read(folder))
    for flavor in LIBRARIES:
        conf = flavors.get(flavor)
        found = None if conf is None or conf.get("code") else _file(flavor, conf, folder)
        if conf is not None and found is not None:
            return Picked(*found, library_of(flavor, conf))
    if "python_function" not in flavors:
        raise SpecError(
            f"The model in {folder} has no flavour that Lockgate loads: {', '.join(flavors) or 'none'}.",
            cure="Log it with a python_function flavour.",
        )
    return Picked("pyfunc", folder, next((library_of(f, flavors[f]) for f in LIBRARIES if f in flavors), None))


def own_version(folder: Path) -> Path | None:
    """The sealed version inside, where the model folder is one that Lockgate registered; its name is the version's id."""
    conf = flavors_of(read(folder)).get("python_function", {})
    return _inside(folder, conf.get("data")) if conf.get("loader_module") == LOADER else None


def _file(flavor: str, conf: Mapping[str, Any], folder: Path) -> tuple[Format, Path] | None:
    """The format and the file of one flavour; None where only MLflow itself can load it."""
    if flavor == "sklearn":
        path = _inside(folder, conf.get("pickled_model", "model.pkl"))
        return ("skops" if path.suffix == ".skops" else "joblib"), path
    if flavor == "pytorch":
        path = _inside(folder, f"{conf.get('model_data', 'data')}/model.pth")
        return ("torchscript", path) if _is_torchscript(path) else None
    path = _inside(folder, conf.get("data"))
    if flavor == "lightgbm":
        kinds: dict[str, Format] = {".pkl": "joblib", ".skops": "skops"}
        return kinds.get(path.suffix, "lightgbm"), path
    if flavor == "catboost":
        return ("catboost", path) if conf.get("save_format", "cbm") in ("cbm", "json") else None
    formats: dict[str, Format] = {"xgboost": "xgboost", "onnx": "onnx", "statsmodels": "joblib"}
    return formats[flavor], path


def _is_torchscript(path: Path) -> bool:
    """A TorchScript archive carries its code; a pickled module needs the class it was made from."""
    try:
        with ZipFile(path) as archive:
            return any("/code/" in name for name in archive.namelist())
    except (BadZipFile, OSError):
        return False


def _inside(folder: Path, name: object) -> Path:
    if not isinstance(name, str):
        raise SpecError(f"{MLMODEL} in {folder} names no file of its model.", place=str(folder))
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise SpecError(f"{MLMODEL} in {folder} names {name!r}, which lies outside the folder.", place=str(folder))
    if not path.exists():
        raise SpecError(f"{MLMODEL} in {folder} names {name!r}, which is not there.", place=str(folder))
    return path


def library_of(flavor: str, conf: Mapping[str, Any]) -> Library:
    name, key = LIBRARIES[flavor]
    version = conf.get(key)
    return Library(name=name, version=None if version is None else str(version))


def flavors_of(found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    flavors = found.get("flavors")
    said = cast("dict[str, Any]", flavors) if isinstance(flavors, dict) else {}
    return {name: conf for name, conf in said.items() if isinstance(conf, dict)}


def read(folder: Path) -> Mapping[str, Any]:
    """What MLmodel says: plain data, whoever wrote it."""
    yaml: Any = import_module("yaml")  # MLflow brings it; it ships no types
    file = folder / MLMODEL
    if not file.is_file():
        raise SpecError(f"There is no {MLMODEL} file in {folder}, so it is no MLflow model.", cure=CURE)
    try:
        found: object = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{file} cannot be read: {error}.", place=str(file)) from error
    if not isinstance(found, dict):
        raise SpecError(f"{file} is no MLmodel: it holds a {type(found).__name__}.", place=str(file))
    return cast("dict[str, Any]", found)
