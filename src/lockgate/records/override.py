"""An override: what a person decided of a running rollout beside its verdicts, with a name and a reason."""

from __future__ import annotations

import hashlib
from typing import Literal, get_args

from lockgate.errors import SpecError, unknown
from lockgate.records.record import Record

OverrideKind = Literal["hold", "resume", "approve", "promote", "skip", "widen"]


class Override(Record, frozen=True, kw_only=True):
    """Written once, in the ledger.

    step: the name of the step that it is about: the one to be entered of an approval, a skip or a promotion, else the one
    that the rollout stood at. at_s: event time; written_s: wall time. alpha: what a rollout's alpha was widened to, None
    for every other kind. Raises SpecError without a name or a reason, and for what cannot be.
    """

    id: str
    model: str
    rollout: str
    kind: OverrideKind
    by: str
    reason: str
    step: str
    at_s: float
    written_s: float
    alpha: float | None = None
    schema: int = 1

    def __post_init__(self) -> None:
        if self.kind not in get_args(OverrideKind):
            raise SpecError(unknown("override", str(self.kind), get_args(OverrideKind)))
        for name, value in (("name", self.by), ("reason", self.reason)):
            if not value.strip():
                raise SpecError(
                    f"To {self.kind} {self.rollout} of {self.model} takes a {name}.",
                    cure="Say why: --reason '...'; it is written into the ledger." if name == "reason" else "Say who.",
                )
        if (self.alpha is not None) != (self.kind == "widen"):
            raise SpecError(f"To {self.kind} {self.rollout}: an alpha is of `widen`, and of nothing else.")


def override_id(model: str, rollout: str, number: int) -> str:
    """The id of a rollout's override of that number, from 1: no two of them have the same."""
    named = "\x1f".join((model, rollout, str(number)))
    return f"o{hashlib.blake2b(named.encode(), digest_size=4).hexdigest()}"
