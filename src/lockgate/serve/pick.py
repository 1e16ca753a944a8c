"""What the log must know of a call, found among the callable's arguments: its unit, its request id, its inputs."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lockgate.errors import SpecError
from lockgate.records.prediction import Scalar
from lockgate.runtime.links import Arguments

Pick = Callable[[Arguments], str | None]
"""The text that a call is known by; None where it says nothing."""
Where = str | Callable[..., Any]
_LARGEST = 2**63 - 1


def pick(where: Where, function: Callable[..., Any]) -> Pick:
    """where: a parameter of the function, a column (a key or an attribute of its first argument that has it), or a callable
    that is asked with the same arguments. What it finds is known by its text: 7 and "7" are one unit.
    """
    find = _by_call(where) if callable(where) else _by_name(where, function)

    def picked(asked: Arguments) -> str | None:
        found = find(asked)
        return None if found is None or found == "" else clean(str(found))

    return picked


def inputs_of(names: Sequence[str], function: Callable[..., Any]) -> Callable[[Arguments], tuple[Scalar, ...]]:
    """These columns or parameters of a call, as the log can hold them; None where a call has none."""
    if isinstance(names, str):
        raise SpecError(f"inputs is {names!r}, one text.", cure=f"Give a list of names: inputs=[{names!r}]")
    finds = [_by_name(name, function) for name in names]
    return lambda asked: tuple(scalar(find(asked)) for find in finds)


def scalar(value: Any) -> Scalar:
    """As the log's Scalar: numpy's numbers as Python's, whatever is none as text."""
    if value is None or type(value) in (bool, float):
        return value  # type: ignore[no-any-return] # the line above has looked
    if isinstance(value, str):
        return clean(value)
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, int):
        return value if -_LARGEST <= value <= _LARGEST else float(value) if abs(value) < 2**1023 else math.inf
    return value if isinstance(value, float) else clean(str(value))


def clean(text: str) -> str:
    """The text as UTF-8 can say it: half a surrogate pair, from a badly decoded name say, is written out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _by_call(where: Callable[..., Any]) -> Callable[[Arguments], Any]:
    return lambda asked: where(*asked[0], **asked[1])


def _by_name(name: str, function: Callable[..., Any]) -> Callable[[Arguments], Any]:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return lambda asked: _column(name, asked)
    if name not in parameters:
        return lambda asked: _column(name, asked)
    place, own = list(parameters).index(name), parameters[name]
    by_place = own.kind in (own.POSITIONAL_ONLY, own.POSITIONAL_OR_KEYWORD)
    default = None if own.default is own.empty else own.default

    def parameter(asked: Arguments) -> Any:
        args, kwargs = asked
        return args[place] if by_place and place < len(args) else kwargs.get(name, default)

    return parameter


def _column(name: str, asked: Arguments) -> Any:
    for value in (*asked[0], *asked[1].values()):
        if isinstance(value, Mapping):
            if name in value:
                return value[name]  # pyright: ignore[reportUnknownVariableType] # a row of any values
        elif hasattr(value, name):
            return getattr(value, name)
    return None
