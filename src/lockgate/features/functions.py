"""The functions of row expressions: what each means, for one row and for an array, side by side.

Both ways run the same arithmetic, so a table and a row get the same bits. What numpy computes with the machine's vector
units (log, exp) may differ from Python's own in the last bit, and from one processor to the next; so those are taken from
Python's `math` for arrays too. Numbers are float64 and missing is NaN; text is str and missing is None; true or false is
1.0, 0.0 or NaN in an array, and True, False or None in a row.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.features.tree import Type

Array = NDArray[Any]
LARGEST_EXP = math.log(sys.float_info.max)
WHOLE = 2.0**52  # from here on every float64 is a whole number
DAY_S = 86_400.0


class Function(NamedTuple):
    """one: Python for one row; {0}, {1} stand for names of arguments, and names in `NAMES` may be used. many: for arrays
    of one shape; numpy's warnings are off while it runs.
    """

    takes: tuple[Type, ...]
    gives: Type
    one: str
    many: Callable[..., Array]


def _each(work: Callable[[float], float], among: Callable[[Array], Array], beyond: float) -> Callable[[Array], Array]:
    """`work` on the values that are among those it takes; else `beyond`, and NaN for a missing one."""

    def many(values: Array) -> Array:
        given = np.asarray(values, dtype=np.float64)
        found = np.where(np.isnan(given), np.nan, beyond)
        chosen = among(given)
        taken = given[chosen].tolist()
        found[chosen] = np.fromiter(map(work, taken), dtype=np.float64, count=len(taken))
        return found

    return many


def power(base: float, exponent: float) -> float:
    """The power, NaN where it has no value: a root of what is negative, and 0 to a negative power."""
    if base != base or exponent != exponent:
        return math.nan  # Python says that NaN ** 0 is 1
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:
        return math.nan


def _powers(base: Array, exponent: Array) -> Array:
    one, other = np.broadcast_arrays(base, exponent)
    found = map(power, one.ravel().tolist(), other.ravel().tolist())
    return np.fromiter(found, dtype=np.float64, count=one.size).reshape(one.shape)


def date(seconds: Any) -> tuple[Any, Any, Any]:
    """Year, month, day of seconds since 1970, UTC: for one float64 and for arrays, with the same steps.

    Source: H. Hinnant, chrono-compatible low-level date algorithms, civil_from_days.
    """
    z = seconds // DAY_S + 719_468.0
    era = z // 146_097.0
    day_of_era = z - era * 146_097.0
    year = (day_of_era - day_of_era // 1460.0 + day_of_era // 36_524.0 - day_of_era // 146_096.0) // 365.0
    day_of_year = day_of_era - (365.0 * year + year // 4.0 - year // 100.0)
    shifted = (5.0 * day_of_year + 2.0) // 153.0
    month = shifted + 3.0 - 12.0 * (shifted // 10.0)
    # January and February belong to the year that began in March before.
    return year + era * 400.0 + shifted // 10.0, month, day_of_year - (153.0 * shifted + 2.0) // 5.0 + 1.0


def _words(work: Callable[..., Any]) -> Callable[..., Array]:
    """`work` on texts, None where one is missing."""

    def many(*texts: Array) -> Array:
        aligned = np.broadcast_arrays(*texts)
        out = np.empty(aligned[0].shape, dtype=object)
        flat = zip(*(one.ravel().tolist() for one in aligned), strict=True)
        out.ravel()[:] = [None if None in row else work(*row) for row in flat]
        return out

    return many


def _counted(work: Callable[..., Any]) -> Callable[..., Array]:
    """The same of a `work` that gives a number, or true or false."""
    words = _words(work)

    def many(*texts: Array) -> Array:
        return words(*texts).astype(np.float64)  # None becomes NaN

    return many


def _number(one: str, many: Callable[[Array], Array]) -> Function:
    return Function(("number",), "number", one, many)


def _of_two(one: str, many: Callable[[Array, Array], Array]) -> Function:
    return Function(("number", "number"), "number", one, many)


def _less(one: Array, other: Array) -> Array:
    return np.asarray(np.where((other < one) | np.isnan(other), other, one))


def _more(one: Array, other: Array) -> Array:
    return np.asarray(np.where((other > one) | np.isnan(other), other, one))


def _rest(one: Array, other: Array) -> Array:
    return np.asarray(np.where(other == 0, np.nan, np.remainder(one, other)))


def _of_time(one: str, many: Callable[[Array], Array]) -> Function:
    return Function(("time",), "number", one, many)


def _whole(one: str, many: Callable[[Array], Array]) -> Function:
    """To a whole number. Python knows no whole -0.0, so numpy's becomes 0.0."""
    one = f"({{0}} if not -WHOLE < {{0}} < WHOLE else float({one}({{0}})))"
    return _number(one, lambda x: np.where(np.abs(x) < WHOLE, many(x) + 0.0, x))


FUNCTIONS: Mapping[str, Function] = {
    "abs": _number("abs({0})", np.abs),
    "log": _number("(log({0}) if {0} > 0.0 else nan)", _each(math.log, lambda x: x > 0, math.nan)),
    "log1p": _number("(log1p({0}) if {0} > -1.0 else nan)", _each(math.log1p, lambda x: x > -1, math.nan)),
    "exp": _number(
        "(exp({0}) if not {0} > LARGEST_EXP else inf)", _each(math.exp, lambda x: x <= LARGEST_EXP, math.inf)
    ),
    "sqrt": _number("(sqrt({0}) if {0} >= 0.0 else nan)", np.sqrt),
    "floor": _whole("floor", np.floor),
    "ceil": _whole("ceil", np.ceil),
    "round": _whole("round", np.rint),
    "min": _of_two("({1} if {1} < {0} or {1} != {1} else {0})", _less),
    "max": _of_two("({1} if {1} > {0} or {1} != {1} else {0})", _more),
    "%": _of_two("({0} % {1} if {1} else nan)", _rest),
    "**": _of_two("power({0}, {1})", _powers),
    "second": _of_time("({0} // 1.0 % 60.0)", lambda t: t // 1.0 % 60.0),
    "minute": _of_time("({0} // 60.0 % 60.0)", lambda t: t // 60.0 % 60.0),
    "hour": _of_time("({0} // 3600.0 % 24.0)", lambda t: t // 3600.0 % 24.0),
    "weekday": _of_time("(({0} // 86400.0 + 3.0) % 7.0 + 1.0)", lambda t: (t // 86400.0 + 3.0) % 7.0 + 1.0),
    "day": _of_time("date({0})[2]", lambda t: date(t)[2]),
    "month": _of_time("date({0})[1]", lambda t: date(t)[1]),
    "year": _of_time("date({0})[0]", lambda t: date(t)[0]),
    "to_lowercase": Function(("text",), "text", "(None if {0} is None else {0}.lower())", _words(str.lower)),
    "len_chars": Function(("text",), "number", "(nan if {0} is None else float(len({0})))", _counted(len)),
    "starts_with": Function(
        ("text", "text"),
        "bool",
        "(None if {0} is None or {1} is None else {0}.startswith({1}))",
        _counted(str.startswith),
    ),
    "ends_with": Function(
        ("text", "text"),
        "bool",
        "(None if {0} is None or {1} is None else {0}.endswith({1}))",
        _counted(str.endswith),
    ),
}
NAMES: Mapping[str, Any] = {
    "nan": math.nan,
    "inf": math.inf,
    "log": math.log,
    "log1p": math.log1p,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "floor": math.floor,
    "ceil": math.ceil,
    "power": power,
    "date": date,
    "abs": abs,
    "float": float,
    "len": len,
    "round": round,
    "LARGEST_EXP": LARGEST_EXP,
    "WHOLE": WHOLE,
}
"""What the Python of `Function.one` may name: nothing else is within its reach."""
