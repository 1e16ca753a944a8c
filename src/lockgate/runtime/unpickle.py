"""Pickles read two ways: to see what they name, without running anything; and to load them, holding each name to the list.

The second does not lean on the first: a pickle that is read one way and says another is still stopped at the name.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from lockgate.errors import SpecError
from lockgate.runtime.known import LOSSES, is_known, is_plain_formula, is_what_it_says

MAX_SKIP = 1 << 20
_WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_Pure: Any = vars(pickle)["_Unpickler"]  # the reader that is written in Python: its steps can be overridden


@contextmanager
def opened(path: Path) -> Generator[BinaryIO]:
    """The bytes of a pickle, unpacked where joblib packed them."""
    with path.open("rb") as file:
        start = file.read(8)
        file.seek(0)
        unpacked = _unpacked(file, start)
        yield cast("BinaryIO", unpacked if unpacked is file else io.BufferedReader(unpacked))


def _unpacked(file: BinaryIO, start: bytes) -> Any:
    if start[:2] in {b"x\x01", b"x\x5e", b"x\x9c", b"x\xda"}:
        return import_module("joblib.compressor").BinaryZlibFile(file, "rb")
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if start.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if start.startswith((b"\xfd7zXZ", b"]\x00")):
        return lzma.LZMAFile(file)
    if start.startswith(b"\x04\x22\x4d\x18"):
        try:
            return import_module("lz4.frame").LZ4FrameFile(file)
        except ImportError as error:
            raise SpecError(
                "The file is packed with LZ4, which is not installed.", cure="Run: pip install lz4"
            ) from error
    return file


class Inert:
    """Stands for whatever a pickle names: takes everything that is done to it, and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> Inert:
        kind: Any = cls  # an instance, where a pickle takes what it made for a class
        found: Inert = object.__new__(cast("type[Inert]", kind) if isinstance(kind, type) else Inert)
        return found

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> Inert:
        return Inert()

    def __setitem__(self, *_: Any) -> None: ...

    def __setstate__(self, state: Any) -> None:
        vars(self)["state"] = state

    def append(self, *_: Any) -> None: ...

    def extend(self, *_: Any) -> None: ...

    def add(self, *_: Any) -> None: ...


class _Array(Inert):
    """joblib's wrapper: the bytes of an array follow it in the file."""


# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# What follows is built on the readers of pickle and joblib, which no stub declares.


class Names(_Pure):  # type: ignore[misc]
    """Reads a pickle to its end without importing what it names; joblib's arrays are passed over.

    names: in the order met. formulas: that a statsmodels model would run. versions: by library, where the state says.
    """

    dispatch = dict(_Pure.dispatch)

    def __init__(self, file: BinaryIO, into: Names | None = None) -> None:
        super().__init__(file)
        self._file = file
        self.names: dict[tuple[str, str], None] = {} if into is None else into.names
        self.formulas: list[str] = [] if into is None else into.formulas
        self.versions: dict[str, str] = {} if into is None else into.versions

    def find_class(self, module: Any, name: Any) -> Any:
        key = _renamed(str(module), str(name), self.proto)
        self.names[key] = None
        if key == ("numpy", "dtype"):
            return np.dtype  # needed for the size of what follows; building one runs nothing
        return type(key[1].rpartition(".")[2] or "Inert", (_Array if key == _WRAPPER else Inert,), {})

    def persistent_load(self, pid: Any) -> Any:  # noqa: ARG002
        self.names["pickle", "persistent_load"] = None
        return Inert()

    def load_build(self) -> None:
        self._note(self.stack[-1])
        _Pure.load_build(self)
        if isinstance(self.stack[-1], _Array):
            self._pass_over(vars(self.stack[-1]).get("state"))

    dispatch[pickle.BUILD[0]] = load_build

    def _note(self, state: Any) -> None:
        if not isinstance(state, dict):
            return
        known = cast("dict[Any, Any]", state)  # type: ignore[redundant-cast] # pyright asks for it
        if isinstance(known.get("formula"), str):
            self.formulas.append(known["formula"])
        if isinstance(known.get("_sklearn_version"), str):
            self.versions["scikit-learn"] = known["_sklearn_version"]

    def _pass_over(self, state: Any) -> None:
        dtype, shape = state["dtype"], state["shape"]
        if dtype.hasobject:
            Names(self._file, self).load()
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            self._file.read(int.from_bytes(self._file.read(1), "little"))
        left = int(dtype.itemsize) * prod(int(size) for size in shape)
        while left > 0:
            got = len(self._file.read(min(left, MAX_SKIP)))
            if not got:
                raise EOFError("it ends within an array")
            left -= got


def guarded(path: Path) -> Any:
    """The object in a pickle or joblib file. Raises SpecError at the first name that is not of a known model library."""
    kept = _guarded_reader()
    with opened(path) as file:
        return kept(str(path), file).load()


def _guarded_reader() -> Any:
    own = import_module("joblib.numpy_pickle")
    reader, wrapper = own.NumpyUnpickler, own.NumpyArrayWrapper

    class Wrapper(wrapper):  # type: ignore[misc, valid-type]
        """An array of objects lies in the file as a pickle of its own: that one is held to the list too."""

        def read_array(self, unpickler: Any, *rest: Any) -> Any:
            if self.dtype.hasobject:
                return Guarded(unpickler.filename, unpickler.file_handle).load()
            return super().read_array(unpickler, *rest)

    class Guarded(reader):  # type: ignore[misc, valid-type]
        dispatch = dict(reader.dispatch)

        def __init__(self, filename: str, file: BinaryIO) -> None:
            try:
                super().__init__(filename, file, ensure_native_byte_order=True)
            except TypeError:  # joblib before 1.5 does not ask
                super().__init__(filename, file)

        def find_class(self, module: Any, name: Any) -> Any:
            key = _renamed(str(module), str(name), self.proto)
            if not is_known(*key):
                raise refusal(Path(self.filename), [".".join(key)])
            if key == _WRAPPER:
                return Wrapper
            found = super().find_class(*key)
            if not is_what_it_says(*key, found):
                raise refusal(Path(self.filename), [".".join(key)])
            return found

        def persistent_load(self, pid: Any) -> Any:  # noqa: ARG002
            raise refusal(Path(self.filename), ["pickle.persistent_load"])

        def load_build(self) -> None:
            state = self.stack[-1]
            formula = cast("dict[str, Any]", state).get("formula") if isinstance(state, dict) else None
            if isinstance(formula, str) and not is_plain_formula(formula):
                raise refusal(Path(self.filename), [f"the formula {formula!r}"])
            reader.load_build(self)

        dispatch[pickle.BUILD[0]] = load_build

    return Guarded


def refusal(path: Path, names: list[str]) -> SpecError:
    """The error for a pickle that names what is not known."""
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return SpecError(
        f"{path.name} names {shown}, outside the known model libraries; nothing of it was loaded.",
        cure="If you know who made the file and what is in it, say so with --trust, from a folder where that code can be "
        "imported. A pickle can run any code.",
        place=str(path),
    )


def _renamed(module: str, name: str, protocol: int) -> tuple[str, str]:
    """Names of Python 2 as Python 3 finds them, and of scikit-learn's losses: Cython wrote their module without its package.

    No module of that short name is ever imported: it might be anybody's.
    """
    if module == "_loss" and is_known(LOSSES, name):
        return LOSSES, name
    if protocol < 3:
        if (module, name) in NAME_MAPPING:
            return NAME_MAPPING[module, name]
        return IMPORT_MAPPING.get(module, module), name
    return module, name
