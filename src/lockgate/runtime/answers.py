"""What counts as an answer of one callable: a number the task allows, or whatever its owner says is valid."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from numbers import Real
from typing import Any, Literal

import msgspec

from lockgate.errors import INTERRUPTIONS, PredictError

AnyTask = Literal["binary", "regression", "any"]
TASKS: tuple[AnyTask, ...] = ("binary", "regression", "any")
Check = Callable[[Any], float]
"""The number that the log keeps of a valid answer. Raises PredictError: shape, non_finite, out_of_range, invalid."""

NO_NUMBER = math.nan
_ROUNDING = 1e-6  # as for a version's own answers: float32 sums of probabilities end this far outside [0, 1]
_encoder = msgspec.json.Encoder(order="deterministic")


def check_of(
    task: AnyTask, value: Callable[[Any], float] | None = None, valid: Callable[[Any], bool] | None = None
) -> Check:
    """value: takes the number out of an answer that is none. valid: asked first; False means that this is no answer.

    Of task "any" with no `value`, the number is a digest in [0, 1): equal answers have equal ones, and that is all it says.
    """
    number: Check = {"binary": _chance, "regression": _finite, "any": _finite if value else digest}[task]
    if value is None and valid is None:
        return number

    def check(answer: Any) -> float:
        if valid is not None and not _asked(valid, answer):
            raise PredictError(f"{_short(answer)} is not valid.", reason="invalid")
        return number(answer if value is None else _asked(value, answer))

    return check


def _asked(function: Callable[[Any], Any], answer: Any) -> Any:
    """An answer that the user's own look at it stumbles over is not what was to be answered."""
    try:
        return function(answer)
    except INTERRUPTIONS:
        raise
    except BaseException as error:
        raise PredictError(f"{_short(answer)} cannot be read: {error!r}.", reason="shape") from error


def _finite(answer: Any) -> float:
    number = answer if type(answer) is float else _number(answer)
    if not math.isfinite(number):
        raise PredictError("A number that is not finite was answered.", reason="non_finite")
    return number


def _chance(answer: Any) -> float:
    number = _finite(answer)
    if 0.0 <= number <= 1.0:
        return number
    if not -_ROUNDING <= number <= 1.0 + _ROUNDING:
        raise PredictError(f"{number:g} is no probability.", reason="out_of_range")
    return min(1.0, max(0.0, number))


def _number(answer: Any) -> float:
    """Of Python's, numpy's and torch's single numbers; text is never read as one, and a list of one is a list."""
    is_single = isinstance(answer, Real) or (hasattr(answer, "__float__") and getattr(answer, "shape", ()) == ())
    if is_single:
        try:
            return float(answer)
        except OverflowError as error:
            raise PredictError("A number beyond every float was answered.", reason="non_finite") from error
        except Exception as error:
            raise PredictError(f"{_short(answer)} is no number: {error!r}.", reason="shape") from error
    raise PredictError(f"{_short(answer)} is no number.", reason="shape")


def digest(answer: Any) -> float:
    """52 bits of a digest as a number in [0, 1); NaN for what has no canonical bytes."""
    try:
        body = answer.encode() if isinstance(answer, str) else bytes(_encoder.encode(answer))
    except Exception:  # noqa: BLE001 - an object may do anything while it is looked at; the answer stands
        return NO_NUMBER
    return (int.from_bytes(hashlib.blake2b(body, digest_size=8).digest(), "big") >> 12) / (1 << 52)


def _short(answer: Any) -> str:
    try:
        told = repr(answer)
    except Exception:  # noqa: BLE001 - the same
        told = f"an object of {type(answer).__name__}"
    return told if len(told) <= 60 else f"{told[:57]}..."
