"""joblib files, plain pickles and cloudpickles: whatever Python object predicts."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from lockgate.errors import LockgateError, SpecError
from lockgate.records import Library
from lockgate.runtime import unpickle
from lockgate.runtime.formats import estimator
from lockgate.runtime.formats.kind import Kind, installed, library, reading
from lockgate.runtime.loaded import Loaded
from lockgate.runtime.scan import is_pickle, scan

FILE = "native/model.joblib"
BY_VALUE = (
    "It holds classes that no module gives (made in a notebook, a script or a function): they are saved with it, by "
    "cloudpickle, and load under the same version of Python alone."
)


def load(path: Path, *, trust: bool = False) -> Loaded:
    """Without trust every name is held to the known model libraries while it loads; with trust any code runs.

    Raises SpecError naming what is unknown, the class that cannot be found, or the version that wrote the file.
    """
    library("joblib", "joblib")
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        model = _object(path, trust)
    written = [warning.message for warning in raised if type(warning.message).__name__ == "InconsistentVersionWarning"]
    found = estimator.of(_single_threaded(model))
    if written:
        found = replace(found, library=_written_by(found, written[0]))
    return replace(found, note=BY_VALUE) if trust and _is_by_value(path) else found


def _object(path: Path, trust: bool) -> Any:
    try:
        return import_module("joblib").load(path) if trust else unpickle.guarded(path)
    except (LockgateError, MemoryError):
        raise
    except (ImportError, AttributeError) as error:
        raise _not_found(path, error) from error
    except Exception as error:
        with reading(path, "a pickle"):
            raise _with_version(path, error) from error


def _not_found(path: Path, error: Exception) -> SpecError:
    return SpecError(
        f"{path.name} needs code that cannot be found here: {error}.",
        cure=_version_cure(path) or "Install the library that made it, or run from the folder where its module lies.",
        place=str(path),
    )


def _with_version(path: Path, error: Exception) -> Exception:
    cure = _version_cure(path)
    if not cure:
        return error
    return SpecError(f"{path.name} cannot be loaded: {type(error).__name__}: {error}.", cure=cure, place=str(path))


def _version_cure(path: Path) -> str:
    """The version that wrote the file, where it says so and another is installed."""
    try:
        versions = scan(path).versions
    except LockgateError:
        return ""
    for name, written in versions.items():
        here = installed(name)
        if here != written:
            return f"It was written by {name} {written}, and {here} is installed. Run: pip install {name}=={written}"
    return ""


def _written_by(found: Loaded, warning: Any) -> Library:
    name = found.library.name if found.library is not None else "scikit-learn"
    version = getattr(warning, "original_sklearn_version", None)
    return Library(name=name if name == "scikit-learn" else "scikit-learn", version=version)


def _single_threaded(model: Any) -> Any:
    """The model loaded is ours alone: its own wish for many threads would beat what a call asks for."""
    if not hasattr(model, "get_params") or not hasattr(model, "set_params"):
        return model
    try:
        wishes = {key: 1 for key, value in model.get_params(deep=True).items() if _is_wish(key, value)}
    except Exception:  # noqa: BLE001 - an estimator of the user's may not give its parameters; it predicts all the same
        return model
    for key in wishes:
        owner, _, last = key.rpartition("__")
        part = model.get_params(deep=True)[owner] if owner else model
        setattr(part, last, 1)
    return model


def _is_wish(key: str, value: object) -> bool:
    return key.rpartition("__")[2] == "n_jobs" and value != 1


def _is_by_value(path: Path) -> bool:
    with unpickle.opened(path) as file:
        found = unpickle.Names(file)
        found.load()
    return any(module.startswith("cloudpickle") for module, _ in found.names)


def save(model: Any, path: Path) -> None:
    """By joblib; by cloudpickle where a class of it is in no module that another process could import."""
    joblib = library("joblib", "joblib")
    try:
        joblib.dump(model, path)
        with unpickle.opened(path) as file:
            found = unpickle.Names(file)
            found.load()
        if not any(module in {"__main__", "__mp_main__"} for module, _ in found.names):
            return
    except (pickle.PicklingError, AttributeError, TypeError):
        pass  # a class or function that has no address
    cloudpickle = library("cloudpickle", "cloudpickle")
    try:
        path.write_bytes(cloudpickle.dumps(model))
    except Exception as error:
        raise SpecError(
            f"{type(model).__name__} cannot be saved: {type(error).__name__}: {error}.",
            cure="Leave open files, connections, locks and generators out of the model.",
        ) from error


KIND = Kind(
    format="joblib",
    file=FILE,
    what="a pickle",
    sniff=is_pickle,
    load=load,
    owns=lambda model: callable(getattr(model, "predict", None)),
    save=save,
)
