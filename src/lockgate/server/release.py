"""Which Lockgate this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def _release() -> str:
    try:
        return version("lockgate")
    except PackageNotFoundError:
        return "0"  # run from a folder of sources that nobody installed


RELEASE = _release()
