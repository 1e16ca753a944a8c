"""What every format is described by: one record each, held in the registry."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from lockgate.errors import LockgateError, SpecError, StoreError
from lockgate.records.version import Format
from lockgate.runtime.loaded import Loaded

HEAD = 512


class Load(Protocol):
    """Reads a file, or a folder, into memory. trust: also code that it names outside known model libraries."""

    def __call__(self, path: Path, *, trust: bool = False) -> Loaded: ...


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One format. file: where a version's folder keeps it; what: in words; extra: what brings its library.

    sniff: whether a path looks like it, by content; load raises SpecError with a sentence for a broken file. owns, save:
    of a fitted model in memory; both None where training never writes this format.
    """

    format: Format
    file: str
    what: str
    sniff: Callable[[Path], bool]
    load: Load
    owns: Callable[[Any], bool] | None = None
    save: Callable[[Any, Path], None] | None = None


def head(path: Path, size: int = HEAD) -> bytes:
    """The first bytes of a file; none of a folder."""
    if path.is_dir():
        return b""
    with path.open("rb") as file:
        return file.read(size)


def library(module: str, install: str) -> Any:
    """The framework itself. Raises SpecError with the command that installs it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise SpecError(
            f"This model needs {module}, which cannot be imported here: {error}.", cure=f"Run: pip install {install}"
        ) from error


def installed(*names: str) -> str | None:
    """The version of the first of these distributions that is installed."""
    for name in names:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


@contextmanager
def reading(path: Path, what: str) -> Generator[None]:
    """Whatever a framework raises on a broken file, as one sentence that names the file."""
    try:
        yield
    except StoreError as error:  # a record of our own
        raise _broken(path, what, error.message) from error
    except (LockgateError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise SpecError(f"There is no file {path}.", cure="Give the path of a saved model.") from error
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0][:200]
        raise _broken(path, what, f"{type(error).__name__}: {said}".rstrip(": ")) from error


def _broken(path: Path, what: str, said: str) -> SpecError:
    return SpecError(
        f"{path.name} cannot be read as {what}: {said.removesuffix('.')}.",
        cure="It may be cut short or damaged: copy or save it again.",
        place=str(path),
    )


def root(model: object) -> str:
    """The package a model's class belongs to."""
    return type(model).__module__.partition(".")[0]
