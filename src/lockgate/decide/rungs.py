"""A rollout's policy as people write it at the command line: rungs by commas; what is left out is as lockgate.toml has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from lockgate.decide import ladder
from lockgate.errors import SpecError
from lockgate.records import RolloutSpec
from lockgate.records.duration import seconds


def rung(text: str) -> str | float:
    """One rung: a share (0.25, or 25%), else a word. Raises SpecError for a word that is no rung."""
    word = text.strip()
    try:
        return float(word[:-1]) / 100 if word.endswith("%") else float(word)
    except ValueError:
        ladder.step(word)
        return word


def rungs(text: str) -> tuple[str | float, ...]:
    """`replay,shadow,0.05,1.0` as rungs. Raises SpecError as `rung` does, and for nothing at all."""
    found = tuple(rung(part) for part in text.split(",") if part.strip())
    if not found:
        raise SpecError(f"{text!r} names no step.", cure="Write them by commas: replay,shadow,0.05,1.0")
    return found


def policy(
    base: RolloutSpec,
    *,
    ladder_text: str | None = None,
    require_approval: str | None = None,
    guardrails: Sequence[str] | None = None,
    deadline: str | None = None,
    alpha: float | None = None,
    prove: str | None = None,
) -> RolloutSpec:
    """`base` with what is given instead. Raises SpecError, with the nearest known name, for what cannot be."""
    given: dict[str, Any] = {
        "ladder": None if ladder_text is None else rungs(ladder_text),
        "require_approval": None if require_approval is None else rungs(require_approval),
        "guardrails": tuple(dict.fromkeys(guardrails)) if guardrails else None,
        "deadline": deadline,
        "alpha": alpha,
        "prove": prove,
    }
    changed = {name: value for name, value in given.items() if value is not None}
    # Made as if written anew: what cannot be is refused by the record itself, which older msgspec's `replace` does not ask.
    found = RolloutSpec(**{**msgspec.structs.asdict(base), **changed})
    seconds(found.deadline)
    ladder.steps(found)
    return found
