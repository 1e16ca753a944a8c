"""A guest: a foreign model's file in a child process that stays, answering in place of the file itself.

The file is never loaded in this process. A call that hangs, or a child that dies or outgrows its memory, costs that call:
the child is replaced, and while the new one loads, calls are answered by the fallback.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lockgate.features.pipeline import Floats
from lockgate.records import Column
from lockgate.records.spec import Task
from lockgate.records.version import Format
from lockgate.runtime.bounded_child import Limits
from lockgate.runtime.kept_child import LOAD_S, KeptChild
from lockgate.runtime.packed import one, packed, packed_one, unpacked
from lockgate.runtime.predictor import Inputs

LIMITS = Limits(seconds=10.0, memory_mb=4096)


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """The first message: what to load, and how it will be asked."""

    path: str
    format: Format
    inputs: tuple[Column, ...]
    task: Task | None
    trust: bool
    seconds: float


class Guest:
    """An engine whose model lives in a child process. One call at a time; safe to call from many threads.

    Raises SpecError when it is made, where the file cannot be loaded or does not fit `inputs`; when called, PredictError:
    raised (the model did), late, or gone (the child died, outgrew its memory, or is still loading).
    """

    def __init__(
        self,
        path: Path,
        format: Format,  # noqa: A002 - the record's own word
        inputs: tuple[Column, ...],
        limits: Limits = LIMITS,
        *,
        task: Task | None = None,
        trust: bool = False,
        load_s: float = LOAD_S,
    ) -> None:
        opening = Opening(
            path=str(path), format=format, inputs=inputs, task=task, trust=trust, seconds=max(limits.seconds, 1.0)
        )
        entry = "lockgate.runtime.guest:host"
        self._child = KeptChild(entry, msgspec.msgpack.encode(opening), path.name, limits, load_s=load_s)

    def __call__(self, inputs: Inputs, /) -> Floats:
        found: Floats = self._child.ask(packed(inputs), read=one)
        return found

    def close(self) -> None:
        """Ends the child."""
        self._child.close()

    @property
    def pid(self) -> int | None:
        """The child's, None where there is none."""
        return self._child.pid


def host(body: bytes) -> Any:
    """In the child: loads the model, and gives what answers one message with another."""
    from lockgate.runtime import formats
    from lockgate.runtime.child import allow_cpu

    opening = msgspec.msgpack.decode(body, type=Opening)
    loaded = formats.load(Path(opening.path), opening.format, trust=opening.trust)
    engine = formats.engine(loaded, opening.inputs, opening.task)

    def handle(asked: bytes) -> bytes:
        allow_cpu(opening.seconds * 2)
        return packed_one(np.asarray(engine(unpacked(asked)), dtype=np.float64))

    return handle
