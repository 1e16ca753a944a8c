"""One call, as far as it is known: what was logged of it, what the other versions said, and what came true."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from lockgate.records import Outcome, Prediction, Shadow
from lockgate.records.prediction import Scalar

Key = tuple[float, str]
_NONE: Mapping[str, Shadow] = MappingProxyType({})


class WithoutInputs(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What no other call of the day shares with this one, but for its inputs: those are most of the work of unpacking."""

    unit: str
    answered_s: float
    value: float
    latency_ms: float
    failure: str | None
    flags: tuple[str, ...]


class _Own(WithoutInputs, array_like=True, frozen=True, gc=False):
    """All of it. The inputs are last, so that the rest is read from the same bytes."""

    inputs: tuple[Scalar, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Own).decode
_decode_without_inputs = msgspec.msgpack.Decoder(WithoutInputs).decode


class Call(msgspec.Struct, gc=False, eq=False):
    """shadows: by version. A call that waits for its day to close is packed: its prediction is then made anew, value for
    value, each time it is asked for, for millions may wait. That many are no work for the garbage collector either: nothing
    that a call holds refers back to it.

    routed: the prediction, or once packed one that was routed and answered the same way: arm, version, served_by, share and
    rollout are this call's too. own: what is not, packed.
    """

    id: str
    asked_s: float
    routed: Prediction
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
            return self.routed
        own, shared = _decode(self.own), self.routed
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
    def without_inputs(self) -> Prediction | WithoutInputs:
        """Value, latency, failure and flags, sooner than by `prediction`."""
        return self.routed if self.own is None else _decode_without_inputs(self.own)

    def value_of(self, version: str) -> float | None:
        """What `version` said of this call, whoever served it; None where it did not say or failed."""
        if self.routed.version == version:
            found = self.without_inputs
            return None if found.failure else found.value
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
        full = self.routed
        self.own = _encode(
            _Own(full.unit, full.answered_s, full.value, full.latency_ms, full.failure, full.flags, full.inputs)
        )
        self.routed = examples.like(full)


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
