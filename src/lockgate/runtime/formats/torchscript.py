"""TorchScript: PyTorch's archive of a module with its code. Checkpoints, which are pickles, are never opened."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError
from lockgate.features.pipeline import Floats
from lockgate.records import Library
from lockgate.runtime.formats.kind import Kind, head, library, reading
from lockgate.runtime.loaded import Loaded, chances, values

FILE = "native/model.pt"
INSTALL = "torch"


def load(path: Path, *, trust: bool = False) -> Loaded:  # noqa: ARG001 - a checkpoint is not loaded, trusted or not
    """Raises SpecError for a broken file, and for a checkpoint: a pickle of weights, or of a whole module."""
    if not _is_script(path):
        raise SpecError(
            f"{path.name} is a PyTorch checkpoint, a pickle of weights or of a module.",
            cure="Save the module as TorchScript: torch.jit.script(model.eval()).save('model.pt').",
            place=str(path),
        )
    torch = library("torch", INSTALL)
    with reading(path, "a TorchScript module"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return of(torch.jit.load(str(path), map_location="cpu"))


def of(module: Any) -> Loaded:
    """A module that takes a float32 matrix of shape (n, width), and answers a value, a chance, or a chance per class."""
    torch = library("torch", INSTALL)
    module.eval()
    return Loaded(
        format="torchscript",
        model=module,
        answer=_answer(torch, module),
        takes="matrix",
        width=_width(module),
        library=Library(name="torch", version=None),
        note="What its outputs mean the file does not say: they are taken as chances or values, never as scores.",
    )


def _answer(torch: Any, module: Any) -> Callable[[NDArray[Any]], Floats]:
    def answer(matrix: NDArray[Any]) -> Floats:
        with torch.inference_mode():
            given = torch.from_numpy(np.ascontiguousarray(matrix, dtype=np.float32))
            found = values(module(given).numpy())
        return chances(found)

    return answer


def _width(module: Any) -> int | None:
    """The inputs of its first linear layer, where the first of its weights is one."""
    first = next(iter(module.parameters()), None)
    return int(first.shape[1]) if first is not None and first.dim() == 2 else None


def is_module(model: Any) -> bool:
    return any(kind.__module__.startswith("torch.") and kind.__name__ == "Module" for kind in type(model).__mro__)


def save(model: Any, path: Path) -> None:
    """Raises SpecError where the module's code cannot be compiled."""
    torch = library("torch", INSTALL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # that TorchScript is to go one day; it is the one file without pickled code
            made = model if hasattr(model, "save") else torch.jit.script(model.eval())
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0][:200]
        raise SpecError(
            f"{type(model).__name__} cannot be compiled to TorchScript: {said}.",
            cure="Return torch.jit.trace(model.eval(), example) from the training function.",
        ) from error
    made.save(str(path))


def _is_script(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
    return "constants.pkl" in names and any(name.startswith("code/") for name in names)


def sniff(path: Path) -> bool:
    """Also a checkpoint, so that it is refused by name."""
    if not head(path).startswith(b"PK") or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = {name.partition("/")[2] for name in archive.namelist()}
    return "data.pkl" in names or "constants.pkl" in names


KIND = Kind(
    format="torchscript", file=FILE, what="a TorchScript module", sniff=sniff, load=load, owns=is_module, save=save
)
