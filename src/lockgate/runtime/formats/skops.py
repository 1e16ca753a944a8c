"""skops files: scikit-learn models without pickle."""

from __future__ import annotations

import warnings
from pathlib import Path

from lockgate.runtime.formats import estimator
from lockgate.runtime.formats.kind import Kind, library, reading
from lockgate.runtime.loaded import Loaded
from lockgate.runtime.scan import is_skops, refuse, scan

FILE = "native/model.skops"


def load(path: Path, *, trust: bool = False) -> Loaded:
    """Raises SpecError naming the types that skops does not trust, and that are of no known model library."""
    io = library("skops.io", "skops")
    with reading(path, "a skops file"):
        found = scan(path)
        if not trust:
            refuse(found)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return estimator.of(io.load(path, trusted=list(found.names)), "skops")


KIND = Kind(format="skops", file=FILE, what="a skops file", sniff=is_skops, load=load)
