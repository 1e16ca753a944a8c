"""One call, as far as it is known: what was logged of it, what the other versions said, and what came true."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from lockgate.records import Outcome, Prediction, Shadow
from lockgate.records.prediction import Scalar

Key = tuple[float, str]
_NONE: Mapping[str, Shadow] = MappingProxyType({})


class Answer(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What no other call of the day shares with this one, but for its inputs: those are most of the work of unpacking."""

    unit: str
    answered_s: float
    value: float
    latency_ms: float
    failure: str | None
    flags: tuple[str, ...]


class _Own(Answer, array_like=True, frozen=True, gc=False):
    """All of it. The inputs are last, so that an `Answer` is read from the same bytes."""

    inputs: tuple[Scalar, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Own).decode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode


class Call(msgspec.Struct, gc=False, eq=False):
    """shadows: by version. A call that waits for its day to close is packed: its prediction is then made anew, value for
    value, each time it is asked for, for millions may wait. That many are no work for the garbage collector either: nothing
    that a call holds refers back to it.

    said: the prediction; once packed that of another call, for what both share. own: the rest of it, packed.
    """

    id: str
    asked_s: float
    said: Prediction
    own: bytes | None = None
    shadows: Mapping[str, Shadow] = _NONE
    outcome: Outcome | None = None
    is_judged: bool = False

    @classmethod
    def of(cls, prediction: Prediction) -> Call:
        return cls(prediction.id, prediction.asked_s, prediction)

    @property
    def prediction(self) -> Prediction:
        if self.own is None:
            return self.said
        own, shared = _decode(self.own), self.said
        return Prediction(
            id=self.id,
            model=shared.model,
            unit=own.unit,
            asked_s=self.asked_s,
            answered_s=own.answered_s,
            arm=shared.arm,
            version=shared.version,
            served_by=shared.served_by,
            value=own.value,
            latency_ms=own.latency_ms,
            share=shared.share,
            rollout=shared.rollout,
            failure=own.failure,
            flags=own.flags,
            inputs=own.inputs,
        )

    @property
    def answer(self) -> Prediction | Answer:
        """Value, latency, failure and flags, sooner than by `prediction`."""
        return self.said if self.own is None else _decode_answer(self.own)

    @property
    def version(self) -> str:
        """Of the call's arm."""
        return self.said.version

    def value_of(self, version: str) -> float | None:
        """What `version` said of this call, whoever served it; None where it did not say or failed."""
        if self.version == version:
            answer = self.answer
            return None if answer.failure else answer.value
        shadow = self.shadows.get(version)
        return shadow.value if shadow else None

    @property
    def key(self) -> Key:
        """Where the call stands in the canonical order: by event time, then by id."""
        return self.asked_s, self.id

    def add_shadow(self, shadow: Shadow) -> None:
        """The first of a version counts."""
        if shadow.version not in self.shadows:
            self.shadows = {**self.shadows, shadow.version: shadow}

    def pack(self, examples: Examples) -> None:
        if self.own is not None:
            return
        full = self.said
        self.own = _encode(
            _Own(full.unit, full.answered_s, full.value, full.latency_ms, full.failure, full.flags, full.inputs)
        )
        self.said = examples.like(full)


class Examples:
    """For each way that calls were routed and answered, one prediction that stands for what all of them share."""

    def __init__(self) -> None:
        self._by_way: dict[tuple[object, ...], Prediction] = {}

    def like(self, full: Prediction) -> Prediction:
        way = (full.arm, full.version, full.served_by, full.share, full.rollout)
        found = self._by_way.get(way)
        if found is None:
            found = self._by_way[way] = msgspec.structs.replace(full, inputs=(), flags=(), failure=None)
        return found
