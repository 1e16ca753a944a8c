"""Contracts that exist already: Pandera schemas and MLflow signatures, carried over; what cannot be is named."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, SupportsFloat, TypeGuard, cast

from lockgate.errors import SpecError
from lockgate.records import ColumnSpec, ContractSpec, Rule
from lockgate.records.contract import ColumnType

_SIGNATURE: dict[str, ColumnType] = {
    "boolean": "bool",
    "integer": "int",
    "long": "int",
    "float": "float",
    "double": "float",
    "string": "text",
    "datetime": "time",
}
_SIGNATURE_LACKS = (
    "An MLflow signature says nothing of ranges, levels, keys and times: add them, or infer them from a table."
)
_COMPARED = {"greater_than": ">", "less_than": "<", "equal_to": "==", "not_equal_to": "!="}
Given = Mapping[str, Any]


class Imported(NamedTuple):
    """spec: the columns and rules that could be carried over. notes: a sentence for each thing that could not."""

    spec: ContractSpec
    notes: tuple[str, ...]


def from_pandera(schema: Any) -> Imported:
    """Of a Pandera DataFrameSchema or DataFrameModel, for pandas or Polars: types, nullable, ranges, levels, keys.

    Raises SpecError where it is neither.
    """
    makes: Any = getattr(schema, "to_schema", None) if isinstance(schema, type) else None
    schema = makes() if makes else schema
    if not isinstance(getattr(schema, "columns", None), dict) or not hasattr(schema, "checks"):
        raise SpecError(
            f"{schema!r} is neither a contract's class nor a Pandera schema.",
            cure="Give a subclass of Table, a DataFrameSchema or a DataFrameModel.",
        )
    columns: dict[str, ColumnSpec] = {}
    rules: list[Rule] = []
    notes: list[str] = []
    for name, column in schema.columns.items():
        if getattr(column, "regex", False):
            notes.append(f"Column pattern {name!r}: a contract names each column. Write them out.")
            continue
        columns[str(name)] = _pandera_column(str(name), column, rules, notes)
    keys = [str(name) for name, column in schema.columns.items() if getattr(column, "unique", False)]
    together: list[str] = [schema.unique] if isinstance(schema.unique, str) else list(schema.unique or ())
    if len(keys) + bool(together) > 1:
        notes.append(f"A contract has one key: {together or keys[:1]} is kept of {[*keys, *together]}.")
    notes += [f"The check {_named(check)} over the whole table. Write it as a rule." for check in schema.checks]
    if getattr(schema, "index", None) is not None:
        notes.append("The index: a contract knows columns only. Make it a column: table.reset_index().")
    spec = ContractSpec(columns=columns, rules=tuple(rules), keys=tuple(together or keys[:1]))
    return Imported(spec, tuple(notes))


def from_mlflow_signature(inputs: Any) -> Imported:
    """Of an MLflow signature's inputs: types, and which may be missing.

    inputs: the JSON text or list of its column specs, the dict that a MLmodel file holds, or the ModelSignature. Raises
    SpecError where they are tensors or have no names.
    """
    columns: dict[str, ColumnSpec] = {}
    notes: list[str] = []
    for place, item in enumerate(_signature_columns(inputs)):
        name, kind = item.get("name"), item.get("type")
        if kind == "tensor" or name is None:
            what = "a tensor" if kind == "tensor" else "a column without a name"
            raise SpecError(
                f"Input {place} of the signature is {what}; a contract has named columns.",
                cure="Log the model with a signature inferred from a table with column names.",
            )
        found = _SIGNATURE.get(str(kind))
        if found is None:
            notes.append(f"Column {name!r} is {kind}, which no contract knows: its type is left open.")
        if found == "time":
            notes.append(f"Column {name!r} is a time; a signature says no zone, a contract wants UTC.")
        columns[str(name)] = ColumnSpec(type=found, nullable=not item.get("required", True))
    return Imported(ContractSpec(columns=columns), (*notes, _SIGNATURE_LACKS))


def _signature_columns(inputs: Any) -> Sequence[Given]:
    found: Any = inputs.to_dict() if hasattr(inputs, "to_dict") else inputs
    for key in ("signature", "inputs"):
        found = cast("dict[str, Any]", found).get(key, found) if isinstance(found, dict) else found
    if isinstance(found, str):
        try:
            return _signature_columns(json.loads(found))
        except json.JSONDecodeError as error:
            raise SpecError(f"The signature's inputs are not JSON: {error}.") from error
    columns: list[Any] = found if isinstance(found, list) else []  # pyright: ignore[reportUnknownVariableType] # JSON: any value
    if not columns or not all(isinstance(item, dict) for item in columns):
        raise SpecError(
            "The signature names no input columns.",
            cure='Give its inputs: [{"name": "seats", "type": "long"}], as the file MLmodel holds them.',
        )
    return columns


def _pandera_column(name: str, column: Any, rules: list[Rule], notes: list[str]) -> ColumnSpec:
    given: dict[str, Any] = {"type": _pandera_type(name, column.dtype, notes), "nullable": bool(column.nullable)}
    for check in column.checks:
        carried = _bounds(check) if not _is_soft(check) else None
        if carried is not None and not carried.keys() & given.keys() and given["type"] in ("int", "float", None):
            given |= carried
        elif check.name == "isin" and given["type"] in ("text", None) and _is_text(check) and not _is_soft(check):
            given |= {"levels": tuple(check.statistics["allowed_values"]), "on_break": "refuse"}
        elif (text := _rule_text(name, check)) is not None:
            number = sum(rule.name.startswith(f"{name} {check.name}") for rule in rules)
            called = f"{name} {check.name}" + (f" {number + 1}" if number else "")
            rules.append(Rule(name=called, check=text, on_break="flag" if _is_soft(check) else "refuse"))
        else:
            notes.append(f"Column {name!r}: the check {_named(check)}. Write it as a rule, if one row can tell.")
    if getattr(column, "coerce", False):
        notes.append(f"Column {name!r}: coerce. A contract casts nothing; cast where the table is made.")
    if not getattr(column, "required", True):
        notes.append(f"Column {name!r}: required=False. A contract's columns are always there; here it may be null.")
        given["nullable"] = True
    return ColumnSpec(**given)


def _pandera_type(name: str, dtype: Any, notes: list[str]) -> ColumnType | None:
    word = str(dtype).lower()
    if dtype is None:
        notes.append(f"Column {name!r} has no type: it is left open.")
        return None
    # "datetime64[ns, utc]" holds no "int", "uint8" and "int64[pyarrow]" do: times first, then the rest by how they begin.
    begins_with: list[tuple[tuple[str, ...], ColumnType]] = [
        (("datetime", "timestamp"), "time"),
        (("int", "uint"), "int"),
        (("float", "double"), "float"),
        (("bool",), "bool"),
        (("str", "string", "object", "category", "categorical", "enum", "large_string"), "text"),
    ]
    kind: ColumnType | None = next((kind for begins, kind in begins_with if word.startswith(begins)), None)
    if kind is None:
        notes.append(f"Column {name!r} has type {dtype}, which no contract knows: it is left open.")
    if kind == "time" and "utc" not in word:
        notes.append(f"Column {name!r} is {dtype}; a contract wants its times in UTC.")
    return kind


def _bounds(check: Any) -> dict[str, float] | None:
    """Low and high where the check is an inclusive range."""
    given: Given = check.statistics or {}
    low, high = given.get("min_value"), given.get("max_value")
    if check.name == "greater_than_or_equal_to" and _is_number(low):
        return {"low": float(low)}
    if check.name == "less_than_or_equal_to" and _is_number(high):
        return {"high": float(high)}
    is_inclusive = given.get("include_min", True) and given.get("include_max", True)
    if check.name == "in_range" and is_inclusive and _is_number(low) and _is_number(high):
        return {"low": float(low), "high": float(high)}
    return None


def _rule_text(name: str, check: Any) -> str | None:
    """The check as a row expression, where it is one."""
    given: Given = check.statistics or {}
    column = f"col({json.dumps(name, ensure_ascii=False)})"
    writers: dict[str, Callable[[], str | None]] = {
        "greater_than_or_equal_to": lambda: _compared(column, ">=", given.get("min_value")),
        "less_than_or_equal_to": lambda: _compared(column, "<=", given.get("max_value")),
        "in_range": lambda: _in_range(column, given),
        "isin": lambda: _among(column, "in", given.get("allowed_values")),
        "notin": lambda: _among(column, "not in", given.get("forbidden_values")),
    }
    if check.name in _COMPARED:
        bound = next((given[key] for key in ("min_value", "max_value", "value") if key in given), None)
        return _compared(column, _COMPARED[check.name], bound)
    return writers[check.name]() if check.name in writers else None


def _compared(column: str, op: str, value: Any) -> str | None:
    literal = _literal(value)
    return None if literal is None else f"{column} {op} {literal}"


def _in_range(column: str, given: Given) -> str | None:
    low, high = _literal(given.get("min_value")), _literal(given.get("max_value"))
    if low is None or high is None:
        return None
    first, second = ("<=" if given.get(key, True) else "<" for key in ("include_min", "include_max"))
    return f"{low} {first} {column} {second} {high}"


def _among(column: str, word: str, values: Any) -> str | None:
    literals = [_literal(value) for value in values or ()]
    known = [literal for literal in literals if literal is not None]
    return f"{column} {word} [{', '.join(known)}]" if known and len(known) == len(literals) else None


def _literal(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(float(value)) if _is_number(value) else None


def _is_number(value: Any) -> TypeGuard[SupportsFloat]:
    return hasattr(value, "__float__") and not isinstance(value, str | bool) and math.isfinite(float(value))


def _is_text(check: Any) -> bool:
    return all(isinstance(value, str) for value in check.statistics["allowed_values"])


def _is_soft(check: Any) -> bool:
    return bool(getattr(check, "raise_warning", False))


def _named(check: Any) -> str:
    return repr(getattr(check, "name", None) or getattr(check, "error", None) or "without a name")
