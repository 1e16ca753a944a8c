"""A contract as the TOML that `lockgate.toml` takes: what was inferred, ready for a person to edit."""

from __future__ import annotations

import json
import re

from lockgate.records import Column, Contract, Severity

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml(contract: Contract, *, name: str | None = None) -> str:
    """`[model.NAME.contract]` and a line for each column. A range written here is a person's: rows outside are refused,
    so an inferred one comes with on_break that flags it, as it did.
    """
    model = _key(name or contract.model)
    head = [f"[model.{model}]", f"target = {_text(contract.target)}"]
    head += [f"{role} = {_text(value)}" for role, value in (("unit", contract.unit), ("time", contract.time)) if value]
    lines = [*head, "", f"[model.{model}.contract]"]
    after = [
        c.name for c in contract.columns if not c.is_known_before and c.name not in (contract.target, contract.known)
    ]
    if after:
        lines.append(f"known_after = {_list(after)}")
    if contract.known:
        lines.append(f"known = {_text(contract.known)}")
    if contract.keys:
        lines.append(f"keys = {_list(contract.keys)}")
    lines += ["", f"[model.{model}.contract.columns]"]
    lines += [f"{_key(column.name)} = {{ {_column(column)} }}" for column in contract.columns]
    for rule in contract.rules:
        lines += ["", f"[[model.{model}.contract.rules]]", f"name = {_text(rule.name)}", f"check = {_text(rule.check)}"]
        lines += [f"on_break = {_text(rule.on_break)}"]
    return "\n".join(lines) + "\n"


def _column(column: Column) -> str:
    found = [f"type = {_text(column.type)}"]
    found += [f"low = {_number(column.low)}"] if column.low is not None else []
    found += [f"high = {_number(column.high)}"] if column.high is not None else []
    found += [f"levels = {_list(column.levels)}"] if column.levels is not None else []
    found += ["nullable = true"] if column.is_nullable and column.is_known_before else []
    on_break = _on_break(column)
    return ", ".join([*found, f"on_break = {on_break}"] if on_break else found)


def _on_break(column: Column) -> str:
    """What differs from the default of a column that a person declared."""
    severity = {kind: does for kind in Severity.__struct_fields__ if (does := column.severity.of(kind))}  # type: ignore[arg-type]
    has_range = column.low is not None or column.high is not None
    if has_range and column.range_origin == "inferred":
        severity.setdefault("range", column.on_break)
    if column.levels is not None and column.on_break != "flag":
        severity.setdefault("levels", column.on_break)
    return "{ " + ", ".join(f"{kind} = {_text(does)}" for kind, does in severity.items()) + " }" if severity else ""


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(value: str) -> str:
    """A TOML basic string; JSON's escapes are TOML's too, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(values: tuple[str, ...] | list[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
