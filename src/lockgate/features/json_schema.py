"""The contract as JSON Schema, for people and tools. Needs msgspec alone, for a worker tells it too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lockgate.features.check import sent_rules
from lockgate.features.request import LONGEST_NAME
from lockgate.records import Column, Contract

DRAFT = "https://json-schema.org/draft/2020-12/schema"
NAME: dict[str, Any] = {"type": ["string", "null"], "maxLength": LONGEST_NAME}
"""A request's id, or its unit."""
_JSON: dict[str, dict[str, Any]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "text": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
}


def json_schema(contract: Contract) -> dict[str, Any]:
    """What a request to the model looks like, as JSON Schema (draft 2020-12).

    What refuses a row is a constraint; what only flags it or leaves it to the fallback stands as a description, and so do
    the rules between columns, which JSON Schema has no word for.
    """
    row = {
        "type": "object",
        "properties": {column.name: _property(column) for column in contract.sent},
        "required": [column.name for column in contract.sent],
        "additionalProperties": False,
    }
    rules = [f"{rule.rule.name} ({rule.rule.on_break}): {rule.rule.check}" for rule in sent_rules(contract)]
    return {
        "$schema": DRAFT,
        "title": f"A request to {contract.model}",
        "type": "object",
        "properties": {
            "rows": {
                "type": "array",
                "minItems": 1,
                "items": row | ({"description": "; ".join(rules)} if rules else {}),
            },
            "unit": NAME,
            "id": NAME,
        },
        "required": ["rows"],
        "additionalProperties": False,
    }


def any_schema(contract: Contract, contracts: Sequence[Contract]) -> dict[str, Any]:
    """The same while several contracts are in force: a row satisfies one of them, and may hold what another asks for.
    contract: the one that reads for all.
    """
    found = json_schema(contract)
    row = found["properties"]["rows"]["items"]
    row["properties"] = {column.name: _any_property(column.name, contracts) for column in contract.sent}
    del row["required"]
    wanted = [[column.name for column in one.sent] for one in contracts]
    row["anyOf"] = [{"required": names} for place, names in enumerate(wanted) if names not in wanted[:place]]
    return found


def _any_property(name: str, contracts: Sequence[Contract]) -> dict[str, Any]:
    own = [_property(column) for one in contracts for column in one.sent if column.name == name]
    different = [one for place, one in enumerate(own) if one not in own[:place]]
    return different[0] if len(different) == 1 else {"anyOf": different}


def _property(column: Column) -> dict[str, Any]:
    found = dict(_JSON[column.type])
    if column.is_nullable or column.does("missing") != "refuse":
        found["type"] = [found["type"], "null"]
    said: list[str] = []
    bounds = {"minimum": column.low, "maximum": column.high}
    for word, bound in bounds.items():
        if bound is not None and column.does("range") == "refuse":
            found[word] = bound
        elif bound is not None:
            said.append(f"{word} {bound:g}, else {column.does('range')}")
    if column.levels is not None and column.does("levels") == "refuse":
        found["enum"] = [*column.levels, *([None] if isinstance(found["type"], list) else [])]
    elif column.levels is not None:
        said.append(f"one of {len(column.levels)} levels, else {column.does('levels')}")
        found["examples"] = list(column.levels[:5])
    return found | ({"description": "; ".join(said)} if said else {})
